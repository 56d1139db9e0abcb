"""The change of BDM per flipped bit against scoring everything again, one bit at a time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from complexity_lab.binary.counting import SQUARE, block_counts
from complexity_lab.controls.perturbation import flip_changes, perturbation
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from tests.naive import bdm as naive


def table(axes):
    return ctm_table((12,) if axes == 1 else (4, 4))


def naive_score(bits):
    blocks = naive.string_blocks(list(bits), 12) if bits.ndim == 1 else naive.square_blocks(bits.tolist(), 4)
    return naive.bdm(blocks, {block: table(bits.ndim)[naive.code(block)] for block in blocks})


def brute_force(bits):
    base = naive_score(bits)
    changes = np.zeros(bits.shape)
    for place in np.ndindex(*bits.shape):
        flipped = bits.copy()
        flipped[place] ^= 1
        changes[place] = naive_score(flipped) - base
    return changes


def patterns():
    """Few different blocks, so that counts of 0, 1, 2 and more all meet."""
    rng = np.random.default_rng(0)
    yield np.zeros(60, dtype=np.uint8)
    yield np.ones(12, dtype=np.uint8)
    yield np.tile([0, 1], 31).astype(np.uint8)
    yield (rng.random(240) < 0.04).astype(np.uint8)
    yield (rng.random(137) < 0.5).astype(np.uint8)
    yield np.zeros((12, 9), dtype=np.uint8)
    yield np.eye(14, 17, dtype=np.uint8)
    yield (rng.random((20, 16)) < 0.03).astype(np.uint8)
    yield (rng.random((9, 11)) < 0.5).astype(np.uint8)


@pytest.mark.parametrize("bits", list(patterns()), ids=lambda bits: "x".join(map(str, bits.shape)))
def test_every_change_is_that_of_scoring_again(bits):
    assert perturbation(bits) == pytest.approx(brute_force(bits), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    arrays.arrays(np.uint8, st.one_of(st.integers(0, 50), arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)),
                  elements=st.integers(0, 1))
)  # fmt: skip
def test_any_bits_change_as_when_scored_again(bits):
    assert perturbation(bits) == pytest.approx(brute_force(bits), abs=1e-9)


def test_within_a_larger_whole_the_change_is_that_of_the_whole():
    rng = np.random.default_rng(3)
    first, second = ((rng.random(shape) < 0.1).astype(np.uint8) for shape in ((8, 12), (16, 20)))
    together = block_counts(first, SQUARE) + block_counts(second, SQUARE)
    found = perturbation(first, together)
    for place in [(0, 0), (3, 7), (7, 11)]:
        flipped = first.copy()
        flipped[place] ^= 1
        again = bdm_of(block_counts(flipped, SQUARE) + block_counts(second, SQUARE))
        assert found[place] == pytest.approx(again - bdm_of(together), abs=1e-9)


def test_weights_are_binarized():
    weights = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    assert np.array_equal(perturbation(weights), perturbation((weights > 0).astype(np.uint8)))


def test_flipping_back_undoes_the_change():
    bits = np.random.default_rng(1).integers(0, 2, 1200)
    change = perturbation(bits)[700]
    bits[700] ^= 1
    assert perturbation(bits)[700] == pytest.approx(-change)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="3 axes"):
        perturbation(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="CTM table"):
        flip_changes(block_counts(np.zeros(65), (13,)))
    with pytest.raises(InputError, match="lack blocks"):
        perturbation(np.ones(12), block_counts(np.zeros(12)))
    with pytest.raises(WeightsError, match="1 of 12"):
        perturbation(np.array([np.nan] + [0.0] * 11))


def test_the_twin_shares_no_code():
    assert "complexity_lab" not in Path(naive.__file__).read_text()
