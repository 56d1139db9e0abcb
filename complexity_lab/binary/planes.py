"""Weights to bit planes (QuBD, arXiv 2605.15551): a uniform quantization to a few bits, then one plane per bit.

A tensor becomes a matrix (axes after the first flattened), its values levels ``z = round((w - lo) / delta)`` from 0 to
``2**bits - 1``, and plane l the bit ``floor(z / 2**l) mod 2`` of every level. Plane 0 is the least significant.

The arithmetic is that of the definition in float32 (float64 for float64 weights), division included, round half to
even; a level never depends on the route, compiled or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.binary import codes
from complexity_lab.binary.block_counts import BlockCounts, merge, merge_by_shape
from complexity_lab.binary.codes import Boundary
from complexity_lab.binary.counting import SQUARE, as_matrix
from complexity_lab.binary.plane_kernels import histograms_in_kernel, real
from complexity_lab.binary.ranges import value_range
from complexity_lab.errors import InputError, WeightsError

MAX_BITS = 16
SMALLEST_SPAN = 1e-8  # of the published definition: a narrower range counts as constant
FLOATS = ("float64", "float32", "float16", "bfloat16")
TILES = {2: (2, 1), 4: (2, 2), 8: (4, 2)}  # rows and columns of one tile of the tiled variant; else (bits, 1)


@dataclass(frozen=True)
class Grid:
    """The levels of a quantization: ``lo + i * delta`` for i from 0 to ``2**bits - 1``.

    Attributes:
        lo: lowest level, in the unit of the weights; float32 or float64, as the arithmetic is.
        hi: highest level.
        delta: distance of two levels; 0 if the range is too narrow to be divided, and then every level is 0.
        bits: planes, 1 to 16.
    """

    lo: np.floating[Any]
    hi: np.floating[Any]
    delta: np.floating[Any]
    bits: int

    @property
    def constant(self) -> bool:
        """Whether all weights have level 0, because their range is too narrow."""
        return bool(self.delta == 0)

    @property
    def divisor(self) -> np.floating[Any]:
        """What ``w - lo`` is divided by: ``delta``, or 1 on a constant grid."""
        return type(self.lo)(1) if self.constant else self.delta

    @property
    def top(self) -> np.floating[Any]:
        """The highest level as a number: ``2**bits - 1``, or 0 on a constant grid."""
        return type(self.lo)(0 if self.constant else 2**self.bits - 1)

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Return the levels of finite values of any shape, uint8 up to 8 bits and uint16 above."""
        with np.errstate(over="ignore"):
            scaled = np.rint((real(values) - self.lo) / self.divisor)
        levels: np.ndarray = np.clip(scaled, 0, self.top).astype(np.uint8 if self.bits <= 8 else np.uint16)
        return levels


