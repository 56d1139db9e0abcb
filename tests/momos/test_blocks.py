"""Layouts against the naive list of slots, and the shapes that the text spells out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.errors import InputError
from complexity_lab.momos.blocks import FlatLayout, TileLayout, common_dtype
from tests.naive import momos as naive

SHAPES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), min_size=1, max_size=4)


def numbered(shapes):
    """Tensors holding 1, 2, 3, ... so that every value tells where it came from."""
    tensors, at = [], 1
    for shape in shapes:
        size = int(np.prod(shape))
        tensors.append(torch.arange(at, at + size, dtype=torch.float32).view(shape))
        at += size
    return tensors


def check(layout, slots, shapes):
    tensors = numbered(shapes)
    expected = [naive.values_of([tensor.numpy() for tensor in tensors], block) for block in slots]
    blocks = layout.gather(tensors)
    assert blocks.tolist() == expected
    assert layout.blocks == len(expected)
    assert layout.values == sum(tensor.numel() for tensor in tensors)
    empty = [i for i, slot in enumerate(slot for block in slots for slot in block) if slot is None]
    assert layout.padding_positions.tolist() == empty
    back = [torch.full_like(tensor, -1) for tensor in tensors]
    layout.scatter(blocks, back)
    assert all(torch.equal(a, b) for a, b in zip(back, tensors, strict=True))


@given(shapes=SHAPES, s=st.integers(1, 9), padding=st.sampled_from(["tensor", "vector"]))
def test_flat_blocks_are_the_naive_ones(shapes, s, padding):
    sizes = tuple(int(np.prod(shape)) for shape in shapes)
    s = min(s, max(sizes))
    check(FlatLayout(sizes, s, padding), naive.flat_blocks(shapes, s, padding), shapes)


@given(shapes=SHAPES, rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_tiles_are_the_naive_ones(shapes, rows, columns):
    shapes = [*shapes, (rows, columns)]  # one tensor that a tile fits into
    check(TileLayout(tuple(shapes), rows, columns), naive.tile_blocks(shapes, rows, columns), shapes)


def test_each_tensor_is_filled_up_for_itself_or_all_at_once():
    assert FlatLayout((5, 3), 4, "tensor").blocks == 3
    assert FlatLayout((5, 3), 4, "vector").blocks == 2
    tensors = [torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([6.0, 7, 8])]
    assert FlatLayout((5, 3), 4).gather(tensors).tolist() == [[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 8, 0]]
    assert FlatLayout((5, 3), 4, "vector").gather(tensors).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_kernel_of_three_by_three_is_filled_up_to_four_by_three():
    layout = TileLayout(((1, 1, 3, 3),), rows=2, columns=1)
    kernel = torch.arange(1.0, 10).view(1, 1, 3, 3)
    assert layout.gather([kernel]).tolist() == [[1, 4], [2, 5], [3, 6], [7, 0], [8, 0], [9, 0]]
    assert layout.blocks * layout.s == 4 * 3


def test_rows_span_outputs_and_columns_span_inputs():
    weight = torch.arange(6.0).view(2, 3)  # two outputs, three inputs
    assert TileLayout(((2, 3),), rows=2, columns=1).gather([weight]).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert TileLayout(((2, 3),), rows=1, columns=3).gather([weight]).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_vector_and_a_scalar_are_one_row():
    layout = TileLayout(((5,), ()), rows=2, columns=2)
    tiles = layout.gather([torch.arange(1.0, 6), torch.tensor(9.0)])
    assert tiles.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [5, 0, 0, 0], [9, 0, 0, 0]]


def test_memory_format_does_not_matter():
    weight = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    last = weight.to(memory_format=torch.channels_last)
    for layout in (FlatLayout((48,), 5), TileLayout((weight.shape,), 2, 3)):
        assert torch.equal(layout.gather([last]), layout.gather([weight]))
        back = torch.zeros_like(last)
        layout.scatter(layout.gather([last]), [back])
        assert torch.equal(back, weight)


def test_half_precision_is_held_in_float32_and_one_double_makes_all_double():
    half, single, double = (torch.zeros(1, dtype=kind) for kind in (torch.float16, torch.float32, torch.float64))
    assert common_dtype([half, single]) == torch.float32
    assert common_dtype([half, double]) == torch.float64


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: FlatLayout((3, 5), 0), "blocks of s = 0 values, wanted at least 1"),
        (lambda: FlatLayout((3, 5), 6), "the largest trainable tensor has 5; choose a smaller s"),
        (lambda: FlatLayout((3, 5), 9, "vector"), "all trainable tensors have 8; choose a smaller s"),
        (lambda: FlatLayout((3,), 1, "middle"), "padding 'middle', wanted tensor or vector"),
        (lambda: TileLayout(((2, 2),), 0, 1), "tiles with 0 rows, wanted at least 1"),
        (lambda: TileLayout(((2, 2),), 1, -1), "tiles with -1 columns, wanted at least 1"),
        (lambda: TileLayout(((2, 2), (4,)), 5, 1), "the largest trainable tensor has 4; choose smaller tiles"),
    ],
)
def test_impossible_blocks_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


def test_a_tensor_smaller_than_a_block_is_filled_up_beside_a_larger_one():
    assert FlatLayout((1, 4), 4).gather([torch.ones(1), torch.ones(4)]).tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]]
