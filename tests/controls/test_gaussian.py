"""The matched Gaussian against draws and against numpy's moments."""

from statistics import NormalDist

import ml_dtypes
import numpy as np
import pytest
import torch

from complexity_lab.binary.counting import block_counts
from complexity_lab.binary.planes import plane_counts
from complexity_lab.controls.gaussian import Gaussian, GaussianNull, gaussian_scores, matched_gaussian
from complexity_lab.controls.iid import iid_null
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from tests.naive.shuffle import square_codes, stream_codes


def gaussian_null(tensor, ctm, blocks):
    """Return the null model from the share of ones alone."""
    return iid_null(ctm, blocks, matched_gaussian(tensor).ones_fraction)


def weights(*shape, mean=0.02, sd=0.3, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, shape)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ml_dtypes.bfloat16])
def test_mean_and_sd_are_those_of_the_values(monkeypatch, dtype):
    monkeypatch.setattr("complexity_lab.controls.gaussian.CHUNK", 100)
    tensor = weights(13, 31).astype(dtype)
    found = matched_gaussian(tensor)
    assert found.mean == pytest.approx(tensor.astype(float).mean(), rel=1e-12)
    assert found.sd == pytest.approx(tensor.astype(float).std(), rel=1e-12)


def test_a_torch_tensor_is_matched():
    assert matched_gaussian(torch.tensor([1.0, 3.0])) == Gaussian(2.0, 1.0)


@pytest.mark.parametrize(("mean", "sd"), [(0, 1), (0.3, 1), (-2, 0.7), (1e-3, 5e-3), (-40, 1)])
def test_the_share_of_ones_is_that_of_a_normal_distribution(mean, sd):
    expected = 1 - NormalDist(mean, sd).cdf(0)
    assert Gaussian(mean, sd).ones_fraction == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("mean", "share"), [(0.5, 1.0), (0.0, 0.0), (-0.5, 0.0)])
def test_a_constant_tensor_has_one_bit(mean, share):
    found = matched_gaussian(np.full(30, mean))
    assert (found.sd, found.ones_fraction) == (0.0, share)
    assert gaussian_null(np.full(30, mean), ctm_table((12,)), 2).sd == 0
    assert np.unique(found.draw((50,), np.random.default_rng(0))).tolist() == [mean]


def test_the_analytic_null_is_that_of_draws():
    tensor = weights(300, 50, mean=0.1)
    blocks = block_counts(tensor).blocks
    null = gaussian_null(tensor, ctm_table((12,)), blocks)
    drawn = np.array(gaussian_scores(tensor, lambda draw: bdm_of(block_counts(draw)), repetitions=200))
    assert null.mean == pytest.approx(drawn.mean(), abs=4.5 * null.sd / 200**0.5)
    assert null.sd == pytest.approx(drawn.std(ddof=1), rel=0.25)


def test_bit_planes_are_scored_on_draws_of_shape_dtype_and_moments():
    tensor = weights(200, 300, mean=0.5).astype(np.float32)
    draws = gaussian_scores(tensor, np.array, repetitions=2)
    for draw in draws:
        assert (draw.shape, draw.dtype) == (tensor.shape, tensor.dtype)
        assert draw.mean() == pytest.approx(tensor.mean(), abs=0.006)
        assert draw.std() == pytest.approx(tensor.std(), rel=0.015)
    assert not np.array_equal(*draws)
    planes = gaussian_scores(tensor, lambda draw: [bdm_of(counts) for counts in plane_counts(draw, 4)], repetitions=2)
    assert np.shape(planes) == (2, 4)


def test_a_seed_fixes_a_repetition_whatever_their_number():
    few, many = (gaussian_scores(weights(40), np.sum, repetitions=n, seed=3) for n in (2, 5))
    assert few == many[:2]
    assert gaussian_scores(weights(40), np.sum, repetitions=2, seed=4) != few


