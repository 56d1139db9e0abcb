"""Rounding of one tensor against its slow twin, and what it promises; of a network, and by a budget."""

import copy
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from complexity_lab.errors import InputError, UnknownNameError, WeightsError
from complexity_lab.quantization.allocation import bits_by_error
from complexity_lab.quantization.rounding import relative_error, rounded, with_rounded_weights
from tests.naive.rounding import rounded_channel

FINITE = st.floats(-1e6, 1e6, width=32).map(lambda value: 0.0 if abs(value) < 1e-6 else value)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 3))


@given(arrays(np.float64, SHAPES, elements=FINITE), st.integers(1, 8))
def test_it_equals_the_slow_twin(weights, bits):
    found = rounded(weights, bits)
    assert found.shape == weights.shape
    for channel, ours in zip(weights, found, strict=True):
        wanted = rounded_channel(channel.ravel().tolist(), bits)
        np.testing.assert_allclose(ours.ravel(), wanted, rtol=1e-12, atol=0)


def test_halves_go_to_the_even_level():
    # scale 1 with 4 bits: the largest weight is 7
    weights = np.array([[7.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5]])
    assert rounded(weights, 4).tolist() == [[7.0, 0.0, 2.0, 2.0, 0.0, -2.0, -2.0]]


@given(arrays(np.float32, SHAPES, elements=FINITE), st.integers(1, 8))
def test_a_channel_has_few_values_and_its_largest_weight_stays(weights, bits):
    found = rounded(weights, bits)
    for channel, ours in zip(weights, found, strict=True):
        assert len(np.unique(ours)) <= (2 if bits == 1 else 2**bits - 1)
        if bits > 1:
            assert np.abs(ours).max() == pytest.approx(np.abs(channel).max(), rel=1e-6)


@given(arrays(np.float32, SHAPES, elements=FINITE), st.integers(1, 8), st.integers(-8, 8))
def test_scaling_by_a_power_of_two_scales_the_result(weights, bits, power):
    factor = np.float32(2.0**power)
    np.testing.assert_array_equal(rounded(weights * factor, bits), rounded(weights, bits) * factor)


@given(arrays(np.float32, SHAPES, elements=FINITE), st.integers(2, 8))
def test_rounding_is_symmetric_and_channels_are_their_own(weights, bits):
    np.testing.assert_array_equal(rounded(-weights, bits), -rounded(weights, bits) + 0.0)
    alone = np.concatenate([rounded(channel[None], bits) for channel in weights])
    np.testing.assert_array_equal(rounded(weights, bits), alone)


@pytest.mark.parametrize("bits", range(1, 9))
def test_degenerate_channels(bits):
    zeros, constant = np.zeros((2, 3), np.float32), np.full((2, 3), -0.75, np.float32)
    assert not np.signbit(rounded(zeros, bits)).any()
    np.testing.assert_array_equal(rounded(zeros, bits), zeros)
    np.testing.assert_allclose(rounded(constant, bits), constant, rtol=1e-6)
    tiny = np.full((1, 4), 1e-45, np.float32)  # too small to be divided by 127
    assert np.isfinite(rounded(tiny, bits)).all()


def test_nothing_is_done_in_place_and_dtypes_are_as_said():
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    before = weights.clone()
    assert rounded(weights, 3).dtype == np.float32
    assert torch.equal(weights, before)
    assert rounded(weights.double().numpy(), 3).dtype == np.float64
    halves = weights.numpy().astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(rounded(halves, 3), rounded(halves.astype(np.float32), 3))


@pytest.mark.parametrize(
    ("weights", "bits", "error", "words"),
    [
        (np.array([[1.0, np.nan]]), 4, WeightsError, "1 of 2 weights are NaN"),
        (np.array([[np.inf, 1.0]]), 4, WeightsError, "NaN or infinite"),
        (np.ones(3), 4, InputError, "two or more axes"),
        (np.ones((0, 3)), 4, InputError, "at least one value"),
        (np.ones((2, 2), int), 4, InputError, "dtype int64"),
        (np.ones((2, 2)), 0, InputError, "1 to 8"),
        (np.ones((2, 2)), 9, InputError, "1 to 8"),
        (np.ones((2, 2)), True, InputError, "1 to 8"),
        (np.ones((2, 2)), 2.0, InputError, "1 to 8"),
    ],
)
def test_what_cannot_be_rounded_is_refused(weights, bits, error, words):
    with pytest.raises(error, match=words):
        rounded(weights, bits)


def test_the_error_falls_fourfold_per_bit_and_is_zero_for_zeros():
    weights = np.random.default_rng(0).uniform(-1, 1, (4, 5000))
    errors = [relative_error(weights, bits) for bits in range(4, 9)]
    for before, after in pairwise(errors):
        assert before / after == pytest.approx(4, rel=0.35)  # levels are 7, 15, 31, ...: a little more than fourfold
    assert relative_error(np.zeros((2, 2)), 3) == 0.0


def test_weights_are_rounded_inside_and_as_before_outside():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    before, bits = copy.deepcopy(module.state_dict()), {"0.weight": 2, "3.weight": 2}
    with pytest.raises(RuntimeError, match="stop"), with_rounded_weights(module, bits):
        for name in bits:
            np.testing.assert_array_equal(module.get_parameter(name).detach().numpy(), rounded(before[name], 2))
        assert torch.equal(module[0].bias, before["0.bias"])
        raise RuntimeError("stop")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    unknown = pytest.raises(UnknownNameError, match=r"no parameter 'x\.weight'")
    with unknown, with_rounded_weights(module, {"x.weight": 2}):
        pass


def test_bits_by_error_never_overspends_and_fills_what_it_can():
    rng = np.random.default_rng(0)
    for _ in range(30):
        errors = {str(place): np.sort(rng.uniform(size=5))[::-1] for place in range(4)}
        weights = {name: int(rng.integers(1, 50)) for name in errors}
        budget = float(rng.integers(sum(weights.values()), 5 * sum(weights.values()) + 1))
        bits = bits_by_error(errors, weights, budget)
        spent = sum(bits[name] * weights[name] for name in bits)
        assert spent <= budget
        assert all(bits[name] == 5 or spent + weights[name] > budget for name in bits)
    assert bits_by_error({"a": np.array([0.3, 0.6, 0.1])}, {"a": 10}, 20) == {"a": 1}  # 2 bits are worse, 3 do not fit
