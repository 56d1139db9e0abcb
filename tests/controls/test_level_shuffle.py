"""Shuffles of quantized values: a permutation each, scored as the definition scores it, all planes together."""

import numpy as np
import pytest

from complexity_lab.binary.planes import quantize
from complexity_lab.controls import _level_kernels, level_shuffle
from complexity_lab.controls.level_shuffle import blocks_of_shapes, shuffled_planes
from complexity_lab.errors import InputError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from tests.naive import levels as naive


def table(side):
    return ctm_table((side, side))


def state(seed=0):
    return np.random.SeedSequence(seed).generate_state(4, np.uint64)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, _level_kernels.CACHED + 1, 3 * _level_kernels.CACHED + 7])
def test_a_shuffle_is_a_permutation(dtype, size):
    shuffle, _ = level_shuffle._kernels(np.dtype(dtype))
    source = np.random.default_rng(size).integers(0, 200, size).astype(dtype)
    target = np.empty_like(source)
    shuffle(source, target, state())
    assert np.array_equal(np.sort(source), np.sort(target))
    assert size < 100 or np.mean(source == target) < 0.05


@pytest.mark.parametrize("size", [5, 6])
def test_all_orders_are_equally_likely(size):
    shuffle, _ = level_shuffle._kernels(np.dtype(np.uint8))
    source, target, running = np.arange(size, dtype=np.uint8), np.empty(size, np.uint8), state(1)
    places = np.zeros((size, size))
    pairs = np.zeros((size, size))
    draws = 40_000
    for _ in range(draws):
        shuffle(source, target, running)
        places[np.arange(size), target] += 1
        pairs[target[:-1], target[1:]] += 1
    expected = draws / size
    assert ((places - expected) ** 2 / expected).sum() < size**2 + 6 * size
    expected = draws / size  # each ordered pair of neighbours: (size - 1) places out of size * (size - 1) pairs
    off = pairs[~np.eye(size, dtype=bool)]
    assert np.abs(off - expected).max() < 6 * np.sqrt(expected)


