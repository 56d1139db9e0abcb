"""Bit planes and ranges: the compiled kernels and the numpy route against the definition, one number at a time."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from complexity_lab.binary import ranges
from complexity_lab.binary.codes import count_bits
from complexity_lab.binary.plane_kernels import LEVELS, PLANE_KERNELS
from complexity_lab.binary.planes import plane_counts, quantize, tiled
from complexity_lab.errors import InputError, WeightsError
from tests.naive import qubd as naive

DTYPES = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]
SHAPES = [(4, 4), (5, 7), (8, 16), (9, 27), (33, 71), (4, 3, 3, 3)]


@pytest.fixture(params=["compiled", "numpy"])
def path(request, monkeypatch):
    """Each test runs on both routes: the compiled kernels and plain numpy."""
    monkeypatch.setattr(PLANE_KERNELS, "seen", 10**15 if request.param == "compiled" else -(10**15))


def normal(shape, dtype=np.float32, seed=0):
    return (0.02 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def real_of(dtype):
    return np.float64 if dtype is np.float64 else np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("bits", "clip"), [(1, None), (2, 99.9), (8, 99.9), (8, None), (8, 90), (11, 99.9), (16, 95)])
def test_counts_equal_the_definition(path, dtype, shape, bits, clip):
    weights = normal(shape, dtype)
    z = naive.levels(weights, bits, clip, real_of(dtype))
    counted = plane_counts(weights, bits, clip=clip)
    assert len(counted) == bits
    for index, counts in enumerate(counted):
        assert counts == count_bits(naive.plane(z, index).astype(np.uint8), (4, 4), "ignore")
    np.testing.assert_array_equal(quantize(weights, bits, clip=clip).levels(), z)


@settings(max_examples=80, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 13), st.integers(1, 50)),
        elements=st.floats(-1, 1, width=32) | st.sampled_from([0.0, -0.0, 0.5, -1.0]),
    ),
    st.integers(1, 16),
    st.sampled_from([None, 99.9, 80.0]),
    st.sampled_from(["ignore", "recursive"]),
)
def test_the_kernel_equals_its_twin(weights, bits, clip, boundary):
    PLANE_KERNELS.warm()
    z = naive.levels(weights, bits, clip)
    for index, counts in enumerate(plane_counts(weights, bits, clip=clip, boundary=boundary)):
        assert counts == count_bits(naive.plane(z, index).astype(np.uint8), (4, 4), boundary)


@pytest.mark.parametrize("bits", [8, 10])
def test_more_levels_than_the_scratch_memory_holds(bits):
    PLANE_KERNELS.warm()
    for shape in [(9, LEVELS // 4 + 5), (LEVELS // 8, 27), (LEVELS // 16, 20)]:
        quantized = quantize(normal(shape), bits)
        for plane, counts in zip(quantized.bits(), quantized.counts(), strict=True):
            assert counts == count_bits(plane, (4, 4), "ignore")


@pytest.mark.parametrize("boundary", ["ignore", "recursive", "correlated"])
@pytest.mark.parametrize("shape", [(16, 16), (9, 9), (3, 100), (100, 3), (2, 2), (1, 40), (40,), (7, 6), (13, 18)])
def test_every_boundary_counts_the_planes_as_bits(path, boundary, shape):
    quantized = quantize(normal(shape), 5)
    expected = [count_bits(plane, (4, 4), boundary) for plane in quantized.bits()]
    assert list(quantized.counts(boundary)) == expected


def test_planes_rebuild_the_levels(path):
    quantized = quantize(normal((21, 19)), 12)
    weighted = quantized.bits().astype(int) * (1 << np.arange(12))[:, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(weighted.sum(axis=0), quantized.levels())


def test_the_toy_of_the_definition():
    quantized = quantize(np.array([[-1, -1 / 3, 1 / 3, 1]]), 2, clip=None)
    assert quantized.levels().tolist() == [[0, 1, 2, 3]]
    assert quantized.bits().tolist() == [[[0, 1, 0, 1]], [[0, 0, 1, 1]]]


def test_halves_round_to_even(path):
    weights = np.zeros((4, 16), dtype=np.float32)
    weights[0] = np.arange(16) / 2  # levels 0, .5, 1, 1.5, ... of a range 0 to 255
    weights[1] = 255
    z = quantize(weights, 8, clip=None).levels()
    assert z[0].tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6, 7, 8]
    for plane, counts in zip(quantize(weights, 8, clip=None).bits(), plane_counts(weights, clip=None), strict=True):
        assert counts == count_bits(plane, (4, 4), "ignore")


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_tiles_interleave_the_planes(bits):
    quantized = quantize(normal((11, 14)), bits)
    expected = naive.tiled([naive.plane(quantized.levels(), index) for index in range(bits)])
    np.testing.assert_array_equal(tiled(quantized.bits()), expected)
    for boundary in ("ignore", "recursive"):
        assert quantized.tiled_counts(boundary) == count_bits(expected.astype(np.uint8), (4, 4), boundary)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e30])
@pytest.mark.parametrize("clip", [None, 99.9])
def test_a_constant_tensor_has_zero_planes(path, value, clip):
    for counts in plane_counts(np.full((8, 12), value, dtype=np.float32), clip=clip):
        assert (counts.codes.tolist(), counts.counts.tolist()) == ([0], [6])


def test_a_range_below_the_smallest_span_is_constant_even_around_outliers(path):
    weights = np.zeros((100, 100), dtype=np.float32)
    weights[0, 0] = 1
    quantized = quantize(weights)
    assert quantized.grid.constant
    assert not quantized.levels().any()
    assert all(counts.codes.tolist() == [0] for counts in quantized.counts())
    tiny = normal((8, 8)) * np.float32(1e-8)
    assert quantize(tiny).grid.constant
    assert not quantize(tiny, smallest_span=0.0).grid.constant


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", [None, 99.9, 50])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 20, 8 * 17 + 1, -1])
def test_what_is_not_finite_is_refused_wherever_it_is(path, dtype, clip, bad, position):
    weights = normal((18, 21), dtype)
    weights.reshape(-1)[position] = bad
    with pytest.raises(WeightsError, match=r"^1 of 378 weights are NaN or infinite"):
        plane_counts(weights, clip=clip)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("share", [1, 3000, 500_000])
def test_what_is_not_finite_is_refused_in_large_arrays(path, bad, share):
    weights = normal(600_001)
    weights[-share:] = bad
    with pytest.raises(WeightsError, match=rf"^{share} of 600,001 weights are NaN or infinite"):
        quantize(weights)


def test_bad_arguments_are_refused():
    for arguments in ({"bits": 0}, {"bits": 17}, {"clip": 0}, {"clip": 100.1}, {"boundary": "wrap"}):
        with pytest.raises(InputError, match="wanted"):
            plane_counts(normal((8, 8)), **arguments)
    with pytest.raises(InputError, match="without values"):
        plane_counts(np.zeros((0, 8)))
    with pytest.raises(InputError, match="wanted"):
        plane_counts(np.zeros((8, 8), dtype=complex))
    with pytest.raises(WeightsError, match="float32 cannot hold"):
        quantize(np.array([[-3e38, 3e38]], dtype=np.float32), clip=None)


def test_strides_byte_order_and_read_only_change_nothing(path):
    weights = normal((40, 36))
    expected = plane_counts(weights)
    frozen = weights.copy()
    frozen.setflags(write=False)
    odd = np.frombuffer(b"x" + weights.tobytes(), dtype=np.uint8)[1:].view(np.float32).reshape(weights.shape)
    for same in (np.asfortranarray(weights), frozen, odd, weights.astype(">f4"), np.repeat(weights, 2, axis=1)[:, ::2]):
        assert plane_counts(same) == expected
    before = weights.copy()
    plane_counts(weights)
    np.testing.assert_array_equal(weights, before)


def test_torch_tensors_and_integers():
    import torch

    weights = normal((12, 3, 5, 5))
    assert plane_counts(torch.tensor(weights, requires_grad=True)) == plane_counts(weights)
    half = torch.tensor(weights).to(torch.bfloat16)
    assert plane_counts(half) == plane_counts(half.float())
    integers = np.random.default_rng(0).integers(-128, 128, (16, 16), dtype=np.int8)
    assert plane_counts(integers) == plane_counts(integers.astype(np.float32))


def ties(rng, n):
    return rng.choice(np.array([-1, 0, 1], dtype=np.float32), n)


def sparse(rng, n):
    return np.where(rng.random(n) < 0.999, 0, rng.standard_normal(n)).astype(np.float32)


def heavy(rng, n):
    return rng.standard_cauchy(n).astype(np.float32)


def few_outliers(rng, n):
    values = 1e-3 * rng.standard_normal(n, dtype=np.float32)
    values[: n // 500] = 50
    return values


def gaussian(rng, n):
    return rng.standard_normal(n, dtype=np.float32)


@pytest.mark.parametrize("values", [gaussian, ties, sparse, heavy, few_outliers])
@pytest.mark.parametrize("n", [1, 2, 3, 1000, 270_001])
@pytest.mark.parametrize("clip", [99.9, 99.99, 97, 50, 100])
def test_quantiles_equal_numpy(path, values, n, clip):
    array = values(np.random.default_rng(n), n)
    share = (1 - clip / 100) / 2
    expected = np.quantile(array.astype(np.float64), [share, 1 - share])
    np.testing.assert_allclose(ranges.value_range(array, clip), expected, rtol=4e-16, atol=0)
    grid = quantize(array, clip=clip).grid
    assert (grid.lo, grid.hi) == tuple(expected.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
def test_quantiles_of_other_precisions(path, dtype):
    array = normal(300_007, dtype)
    wide = array.astype(np.float64)
    share = (1 - 99.9 / 100) / 2
    expected = np.quantile(wide, [share, 1 - share])
    np.testing.assert_allclose(ranges.value_range(array, 99.9), expected, rtol=4e-16, atol=0)
    assert ranges.value_range(array, None) == (wide.min(), wide.max())


def test_most_tails_are_found_in_one_pass(path, monkeypatch):
    monkeypatch.setattr(ranges, "_partitioned", None)  # which would fail if it were called
    for values in (gaussian, ties, heavy, few_outliers):
        ranges.value_range(values(np.random.default_rng(1), 700_000), 99.9)


def test_a_bracket_that_misses_is_noticed(path, monkeypatch):
    monkeypatch.setattr(ranges, "_margin", lambda needed, size: 0)
    test_quantiles_equal_numpy(None, gaussian, 270_001, 99.9)


def test_small_inputs_do_not_import_numba():
    import subprocess
    import sys

    code = "import sys, numpy, complexity_lab as cl; cl.qubd(numpy.eye(600)); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