@dataclass(frozen=True, eq=False)
class Quantized:
    """A matrix of weights with the grid that quantizes it; made by ``quantize``, which has checked the values.

    Attributes:
        matrix: ``[rows, columns]``, contiguous; shares the memory of the weights where it can.
        grid: its levels.
    """

    matrix: np.ndarray
    grid: Grid

    def levels(self) -> np.ndarray:
        """Return all levels, ``[rows, columns]``, uint8 up to 8 bits and uint16 above."""
        return self.grid.levels(self.matrix)

    def bits(self) -> np.ndarray:
        """Return the planes themselves, uint8 0/1 ``[bits, rows, columns]``, least significant first.

        They take ``bits`` bytes per weight; to score them, ``counts`` reads the weights once and stores none.
        """
        return _planes_of(self.levels(), self.grid.bits)

    def counts(self, boundary: Boundary = "ignore") -> tuple[BlockCounts, ...]:
        """Return the 4x4 block counts of every plane, least significant first.

        Raises:
            InputError: unknown boundary.
        """
        if boundary not in codes.BOUNDARIES:
            raise InputError(f"boundary {boundary!r}, wanted one of {', '.join(codes.BOUNDARIES)}")
        if boundary == "correlated":
            return tuple(codes.count_bits(plane, SQUARE, boundary) for plane in self.bits())
        grid = self.grid
        dense = histograms_in_kernel(self.matrix, grid.bits, grid.lo, grid.divisor, grid.top)
        if dense is None:
            dense = _histograms_in_numpy(self.matrix, grid)
        rows, columns = self.matrix.shape
        whole = (rows - rows % 4) * (columns - columns % 4)
        found = tuple(_sparse(row, whole, self.matrix.size - whole) for row in dense)
        if boundary == "ignore" or not found[0].dropped:
            return found
        return tuple(map(_with_leftover, found, self._leftovers()))

    def _leftovers(self) -> list[tuple[BlockCounts, ...]]:
        """Return the smaller blocks of the border of every plane, as the recursive boundary cuts them."""
        per_plane: list[list[BlockCounts]] = [[] for _ in range(self.grid.bits)]
        for part in codes.border(self.matrix[np.newaxis], SQUARE[0]):
            shortest = min(part.shape[1:])
            if shortest >= codes.MIN_SIDE:
                for pieces, plane in zip(per_plane, _planes_of(self.grid.levels(part), self.grid.bits), strict=True):
                    pieces.extend(codes.recursive(plane, shortest))
        return [merge_by_shape(pieces) for pieces in per_plane]

    def tiled_counts(self, boundary: Boundary = "ignore") -> BlockCounts:
        """Return the 4x4 block counts of the tiled variant: all planes interleaved into one matrix, see ``tiled``."""
        bits = self.grid.bits
        if boundary != "ignore":
            return codes.count_bits(tiled(self.bits()), SQUARE, boundary)
        step = max(1, codes.CHUNK // max(1, 4 * bits * self.matrix.shape[1])) * 4
        parts = [BlockCounts.empty(SQUARE)]
        for start in range(0, self.matrix.shape[0], step):  # whole blocks of rows: tiles only make them higher
            rows = tiled(_planes_of(self.grid.levels(self.matrix[start : start + step]), bits))
            parts.append(codes.count_bits(rows, SQUARE, boundary))
        return merge(parts)


def quantize(
    weights: Any, bits: int = 8, *, clip: float | None = 99.9, smallest_span: float = SMALLEST_SPAN
) -> Quantized:
    """Return the weights of one tensor as a matrix, with the grid of levels that its own range gives.

    Args:
        weights: numpy array or torch tensor of any shape and device; float64, float32, float16, bfloat16, or
            integers, which count as float32 up to 16 bits and as float64 above.
        bits: planes, 1 to 16.
        clip: percent of the values between the ends of the range, see ``ranges.value_range``; None covers all.
        smallest_span: a range (in the unit of the weights) below it is constant: every level is 0.

    Raises:
        InputError: wrong dtype, no values, or ``bits`` or ``clip`` out of range.
        WeightsError: NaN or infinite weights, or a range that the arithmetic cannot hold.

    >>> quantize(np.array([-1, -1 / 3, 1 / 3, 1]), bits=2, clip=None).levels().tolist()
    [[0, 1, 2, 3]]
    """
    if not 1 <= bits <= MAX_BITS:
        raise InputError(f"{bits} bits, wanted 1 to {MAX_BITS}")
    matrix = _native_matrix(weights)
    kind: type[np.floating[Any]] = np.float64 if matrix.dtype == np.float64 else np.float32
    lo, hi = map(kind, value_range(matrix.reshape(-1), clip))
    with np.errstate(over="ignore"):
        span = hi - lo
    if not np.isfinite(span):
        raise WeightsError(f"weights range from {lo:.3g} to {hi:.3g}, a span that {kind.__name__} cannot hold; scale")
    delta = kind(0) if span < smallest_span else span / kind(2**bits - 1)
    return Quantized(matrix, Grid(lo, hi, delta, bits))


def plane_counts(
    weights: Any, bits: int = 8, *, clip: float | None = 99.9, boundary: Boundary = "ignore"
) -> tuple[BlockCounts, ...]:
    """Return the 4x4 block counts of every bit plane of a tensor, least significant plane first.

    For the arguments and errors see ``quantize``, for the boundary ``codes``.

    >>> [counts.blocks for counts in plane_counts(np.eye(9), bits=2)]
    [4, 4]
    """
    return quantize(weights, bits, clip=clip).counts(boundary)


def tiled(planes: np.ndarray) -> np.ndarray:
    """Interleave planes ``[bits, rows, columns]`` into one matrix ``[tr * rows, tc * columns]`` of tiles ``tr x tc``.

    Each weight becomes a tile of its bits, row by row from the least significant: 2x1 for 2 bits, 2x2 for 4, 4x2 for
    8, else ``bits x 1``.
    """
    bits, rows, columns = planes.shape
    high, wide = TILES.get(bits, (bits, 1))
    split = planes.reshape(high, wide, rows, columns).transpose(2, 0, 3, 1)
    return split.reshape(high * rows, wide * columns)


def _native_matrix(weights: Any) -> np.ndarray:
    array = as_numpy(weights)
    if array.dtype == np.bool_ or np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    if array.dtype.name not in FLOATS:
        raise InputError(f"dtype {array.dtype}, wanted {', '.join(FLOATS)}, or integers")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return as_matrix(np.require(native, requirements=["C", "A"]))


def _planes_of(levels: np.ndarray, bits: int) -> np.ndarray:
    """Return the bits of levels of any shape, uint8 ``[bits, *shape]``, least significant first."""
    planes = np.empty((bits, *levels.shape), dtype=np.uint8)
    for plane in range(bits):
        planes[plane] = (levels >> plane) & 1
    return planes


def _histograms_in_numpy(matrix: np.ndarray, grid: Grid) -> np.ndarray:
    histograms = np.zeros((grid.bits, 65536), dtype=np.int64)
    for levels in _blocks_of_levels(matrix, grid):
        for plane, histogram in enumerate(histograms):
            histogram += np.bincount(codes.encode((levels >> plane) & 1), minlength=65536)
    return histograms


def _blocks_of_levels(matrix: np.ndarray, grid: Grid) -> Iterator[np.ndarray]:
    """Yield the levels of complete blocks, ``[blocks, 16]``, some rows at a time."""
    for batch in codes.slices(matrix, SQUARE[0]):
        yield codes.cut(grid.levels(batch), SQUARE[0])


def _sparse(histogram: np.ndarray, scored: int, dropped: int) -> BlockCounts:
    (present,) = histogram.nonzero()
    return BlockCounts(SQUARE, present, histogram[present].astype(np.int64), scored, dropped)


def _with_leftover(main: BlockCounts, leftover: tuple[BlockCounts, ...]) -> BlockCounts:
    dropped = main.dropped - sum(counts.scored for counts in leftover)
    return BlockCounts(SQUARE, main.codes, main.counts, main.scored, dropped, leftover)