def test_values_of_a_large_array_go_everywhere():
    """Beyond the cache values are sent to buckets first: a value's new place does not know the old one."""
    shuffle, _ = level_shuffle._kernels(np.dtype(np.uint8))
    size = 4 * _level_kernels.CACHED + 1000
    source, target = np.zeros(size, np.uint8), np.empty(size, np.uint8)
    source[: size // 8] = 1
    shuffle(source, target, state(2))
    parts = np.array([part.mean() for part in np.array_split(target, 64)])
    assert np.abs(parts - 1 / 8).max() < 6 * np.sqrt(7 / 64 / (size / 64))
    runs = np.mean(target[1:] & target[:-1])
    assert runs == pytest.approx(1 / 64, rel=0.02)


@pytest.mark.parametrize("bits", [1, 8, 11, 16])
@pytest.mark.parametrize("shape", [(8, 12), (64, 27), (400, 403)])
def test_scores_are_those_of_the_order(bits, shape):
    """Levels that lie block after block score as the matrix they were cut from."""
    quantized = quantize(np.random.default_rng(bits).standard_normal(shape).astype(np.float32), bits)
    levels = quantized.levels()
    whole = levels[:, : shape[1] - shape[1] % 4].reshape(shape[0] // 4, 4, -1, 4)
    laid = np.ascontiguousarray(whole.swapaxes(1, 2)).reshape(-1)
    _, score = level_shuffle._kernels(levels.dtype)
    counts, seen = np.zeros((bits, 65536), np.uint32), np.empty((bits, 65536), np.uint16)
    found, tables = np.zeros(bits), ctm_table((4, 4))[np.newaxis].copy()
    score(laid, np.array([16]), np.array([laid.size // 16]), tables, counts, seen, found)
    assert found == pytest.approx([bdm_of(plane) for plane in quantized.counts()], rel=1e-12)
    assert not counts.any()


def test_smaller_blocks_take_the_values_that_follow():
    levels = np.random.default_rng(0).integers(0, 4, 2 * 16 + 3 * 9 + 5 * 4 + 3).astype(np.uint8)
    _, score = level_shuffle._kernels(levels.dtype)
    counts, seen, found = np.zeros((2, 65536), np.uint32), np.empty((2, 65536), np.uint16), np.zeros(2)
    shapes = ((4, 4), 2), ((3, 3), 3), ((2, 2), 5)
    tables = np.array([np.append(ctm_table(shape), np.zeros(65536 - ctm_table(shape).size)) for shape, _ in shapes])
    score(levels, np.array([16, 9, 4]), np.array([2, 3, 5]), tables, counts, seen, found)
    for plane, value in enumerate(found):
        expected, start = 0.0, 0
        for shape, number in shapes:
            size = shape[0] ** 2
            blocks = levels[start : start + number * size].reshape(number, *shape) >> plane & 1
            start += number * size
            codes, times = np.unique([next(naive.cut(block, shape[0])) for block in blocks], return_counts=True)
            expected += ctm_table(shape)[codes].sum() + np.log2(times).sum()
        assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("bits", "boundary"), [(2, "ignore"), (3, "recursive"), (9, "ignore")])
def test_the_law_is_that_of_permuted_values(bits, boundary):
    rng = np.random.default_rng(0)
    quantized = quantize(rng.standard_normal((11, 14)).astype(np.float32), bits)
    found = shuffled_planes(quantized, ctm_table, boundary=boundary, repetitions=600, seed=1)
    expected = naive.shuffled_scores(quantized.levels(), bits, table, boundary, 600, rng)
    for mine, theirs in ((found, expected), (found.sum(axis=1)[:, None], expected.sum(axis=1)[:, None])):
        error = np.hypot(mine.std(axis=0), theirs.std(axis=0)) / np.sqrt(600)
        assert np.all(np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + 1e-9)
        assert mine.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.2)


def test_planes_are_shuffled_together():
    """All levels are 0 or 3: both planes are one, and so are their scores."""
    weights = np.random.default_rng(0).integers(0, 2, (40, 40)).astype(np.float32)
    found = shuffled_planes(quantize(weights, 2, clip=None), ctm_table, repetitions=5)
    assert np.array_equal(found[:, 0], found[:, 1])
    assert len(set(found[:, 0])) == 5


def test_a_repetition_depends_on_seed_and_number_alone():
    quantized = quantize(np.random.default_rng(0).standard_normal((50, 50)), 4)
    found = shuffled_planes(quantized, ctm_table, repetitions=5, seed=(3, 1))
    assert np.array_equal(shuffled_planes(quantized, ctm_table, repetitions=2, seed=(3, 1)), found[:2])
    assert np.array_equal(shuffled_planes(quantized, ctm_table, repetitions=5, seed=(3, 1), threads=3), found)
    assert not np.array_equal(shuffled_planes(quantized, ctm_table, repetitions=5, seed=(3, 2)), found)


@pytest.mark.parametrize("shape", [(4, 4), (9, 9), (2, 100), (3, 50), (7, 6), (5, 4), (103, 57)])
@pytest.mark.parametrize("boundary", ["ignore", "recursive"])
def test_blocks_are_those_that_are_counted(shape, boundary):
    counts = quantize(np.ones(shape), 1).counts(boundary)[0]
    expected = {part.shape: part.blocks for part in (counts, *counts.leftover)}
    found = blocks_of_shapes(*shape, boundary)
    assert {block: number for block, number in found.items() if number} == {k: v for k, v in expected.items() if v}


def test_what_cannot_be_shuffled_is_refused():
    quantized = quantize(np.eye(8), 2)
    with pytest.raises(InputError, match="0 repetitions"):
        shuffled_planes(quantized, ctm_table, repetitions=0)
    with pytest.raises(InputError, match="overlap"):
        shuffled_planes(quantized, ctm_table, boundary="correlated")
