"""Weights to block counts, in one pass: whole arrays at once, or tensors streamed one after the other."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from complexity_lab.binary.binarize import Signed, count_bad, refuse_bad, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.codes import Boundary, count_bits
from complexity_lab.binary.kernels import add_squares, add_strings

STRING: Shape = (12,)
SQUARE: Shape = (4, 4)


def block_counts(
    weights: Any, shape: Shape = STRING, *, boundary: Boundary = "ignore", threads: int = 1
) -> BlockCounts:
    """Count the blocks of binarized weights (bit = 1 where ``w > 0``) or of ready 0/1 values.

    Args:
        weights: numpy array or torch tensor of any shape; float64, float32, float16, bfloat16, or 0/1 integers.
            For 1-D blocks it is flattened row-major; for 2-D blocks axes after the first are flattened.
        shape: ``(n,)`` with n up to 12 or ``(n, n)`` with n up to 4 have CTM values; the fused kernels serve
            ``(12,)`` and ``(4, 4)``.
        boundary: what happens to incomplete blocks; see ``codes``.
        threads: threads for one large array.

    Raises:
        InputError: wrong dtype or block shape.
        WeightsError: NaN or infinite weights.

    >>> block_counts([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]).blocks
    1
    """
    view = signed(weights)
    view = Signed(view.values.reshape(-1) if len(shape) == 1 else as_matrix(view.values), view.limit)
    if boundary != "ignore" or shape not in (STRING, SQUARE):
        refuse_bad(view.values, view.limit)
        return count_bits((view.values > 0).view(np.uint8), shape, boundary)
    counter = TensorCounter(shape, threads)
    return counter.count(view)


def as_matrix(values: np.ndarray) -> np.ndarray:
    """Flatten axes after the first: ``[out, in, kh, kw]`` becomes ``[out, in * kh * kw]``; 1-D becomes one row."""
    if values.ndim < 2:
        return values.reshape(1, -1)
    return values.reshape(values.shape[0], prod(values.shape[1:]))


class TensorCounter:
    """Counts one array after another into the same scratch memory; fresh pages would cost more than the counting."""

    def __init__(self, shape: Shape, threads: int = 1) -> None:
        self.shape = shape
        self.threads = threads
        self._scratch = np.zeros((2, 4096) if shape == STRING else 65536, dtype=np.uint32)

    def count(self, view: Signed) -> BlockCounts:
        """Return the counts of one array, 1-D for strings and 2-D for squares.

        Raises:
            WeightsError: NaN or infinite values anywhere in the array.
        """
        values = view.values
        if self.shape == STRING:
            whole = values.size - values.size % 12
            bad = add_strings(view, self._scratch, self.threads)
            rests = [values[whole:]]
        else:
            rows, columns = values.shape
            whole = (rows - rows % 4) * (columns - columns % 4)
            bad = add_squares(view, self._scratch, self.threads)
            rests = [values[rows - rows % 4 :], values[:, columns - columns % 4 :]]
        found = self._drain(whole, values.size - whole)
        if bad or any(rest.size and count_bad(rest, view.limit) for rest in rests):
            refuse_bad(values, view.limit)
        return found

    def _drain(self, scored: int, dropped: int) -> BlockCounts:
        dense = self._scratch
        if self.shape == STRING:
            dense[0] += dense[1]
            dense[1].fill(0)
            dense = dense[0]
        (codes,) = dense.nonzero()
        counts = dense[codes].astype(np.int64)
        dense[codes] = 0
        return BlockCounts(self.shape, codes, counts, scored=scored, dropped=dropped)


class StreamCounter:
    """Counts blocks of 12 over many tensors as if they were one string.

    Blocks straddle tensors: at most 11 bits are carried from one to the next (a block of the stream may hold values of
    several small tensors). Bits left at the end are dropped. After an error the stream has a gap: discard it.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._histogram = np.zeros(4096, dtype=np.int64)
        self._scratch = np.zeros((2, 4096), dtype=np.uint32)
        self._in_scratch = 0  # values counted there; it is emptied before a count could overflow
        self._carry = np.zeros(0, dtype=np.uint8)

    def add(self, weights: Any) -> None:
        """Append a tensor, flattened row-major.

        Raises:
            InputError: wrong dtype.
            WeightsError: NaN or infinite weights.
        """
        self.add_signed(signed(weights))

    def add_signed(self, view: Signed, counts: BlockCounts | None = None) -> None:
        """Append a tensor that is viewed as signed integers already.

        ``counts`` are its own, if they were taken: where its first value begins a block of the stream they are what
        the stream needs, and it is not read again.
        """
        flat = view.values.reshape(-1)
        missing = -self._carry.size % 12
        body = flat[missing:]
        whole = body.size - body.size % 12
        if counts is not None and missing == 0:
            self._histogram[counts.codes] += counts.counts
            self._carry = (flat[whole:] > 0).view(np.uint8)
            return
        if self._in_scratch + whole > np.iinfo(np.uint32).max:
            self._drain()
        bad = whole > 0 and add_strings(Signed(body, view.limit), self._scratch, self.threads)
        self._in_scratch += whole
        ends = np.concatenate([flat[:missing], body[whole:]])
        if bad or count_bad(ends, view.limit):
            refuse_bad(flat, view.limit)
        self._carry_over((ends > 0).view(np.uint8), min(missing, flat.size))

    def _carry_over(self, ends: np.ndarray, head: int) -> None:
        """Complete the block that was begun with the first ``head`` bits, and keep the rest for the next tensor."""
        begun = np.concatenate([self._carry, ends])
        if self._carry.size + head == 12:
            self._histogram[int(np.packbits(begun[:12], bitorder="little").view("<u2")[0])] += 1
            begun = begun[12:]
        self._carry = begun

    def _drain(self) -> None:
        self._histogram += self._scratch.sum(axis=0, dtype=np.int64)
        self._scratch[:] = 0
        self._in_scratch = 0

    def result(self) -> BlockCounts:
        """Return the counts of everything added so far."""
        self._drain()
        return BlockCounts.from_histogram(STRING, self._histogram, dropped=self._carry.size)
