"""Bits to block codes in plain numpy: any block shape and boundary, and inputs too small to wake a compiled kernel.

Boundary conditions as pybdm names them (Zenil et al. 2018): ``ignore`` drops incomplete blocks, ``recursive`` cuts
them into smaller ones down to a side of 2, ``correlated`` slides the window by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts, Shape, merge, merge_by_shape
from complexity_lab.counted import counted
from complexity_lab.errors import InputError

Boundary = Literal["ignore", "recursive", "correlated"]
BOUNDARIES: tuple[Boundary, ...] = ("ignore", "recursive", "correlated")
MIN_SIDE = 2  # of the recursive boundary, as in pybdm
CHUNK = 1 << 20  # values per slice: codes of one slice stay in cache


def count_bits(bits: np.ndarray, shape: Shape, boundary: Boundary) -> BlockCounts:
    """Count the blocks of a 0/1 array, 1-D ``[n]`` or 2-D ``[rows, columns]``.

    Raises:
        InputError: the array and the block have different numbers of axes, or the block is no string or square.
    """
    if bits.ndim != len(shape):
        raise InputError(f"bits have {counted(bits.ndim, 'axis', 'axes')}, blocks of shape {shape} need {len(shape)}")
    if len(set(shape)) != 1 or len(shape) > 2 or shape[0] < 1:
        raise InputError(f"blocks of shape {shape}, wanted (n,) or (n, n)")
    if boundary == "correlated":
        return _correlated(bits, shape)
    if boundary == "ignore":
        return _ignore(bits, shape)
    if boundary == "recursive":
        batch = bits[np.newaxis]
        found = merge_by_shape(recursive(batch, shape[0]))
        main = [counts for counts in found if counts.shape == shape] or [BlockCounts.empty(shape)]
        smaller = tuple(counts for counts in found if counts.shape != shape)
        dropped = bits.size - sum(counts.scored for counts in found)
        return BlockCounts(shape, main[0].codes, main[0].counts, main[0].scored, dropped, smaller)
    raise InputError(f"boundary {boundary!r}, wanted one of {', '.join(BOUNDARIES)}")


def _ignore(bits: np.ndarray, shape: Shape) -> BlockCounts:
    histogram = np.zeros(2 ** int(np.prod(shape)), dtype=np.int64)
    scored = 0
    for batch in slices(bits, shape[0]):
        codes = encode(cut(batch, shape[0]))
        histogram += np.bincount(codes, minlength=histogram.size)
        scored += codes.size * int(np.prod(shape))
    return BlockCounts.from_histogram(shape, histogram, dropped=bits.size - scored)


def slices(bits: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Yield whole blocks of rows (2-D) or of values (1-D), about ``CHUNK`` values at a time, with a batch axis."""
    width = int(np.prod(bits.shape[1:]))
    step = max(1, CHUNK // max(1, side * width)) * side
    for start in range(0, bits.shape[0] - bits.shape[0] % side, step):
        yield bits[start : start + step][np.newaxis]


def cut(batch: np.ndarray, side: int) -> np.ndarray:
    """Cut ``[batch, n]`` or ``[batch, rows, columns]`` into complete blocks, ``[blocks, side ** axes]``."""
    whole = [length // side for length in batch.shape[1:]]
    trimmed = batch[(slice(None), *(slice(0, count * side) for count in whole))]
    if len(whole) == 1:
        return trimmed.reshape(-1, side)
    split = trimmed.reshape(batch.shape[0], whole[0], side, whole[1], side)
    return split.swapaxes(2, 3).reshape(-1, side * side)


def encode(blocks: np.ndarray) -> np.ndarray:
    """Turn 0/1 blocks ``[blocks, size]`` into codes, int64 ``[blocks]``, least significant bit first."""
    if blocks.shape[1] == 16:  # two whole bytes
        return np.packbits(blocks, bitorder="little").view("<u2").astype(np.int64)
    if blocks.shape[1] == 12:
        return _encode_pairs(blocks)
    powers = np.left_shift(1, np.arange(blocks.shape[1]))
    codes: np.ndarray = blocks @ powers
    return codes


def _encode_pairs(blocks: np.ndarray) -> np.ndarray:
    """Turn blocks of 12 into codes: two of them are three whole bytes."""
    packed = np.packbits(blocks, bitorder="little").astype(np.int64)  # zeros fill up the last byte of an odd number
    triples = np.append(packed, np.zeros(-packed.size % 3, dtype=np.int64)).reshape(-1, 3)
    codes = np.empty((triples.shape[0], 2), dtype=np.int64)
    codes[:, 0] = triples[:, 0] | (triples[:, 1] & 15) << 8
    codes[:, 1] = triples[:, 1] >> 4 | triples[:, 2] << 4
    return codes.reshape(-1)[: blocks.shape[0]]


def recursive(batch: np.ndarray, side: int) -> Iterator[BlockCounts]:
    """Yield counts of complete blocks, then of what the border yields; ``batch`` is ``[batch, *axes]``."""
    axes = batch.ndim - 1
    codes = encode(cut(batch, side))
    if codes.size:
        yield BlockCounts.from_histogram((side,) * axes, np.bincount(codes, minlength=2 ** (side**axes)))
    for part in border(batch, side):
        shortest = min(part.shape[1:])
        if shortest >= MIN_SIDE:
            yield from recursive(part, shortest)


def border(batch: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Yield the incomplete parts, those of one shape together as ``[parts, *axes]``."""
    if batch.ndim == 2:
        rest = batch.shape[1] % side
        if rest:
            yield batch[:, -rest:]
        return
    rows, columns = batch.shape[1:]
    whole_rows, whole_columns = rows - rows % side, columns - columns % side
    if columns % side and whole_rows:
        yield batch[:, :whole_rows, whole_columns:].reshape(-1, side, columns % side)
    if rows % side and whole_columns:
        bottom = batch[:, whole_rows:, :whole_columns].reshape(batch.shape[0], rows % side, -1, side)
        yield bottom.swapaxes(1, 2).reshape(-1, rows % side, side)
    if rows % side and columns % side:
        yield batch[:, whole_rows:, whole_columns:]


def _correlated(bits: np.ndarray, shape: Shape) -> BlockCounts:
    """Slide the window by one along every axis."""
    if min(bits.shape) < shape[0]:
        return BlockCounts.empty(shape, dropped=bits.size)
    windows = [length - shape[0] + 1 for length in bits.shape]
    step = max(1, CHUNK // int(np.prod(windows[1:])))
    parts = [
        _windows(bits[start : min(start + step, windows[0]) + shape[0] - 1], shape)
        for start in range(0, windows[0], step)
    ]
    total = merge(parts)
    return BlockCounts(shape, total.codes, total.counts, scored=bits.size)


def _windows(bits: np.ndarray, shape: Shape) -> BlockCounts:
    lengths = [length - shape[0] + 1 for length in bits.shape]
    codes = np.zeros(lengths, dtype=np.int64)
    for position, offset in enumerate(np.ndindex(*shape)):
        window = bits[tuple(slice(start, start + length) for start, length in zip(offset, lengths, strict=True))]
        codes |= window.astype(np.int64) << position
    return BlockCounts.from_histogram(shape, np.bincount(codes.ravel(), minlength=2 ** int(np.prod(shape))))
