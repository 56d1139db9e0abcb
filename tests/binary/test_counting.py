"""The counting kernels against the definition in pure Python, on random, adversarial and degenerate input."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, block_counts
from complexity_lab.binary.kernels import KERNELS
from complexity_lab.errors import InputError, WeightsError
from tests.naive import bdm as naive

DTYPES = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]


@pytest.fixture(params=["compiled", "numpy"])
def path(request, monkeypatch):
    """Each test runs on both routes: the compiled kernels and plain numpy."""
    monkeypatch.setattr(KERNELS, "seen", 10**12 if request.param == "compiled" else -(10**12))


def naive_counts(blocks):
    codes = sorted(naive.code(block) for block in blocks)
    return dict(zip(*np.unique(codes, return_counts=True), strict=True)) if codes else {}


def as_dict(counts):
    return dict(zip(counts.codes.tolist(), counts.counts.tolist(), strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 11, 12, 13, 47, 48, 49, 95, 191, 192, 205, 1000, 2311])
def test_strings_equal_the_definition(path, dtype, n):
    weights = np.random.default_rng(n).standard_normal(n).astype(dtype)
    counts = block_counts(weights)
    assert as_dict(counts) == naive_counts(naive.string_blocks(naive.bits_of(weights.tolist()), 12))
    assert (counts.scored, counts.dropped) == (n - n % 12, n % 12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (3, 40), (4, 4), (4, 15), (5, 16), (8, 17), (9, 27), (33, 71)])
def test_squares_equal_the_definition(path, dtype, shape):
    weights = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    counts = block_counts(weights, SQUARE)
    matrix = [naive.bits_of(row) for row in weights.tolist()]
    assert as_dict(counts) == naive_counts(naive.square_blocks(matrix, 4))
    assert counts.scored + counts.dropped == weights.size


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=40), elements=st.floats(-1, 1, width=32)))
def test_any_shape_and_value(weights):
    KERNELS.warm()
    counts = block_counts(weights)
    assert as_dict(counts) == naive_counts(naive.string_blocks(naive.bits_of(weights.ravel().tolist()), 12))


@pytest.mark.parametrize("dtype", DTYPES)
def test_smallest_numbers_and_zeros_have_the_right_sign(path, dtype):
    tiny = (
        ml_dtypes.finfo(dtype).smallest_subnormal if dtype is ml_dtypes.bfloat16 else np.finfo(dtype).smallest_subnormal
    )
    values = np.array([tiny, -tiny, 0.0, -0.0, 1, -1] * 16, dtype=dtype)
    assert block_counts(values).codes.tolist() == [0b000001 | 1 << 4 | 1 << 6 | 1 << 10]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 17, 47, 50, 99])
@pytest.mark.parametrize("shape", [STRING, SQUARE])
def test_what_is_not_finite_is_refused_wherever_it_is(path, dtype, bad, position, shape):
    weights = np.ones(101, dtype=dtype) if shape == STRING else np.ones((101, 21), dtype=dtype)
    weights.reshape(-1)[position] = bad
    with pytest.raises(WeightsError, match=r"^1 of [\d,]+ weights are NaN or infinite"):
        block_counts(weights, shape)
    block_counts(np.ones_like(weights), shape)  # and nothing of the refused array stays behind
    assert block_counts(np.ones_like(weights), shape).distinct == 1


@pytest.mark.parametrize("lengths", [[1] * 50, [11, 1, 13, 0, 5, 100, 7], [12, 12], [5], [], [3, 200, 200, 1]])
def test_a_stream_of_tensors_equals_one_string(path, lengths):
    rng = np.random.default_rng(0)
    tensors = [rng.standard_normal(n, dtype=np.float32) for n in lengths]
    stream = StreamCounter()
    for tensor in tensors:
        stream.add(tensor)
    assert stream.result() == block_counts(np.concatenate([np.zeros(0, np.float32), *tensors]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 70), max_size=12), st.integers(0, 2**32 - 1))
def test_any_cut_of_the_stream_gives_the_same_counts(lengths, seed):
    KERNELS.warm()
    whole = np.random.default_rng(seed).standard_normal(sum(lengths), dtype=np.float32)
    stream = StreamCounter()
    for piece in np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []:
        stream.add(piece)
    assert stream.result() == block_counts(whole)


@pytest.mark.parametrize("shape", [STRING, SQUARE])
def test_threads_change_nothing(shape):
    KERNELS.warm()
    weights = np.random.default_rng(1).standard_normal((4001, 1999), dtype=np.float32)
    assert block_counts(weights, shape, threads=3) == block_counts(weights, shape)


def test_strides_read_only_and_byte_order_change_nothing(path):
    weights = np.random.default_rng(2).standard_normal((40, 36), dtype=np.float32)
    expected = block_counts(weights)
    frozen = weights.copy()
    frozen.setflags(write=False)
    odd = np.frombuffer(b"x" + weights.tobytes(), dtype=np.uint8)[1:].view(np.float32).reshape(weights.shape)
    for same in (np.asfortranarray(weights), frozen, odd, weights.astype(">f4"), np.repeat(weights, 2, axis=1)[:, ::2]):
        assert block_counts(same) == expected


def test_ready_bits_and_torch_tensors():
    import torch

    bits = np.random.default_rng(5).integers(0, 2, 500)
    expected = block_counts(bits)
    assert block_counts(bits.astype(bool)) == expected
    assert block_counts(torch.tensor(bits)) == expected
    assert block_counts(torch.tensor(bits).to(torch.bfloat16)) == expected


@pytest.mark.parametrize("values", [[0, 2], [-1, 1], np.array([1j]), np.array(["a"])])
def test_what_is_neither_bits_nor_weights_is_refused(values):
    with pytest.raises(InputError, match="wanted"):
        block_counts(values)


def test_counts_add_and_merge():
    rng = np.random.default_rng(7)
    left, right = rng.standard_normal((2, 1200), dtype=np.float32)
    assert block_counts(left) + block_counts(right) == block_counts(np.concatenate([left, right]))
    with pytest.raises(InputError, match="one shape"):
        block_counts(left) + block_counts(right.reshape(30, 40), SQUARE)


def test_input_is_untouched(path):
    weights = np.random.default_rng(8).standard_normal((50, 50)).astype(np.float32)
    before = weights.copy()
    block_counts(weights)
    block_counts(weights, SQUARE)
    np.testing.assert_array_equal(weights, before)
