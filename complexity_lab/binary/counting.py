"""Weights to block counts, in one pass: whole arrays at once, or tensors streamed one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from complexity_lab.binary.binarize import Signed, count_bad, refuse_bad, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.codes import CHUNK, Boundary, count_bits, encode
from complexity_lab.binary.kernels import add_squares, add_strings

STRING: Shape = (12,)
SQUARE: Shape = (4, 4)
SMALL = 8192  # values; below, calling a kernel and emptying its histogram costs more than the counting


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


def count_each(tensors: Sequence[np.ndarray]) -> list[BlockCounts]:
    """Return the counts of strings of 12 of each of many small tensors, given as signed integers of any shape.

    All are counted in one go: hundreds of small tensors would otherwise cost more than the large ones of a model.
    """
    flat = [values.reshape(-1) for values in tensors]
    blocks = np.array([values.size // 12 for values in flat], dtype=np.int64)
    if not blocks.sum():
        return [BlockCounts.empty(STRING, dropped=values.size) for values in flat]
    strings = np.concatenate([values[: 12 * count] for values, count in zip(flat, blocks.tolist(), strict=True)])
    keys = np.repeat(np.arange(blocks.size) << 12, blocks) | encode(strings.reshape(-1, 12) > 0)
    keys.sort()
    (starts,) = np.append(True, keys[1:] != keys[:-1]).nonzero()
    owners, codes, counts = keys[starts] >> 12, keys[starts] & 4095, np.diff(starts, append=keys.size)
    ones = np.bincount(owners, np.bitwise_count(codes) * counts, blocks.size).astype(np.int64).tolist()
    ends = np.searchsorted(owners, np.arange(blocks.size + 1)).tolist()
    found = []
    for i, (values, count) in enumerate(zip(flat, blocks.tolist(), strict=True)):
        part = slice(ends[i], ends[i + 1])
        each = BlockCounts(STRING, codes[part], counts[part], scored=12 * count, dropped=values.size % 12)
        vars(each).update(blocks=count, ones=ones[i])  # cached properties, known already
        found.append(each)
    return found


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
            dense = dense[0] + dense[1]
        if dense.all():
            codes, counts = np.arange(dense.size), dense.astype(np.int64)
        else:
            (codes,) = (dense != 0).nonzero()
            counts = dense[codes].astype(np.int64)
        self._scratch.fill(0)
        return BlockCounts(self.shape, codes, counts, scored=scored, dropped=dropped)


class StreamCounter:
    """Counts blocks of 12 over many tensors as if they were one string.

    Blocks straddle tensors: a block of the stream may hold values of several small ones. Bits left at the end are
    dropped. After an error the stream has a gap: discard it.

    Large tensors are counted where they lie, from the first block of the stream that begins in them to the last that
    ends there. What is left (small tensors, and the ends of large ones) is again one string of whole blocks, because
    whole blocks were taken out of it: its values are kept and counted together.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._histogram = np.zeros(4096, dtype=np.int64)
        self._scratch = np.zeros((2, 4096), dtype=np.uint32)
        self._in_scratch = 0  # values counted there; it is emptied before a count could overflow
        self._length = 0  # of the stream so far
        self._kept: list[np.ndarray] = []  # values outside of the bodies of large tensors, not counted yet
        self._kept_size = 0

    def add(self, weights: Any) -> None:
        """Append a tensor, flattened row-major.

        Raises:
            InputError: wrong dtype.
            WeightsError: NaN or infinite weights.
        """
        view = signed(weights)
        if view.values.size < SMALL:
            refuse_bad(view.values, view.limit)
            view = Signed(view.values.copy(), view.limit)
        self.add_signed(view)

    def add_signed(self, view: Signed, counts: BlockCounts | None = None) -> None:
        """Append a tensor that is viewed as signed integers already.

        One below ``SMALL`` values is neither checked to be finite nor copied, and must not be overwritten.

        ``counts`` are its own, if they were taken, and then it is known to be finite. Where its first value begins a
        block of the stream they are what the stream needs, and it is not read again.
        """
        flat = view.values.reshape(-1)
        missing = -self._length % 12
        self._length += flat.size
        if flat.size < SMALL:
            self._keep(flat)
            return
        body = flat[missing:]
        whole = body.size - body.size % 12
        ends = flat[:missing], body[whole:]
        if counts is not None and missing == 0:
            self._histogram[counts.codes] += counts.counts
        else:
            if self._in_scratch + whole > np.iinfo(np.uint32).max:
                self._drain()
            bad = add_strings(Signed(body, view.limit), self._scratch, self.threads)
            self._in_scratch += whole
            if counts is None and (bad or any(count_bad(end, view.limit) for end in ends)):
                refuse_bad(flat, view.limit)
        for end in ends:
            self._keep(end.copy())

    def _keep(self, values: np.ndarray) -> None:
        self._kept.append(values)
        self._kept_size += values.size
        if self._kept_size > CHUNK:
            self._count_kept()

    def _count_kept(self) -> None:
        bits = (np.concatenate(self._kept) if self._kept else np.zeros(0)) > 0  # integers of any width keep their sign
        whole = bits.size - bits.size % 12
        self._histogram += np.bincount(encode(bits[:whole].reshape(-1, 12)), minlength=4096)
        self._kept = [bits[whole:].view(np.int8)]
        self._kept_size = bits.size - whole

    def _drain(self) -> None:
        self._histogram += self._scratch.sum(axis=0, dtype=np.int64)
        self._scratch[:] = 0
        self._in_scratch = 0

    def result(self) -> BlockCounts:
        """Return the counts of everything added so far."""
        self._drain()
        self._count_kept()
        return BlockCounts.from_histogram(STRING, self._histogram, dropped=self._kept_size)
