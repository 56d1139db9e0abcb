"""The shuffle null of bit planes: the levels of a tensor in random order, all planes together.

This is the "shuffled self" of the QuBD paper (arXiv 2605.15551): values are permuted within the tensor, and with them
the bits of all planes jointly. The quantization does not change: it depends on the values alone, not on their places.
Drawing every plane by itself would give the same mean and the same spread of each plane, but not the spread of their
sum: the upper planes of weights around zero are far from independent (most levels are 0111.... or 1000....).

No value stays near another, so the law does not depend on which places form a block: the first values in random order
are the first block, and what is left over is what the matrix drops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from complexity_lab.binary import codes
from complexity_lab.binary.block_counts import Shape
from complexity_lab.binary.codes import Boundary
from complexity_lab.binary.counting import SQUARE
from complexity_lab.binary.kernels import compiling
from complexity_lab.binary.planes import Quantized
from complexity_lab.errors import InputError

Table = Callable[[Shape], np.ndarray]
Blocks = dict[Shape, int]


def shuffled_planes(
    quantized: Quantized,
    ctm: Table,
    *,
    boundary: Boundary = "ignore",
    repetitions: int = 20,
    seed: int | tuple[int, ...] = 0,
    threads: int = 1,
) -> np.ndarray:
    """Return the BDM of every plane of seeded shuffles of a tensor, float64 ``[repetitions, bits]``, bits.

    The sum over axis 1 is the QuBD of each shuffle.

    Args:
        quantized: the tensor with its grid of levels.
        ctm: from a block shape to its CTM table in bits, ``[2**size]``, indexed by block code.
        boundary: ``ignore`` or ``recursive``; overlapping windows depend on places and are not drawn.
        repetitions: shuffles; the i-th is the same whatever their number.
        seed: of the random stream; several numbers name one, for instance a seed and a tensor's place in the model.
        threads: repetitions side by side; each takes a copy of the levels. Results do not depend on it.

    Raises:
        InputError: no repetition, or another boundary.

    >>> from complexity_lab.binary.planes import quantize
    >>> from complexity_lab.estimators.ctm import ctm_table
    >>> shuffled_planes(quantize(np.ones((8, 8)), bits=1), ctm_table, repetitions=2).round(4).tolist()
    [[24.0067], [24.0067]]
    """
    if repetitions < 1:
        raise InputError(f"{repetitions} repetitions, wanted 1 or more")
    shuffler = _Shuffler.of(quantized, ctm, boundary)
    names = (seed,) if isinstance(seed, int) else seed
    states = [
        np.random.SeedSequence(names[0], spawn_key=(*names[1:], repetition)).generate_state(4, np.uint64)
        for repetition in range(repetitions)
    ]
    lanes = min(threads, repetitions)
    shares = [states[lane::lanes] for lane in range(lanes)]
    found = np.empty((repetitions, quantized.grid.bits))
    with ThreadPoolExecutor(lanes) as pool:
        for lane, scores in enumerate(pool.map(shuffler.scores, shares)):
            found[lane::lanes] = scores
    return found


def blocks_of_shapes(rows: int, columns: int, boundary: Boundary) -> Blocks:
    """Return how many blocks of each shape a matrix is cut into, the largest shape first.

    Raises:
        InputError: a boundary with overlapping blocks.
    """
    side = SQUARE[0]
    found: Blocks = {SQUARE: (rows // side) * (columns // side)}
    if boundary == "ignore":
        return found
    if boundary != "recursive":
        raise InputError(f"boundary {boundary!r}, wanted ignore or recursive: windows that overlap are not shuffled")
    matrix = np.broadcast_to(np.uint8(0), (1, rows, columns))
    for shape, number in _border_blocks(matrix, side):
        found[shape] = found.get(shape, 0) + number
    return dict(sorted(found.items(), reverse=True))


def _border_blocks(batch: np.ndarray, side: int) -> Iterator[tuple[Shape, int]]:
    for part in codes.border(batch, side):
        shortest = min(part.shape[1:])
        if shortest >= codes.MIN_SIDE:
            rows, columns = (length // shortest for length in part.shape[1:])
            yield (shortest, shortest), part.shape[0] * rows * columns
            yield from _border_blocks(part, shortest)


@dataclass(frozen=True, eq=False)
class _Shuffler:
    """What every repetition on one tensor needs."""

    levels: np.ndarray  # 1-D
    bits: int
    sizes: np.ndarray  # values of a block, int64 [shapes]
    blocks: np.ndarray  # int64 [shapes]
    tables: np.ndarray  # CTM, float64 [shapes, 65536]

    @classmethod
    def of(cls, quantized: Quantized, ctm: Table, boundary: Boundary) -> _Shuffler:
        rows, columns = quantized.matrix.shape
        shapes = blocks_of_shapes(rows, columns, boundary)
        return cls(
            _levels(quantized),
            quantized.grid.bits,
            np.array([prod(shape) for shape in shapes]),
            np.array(list(shapes.values())),
            _tables(tuple(shapes), ctm),
        )

    def scores(self, states: list[np.ndarray]) -> np.ndarray:
        """Return the BDM of the planes of one shuffle per random state, float64 ``[states, bits]``."""
        shuffle, score = _kernels(self.levels.dtype)
        mixed = np.empty_like(self.levels)
        counts, seen = np.zeros((self.bits, 65536), np.uint32), np.empty((self.bits, 65536), np.uint16)
        found = np.zeros((len(states), self.bits))
        for state, scores in zip(states, found, strict=True):
            shuffle(self.levels, mixed, state)
            score(mixed, self.sizes, self.blocks, self.tables, counts, seen, scores)
        return found


def _levels(quantized: Quantized) -> np.ndarray:
    """Return all levels, 1-D; some rows at a time, so that no more than they is allocated."""
    matrix, grid = quantized.matrix, quantized.grid
    levels = np.empty(matrix.size, dtype=np.uint8 if grid.bits <= 8 else np.uint16)
    flat = matrix.reshape(-1)
    for start in range(0, flat.size, codes.CHUNK):
        levels[start : start + codes.CHUNK] = grid.levels(flat[start : start + codes.CHUNK])
    return levels


@cache
def _tables(shapes: tuple[Shape, ...], ctm: Table) -> np.ndarray:
    tables = np.zeros((len(shapes), 65536))
    for row, shape in zip(tables, shapes, strict=True):
        row[: 2 ** prod(shape)] = ctm(shape)
    return tables


@cache
def _kernels(dtype: np.dtype[Any]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Load the kernels for levels of one type from numba's disk cache, or compile them."""
    with compiling():
        from numba import from_dtype, types

        from complexity_lab.controls import _level_kernels

        array = types.Array
        level, state = array(from_dtype(dtype), 1, "C"), array(types.uint64, 1, "C")
        whole, scores = array(types.int64, 1, "C"), array(types.float64, 1, "C")
        tables, counts = array(types.float64, 2, "C"), array(types.uint32, 2, "C")
        shuffle, score = _level_kernels.shuffle, _level_kernels.score
        for kernel, signature in (
            (shuffle, (level, level, state)),
            (score, (level, whole, whole, tables, counts, array(types.uint16, 2, "C"), scores)),
        ):
            kernel.disable_compile(False)
            kernel.compile(signature)
            kernel.disable_compile(True)
    return shuffle, score