def test_bad_input_is_named():
    with pytest.raises(WeightsError, match="mean nan"):
        matched_gaussian(np.array([1.0, np.nan]))
    with pytest.raises(WeightsError):
        matched_gaussian(np.array([1.0, np.inf]))
    with pytest.raises(InputError, match="0 values"):
        matched_gaussian(np.zeros(0))
    with pytest.raises(InputError, match="int64"):
        matched_gaussian(np.arange(3))
    with pytest.raises(InputError, match="0 repetitions"):
        gaussian_scores(weights(3), np.sum, repetitions=0)


def model(rng):
    """Tensors of every kind: shares of ones from 0 to 1, strings that straddle, vectors without squares."""
    return [
        (rng.standard_normal((9, 14)) + 0.4).astype(np.float32),
        np.ones(7, np.float32),
        rng.standard_normal(5).astype(np.float32) - 1,
        np.zeros(3, np.float32),
        (rng.standard_normal((6, 3, 3, 3)) - 0.3).astype(np.float64),
    ]


def test_counts_are_those_of_drawn_values():
    """The naive twin draws the values of every tensor and counts the stream and the squares."""
    rng = np.random.default_rng(0)
    tensors = model(rng)
    n = 600
    null = GaussianNull(repetitions=n, seed=1)
    for tensor in tensors:
        null.add(tensor)
    gaussians = [(tensor.mean(dtype=np.float64), tensor.std(dtype=np.float64), tensor.shape) for tensor in tensors]
    draws = [[rng.normal(mean, sd, shape) for mean, sd, shape in gaussians] for _ in range(n)]
    for found, codes, shape in (
        (null.strings(), [stream_codes(draw) for draw in draws], (12,)),
        (null.squares(), [square_codes(draw) for draw in draws], (4, 4)),
    ):
        ctm = ctm_table(shape)
        mine = np.array([bdm_of(counts) for counts in found])
        theirs = np.array([sum(ctm[code] + np.log2(k) for code, k in each.items()) for each in codes])
        assert {counts.blocks for counts in found} == {sum(each.values()) for each in codes}
        assert abs(mine.mean() - theirs.mean()) < 5 * np.hypot(mine.std(), theirs.std()) / np.sqrt(n)
        assert mine.std() == pytest.approx(theirs.std(), rel=0.2)
        ones = [sum(code.bit_count() * k for code, k in each.items()) for each in codes]
        assert np.mean([counts.ones for counts in found]) == pytest.approx(np.mean(ones), rel=0.02)
        assert {counts.scored + counts.dropped for counts in found} == {sum(tensor.size for tensor in tensors)}


def test_strings_straddle_tensors():
    null = GaussianNull(repetitions=2)
    for tensor in (-np.ones(18), np.ones(12), -np.ones(7)):
        null.add(tensor)
    for counts in null.strings():
        assert counts.codes.tolist() == [0, 0b000000111111, 0b111111000000]
        assert counts.dropped == 1


def test_one_tensor_is_its_analytic_null():
    weights = np.random.default_rng(3).standard_normal((300, 400)) + 0.2
    null = GaussianNull(repetitions=300, seed=2, shapes=((12,),))
    null.add(weights)
    drawn = np.array([bdm_of(counts) for counts in null.strings()])
    expected = gaussian_null(weights, ctm_table((12,)), 10_000)
    assert drawn.mean() == pytest.approx(expected.mean, abs=5 * expected.sd / np.sqrt(300))
    assert drawn.std(ddof=1) == pytest.approx(expected.sd, rel=0.2)


def test_bad_draws_are_refused():
    with pytest.raises(InputError, match="0 repetitions"):
        GaussianNull(repetitions=0)
    with pytest.raises(InputError, match="blocks of shapes"):
        GaussianNull(shapes=((3, 3),))
    with pytest.raises(WeightsError):
        GaussianNull().add(np.array([1.0, np.nan]))
