"""BlockCounts: how often each block occurs, the statistic that every estimator and every null model needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from complexity_lab.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """A histogram of blocks of one shape, kept sparse: only blocks that occur.

    Attributes:
        shape: ``(12,)`` for strings of 12 bits, ``(4, 4)`` for squares.
        codes: int64 ``[distinct]``, ascending; bit i (least significant first) is the i-th value, row-major.
        counts: int64 ``[distinct]``, occurrences of each code, all above zero.
        scored: values that lie in the counted blocks.
        dropped: values that do not (incomplete blocks at the end or the border).
        leftover: histograms of smaller blocks, cut from the border by the recursive boundary; largest first.
    """

    shape: Shape
    codes: np.ndarray
    counts: np.ndarray
    scored: int
    dropped: int = 0
    leftover: tuple[BlockCounts, ...] = ()

    @classmethod
    def empty(cls, shape: Shape, dropped: int = 0) -> BlockCounts:
        """Return the counts of nothing."""
        none = np.zeros(0, dtype=np.int64)
        return cls(shape, none, none, scored=0, dropped=dropped)

    @classmethod
    def from_histogram(cls, shape: Shape, histogram: np.ndarray, dropped: int = 0) -> BlockCounts:
        """Return the counts of a dense histogram of length ``2**size``, blocks being disjoint."""
        if histogram.shape != (2 ** prod(shape),):
            raise InputError(f"histogram has shape {histogram.shape}, wanted ({2 ** prod(shape)},)")
        codes = np.flatnonzero(histogram)
        counts = histogram[codes].astype(np.int64)
        return cls(shape, codes, counts, scored=int(counts.sum()) * prod(shape), dropped=dropped)

    @property
    def size(self) -> int:
        """Values in one block."""
        return prod(self.shape)

    @cached_property
    def blocks(self) -> int:
        """Blocks counted, without those of ``leftover``."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """Different blocks seen."""
        return self.codes.size

    @cached_property
    def ones(self) -> int:
        """Ones in the counted blocks (an overlapping window counts a value once per block)."""
        return int(np.vdot(np.bitwise_count(self.codes), self.counts))

    @property
    def ones_fraction(self) -> float:
        """Share of ones among the values of the counted blocks; NaN without blocks."""
        return self.ones / (self.blocks * self.size) if self.blocks else float("nan")

    @property
    def saturation(self) -> float:
        """Blocks counted per possible block; far above 1, BDM can only grow as the logarithm of the counts."""
        return float(self.blocks / 2**self.size)

    def histogram(self) -> np.ndarray:
        """Return the dense histogram, int64 of length ``2**size``."""
        dense = np.zeros(2**self.size, dtype=np.int64)
        dense[self.codes] = self.counts
        return dense

    def __add__(self, other: BlockCounts) -> BlockCounts:
        """Return the counts of two disjoint sets of blocks together."""
        return merge((self, other))

    def __eq__(self, other: object) -> bool:
        """Return whether both count the same blocks equally often."""
        if not isinstance(other, BlockCounts):
            return NotImplemented
        return (
            (self.shape, self.scored, self.dropped, self.leftover)
            == (other.shape, other.scored, other.dropped, other.leftover)
            and np.array_equal(self.codes, other.codes)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]


def merge(parts: Iterable[BlockCounts]) -> BlockCounts:
    """Add up counts of one shape; leftovers add up shape by shape.

    Raises:
        InputError: no parts, or parts of different shapes.
    """
    parts = list(parts)
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        raise InputError(f"cannot merge counts of shapes {sorted(shapes)}, wanted one shape")
    codes, inverse = np.unique(np.concatenate([part.codes for part in parts]), return_inverse=True)
    counts = np.zeros(codes.size, dtype=np.int64)
    np.add.at(counts, inverse, np.concatenate([part.counts for part in parts]))
    smaller = [piece for part in parts for piece in part.leftover]
    return BlockCounts(
        shapes.pop(),
        codes,
        counts,
        scored=sum(part.scored for part in parts),
        dropped=sum(part.dropped for part in parts),
        leftover=merge_by_shape(smaller),
    )


def merge_by_shape(parts: Iterable[BlockCounts]) -> tuple[BlockCounts, ...]:
    """Add up counts shape by shape, the largest shape first."""
    groups: dict[Shape, list[BlockCounts]] = {}
    for part in parts:
        groups.setdefault(part.shape, []).append(part)
    return tuple(merge(groups[shape]) for shape in sorted(groups, reverse=True))
