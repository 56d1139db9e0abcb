"""Perturbation per tensor against a full recount of the model for every flipped bit."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complexity_lab.controls.layer_perturbation import layer_perturbation
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.ctm import ctm_table
from tests.naive.shuffle import square_codes, stream_codes


def bdm(codes, ctm):
    return sum(ctm[code] + np.log2(number) for code, number in codes.items())


def recounted(tensors, shape):
    """Every bit of every tensor flipped in turn, NaN where it is in no block."""
    count = stream_codes if shape == (12,) else square_codes
    ctm = ctm_table(shape)
    bits = [(np.asarray(tensor) > 0).astype(int) for tensor in tensors]
    before = count(bits)
    found = []
    for tensor in bits:
        changes = np.full(tensor.size, np.nan)
        flat = tensor.reshape(-1)
        for place in range(tensor.size):
            flat[place] ^= 1
            after = count(bits)
            flat[place] ^= 1
            if after != before:
                changes[place] = bdm(after, ctm) - bdm(before, ctm)
        found.append(changes[~np.isnan(changes)])
    return found


def check(tensors, shape):
    found = layer_perturbation([(str(i), tensor) for i, tensor in enumerate(tensors)], shape)
    for index, (mine, theirs) in enumerate(zip(found, recounted(tensors, shape), strict=True)):
        assert (mine.name, mine.scored) == (str(index), theirs.size)
        if theirs.size:
            expected = (theirs.mean(), np.abs(theirs).mean(), theirs.min(), theirs.max(), np.abs(theirs).max())
            assert (mine.mean, mine.mean_absolute, mine.lowest, mine.highest, mine.largest) == pytest.approx(
                expected, abs=1e-9
            )


SHAPES = st.lists(
    st.one_of(st.tuples(st.integers(1, 17)), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.just((5, 2, 3))),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("shape", [(12,), (4, 4)])
@settings(max_examples=25, deadline=None)
@given(shapes=SHAPES, seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.2, 0.5]))
def test_every_tensor_is_that_of_a_recount(shape, shapes, seed, share):
    rng = np.random.default_rng(seed)
    check([(rng.random(each) < share).astype(np.float32) for each in shapes], shape)


def test_a_tensor_may_end_before_its_first_block_does():
    check([np.ones(3), np.zeros(4), np.ones(2), np.zeros(20), np.ones(1)], (12,))


def test_large_tensors_and_halves():
    """Counted by the kernels; the mean over all tensors is that of a recount of some bits."""
    rng = np.random.default_rng(0)
    tensors = [rng.standard_normal((100, 101)).astype(dtype) for dtype in (np.float16, ml_dtypes.bfloat16)]
    found = layer_perturbation(zip("ab", tensors, strict=True))
    assert [each.scored for each in found] == [10_100, 10_096]
    assert all(each.lowest < 0 < each.highest for each in found)
    assert all(abs(each.mean) <= each.mean_absolute <= each.largest for each in found)


def test_what_cannot_be_flipped_is_refused():
    with pytest.raises(InputError, match="blocks of shape"):
        layer_perturbation([], (3, 3))
    with pytest.raises(WeightsError, match="NaN"):
        layer_perturbation([("a", np.array([np.nan]))])
    assert layer_perturbation([]) == []


def test_a_network_is_taken_as_it_is():
    from torch import nn

    network = nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 4))
    found = layer_perturbation(network.named_parameters())
    assert [each.name for each in found] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert found == layer_perturbation(network.state_dict())
