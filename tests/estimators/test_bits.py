"""What takes arrays of bits refuses what is none, and what holds no block, instead of answering 0."""

import numpy as np
import pytest
import torch

import complexity_lab as cl
from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.errors import InputError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.estimator import REGISTRY

OF_BITS = pytest.mark.parametrize("function", [cl.bdm, cl.block_entropy])


@OF_BITS
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("bits", [[], [1] * 11, np.zeros((3, 90), int), np.zeros((90, 3), int), np.zeros((0, 4), int)])
def test_less_than_a_block_is_refused(function, bits, normalized):
    with pytest.raises(InputError, match=r"hold no block of (12|4x4); boundary='recursive' scores smaller"):
        function(bits, normalized=normalized)


@OF_BITS
def test_smaller_blocks_are_scored_where_they_are_cut(function):
    assert function([1, 0, 1, 1, 0], boundary="recursive") >= 0
    with pytest.raises(InputError, match="hold no block"):
        function([1], boundary="recursive")


@OF_BITS
@pytest.mark.parametrize("values", [np.linspace(-1, 1, 50), [2] * 12, [np.nan] * 12, torch.randn(6, 6), ["1"] * 12])
def test_what_is_no_bit_is_refused_with_the_way_out(function, values):
    with pytest.raises(InputError, match="wanted bits; binarize"):
        function(values)


@OF_BITS
def test_zeros_and_ones_of_any_type_are_bits(function):
    bits = np.random.default_rng(0).integers(0, 2, (20, 20))
    same = [bits.astype(bool), bits.astype(np.float16), torch.from_numpy(bits).bfloat16(), bits.tolist()]
    assert len({function(each) for each in (bits, *same)}) == 1


@pytest.mark.parametrize("weight", [np.zeros((3, 8)), np.zeros(50), np.zeros((0, 8))])
def test_planes_of_less_than_a_block_are_refused(weight):
    for function in (cl.qubd, cl.qubd_tiled):
        with pytest.raises(InputError, match="QuBD needs"):
            function(weight)


def test_counts_of_nothing_are_defined():
    assert bdm_of(BlockCounts.empty((12,))) == 0
    assert np.isnan(REGISTRY["qubd"].score(np.zeros(5)))
