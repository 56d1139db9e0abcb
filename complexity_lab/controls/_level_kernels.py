"""Compiled loops of the shuffle null of bit planes: permute levels, and score every plane of what results.

Permuting. An array is shuffled by Fisher and Yates. Beyond CACHED values its swaps would miss the cache: there every
value first goes to a random bucket, and then every bucket is shuffled (Rao 1961, Sandelius 1962): all orders are
equally likely, as in sorting by independent random keys.

Scoring. All orders are equally likely, so blocks need not be cut where the matrix has them: each takes the next values.
Codes that occur are listed as they are first seen, so that a small tensor never visits all 65,536.
"""

# mypy: ignore-errors
# numba types this file itself, from the signatures in level_kernels.py; its subset of Python is not mypy's
from typing import Any

import numpy as np
from numba import njit

from complexity_lab.controls._shuffle_kernels import _next

OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "cache": True}
CACHED = 1 << 18  # values shuffled in place; buckets take 40 % of the time of a plain shuffle of 100 million levels
PIECE = 1 << 16  # levels that are counted plane after plane while they are in cache
SQUARE = 16
LOW = np.uint64(0xFFFFFFFF)


@njit(**OPTIONS)
def _mix(values: np.ndarray, state: np.ndarray) -> None:
    """Shuffle in place (Fisher and Yates), each index to within 2**-32."""
    left = values.size
    while left > 1:
        word = _next(state)
        at = ((word >> np.uint64(32)) * np.uint64(left)) >> np.uint64(32)
        left -= 1
        values[left], values[at] = values[at], values[left]
        at = ((word & LOW) * np.uint64(left)) >> np.uint64(32)
        left -= 1
        if left > 0:
            values[left], values[at] = values[at], values[left]


@njit(**OPTIONS)
def _scatter(source: np.ndarray, target: np.ndarray, digits: int, starts: np.ndarray, state: np.ndarray) -> None:
    """Write every value to a random one of ``2**digits`` buckets of ``target``, one after the other.

    ``starts``: int64 ``[2**digits + 1]``, filled with where each bucket begins.
    """
    mask, shift = np.uint64((1 << digits) - 1), np.uint64(digits)
    per_word = 64 // digits
    replay = state.copy()
    starts[:] = 0
    for first in range(0, source.size, per_word):
        word = _next(replay)
        for _ in range(min(per_word, source.size - first)):
            starts[(word & mask) + np.uint64(1)] += 1
            word >>= shift
    for bucket in range(1, starts.size):
        starts[bucket] += starts[bucket - 1]
    free = starts.copy()
    for first in range(0, source.size, per_word):
        word = _next(state)
        for i in range(first, min(first + per_word, source.size)):
            bucket = word & mask
            target[free[bucket]] = source[i]
            free[bucket] += 1
            word >>= shift


@njit(**OPTIONS)
def shuffle(source: np.ndarray, target: np.ndarray, state: np.ndarray) -> None:
    """Write ``source`` (1-D) to ``target`` in random order; ``state`` is of xoshiro256++ and is advanced."""
    digits = 0
    while (source.size >> digits) > CACHED:
        digits += 1
    if digits == 0:
        target[:] = source
        _mix(target, state)
        return
    starts = np.empty((1 << digits) + 1, dtype=np.int64)
    _scatter(source, target, digits, starts, state)
    for bucket in range(1 << digits):
        _mix(target[starts[bucket] : starts[bucket + 1]], state)


@njit(**OPTIONS)
def _square(words: np.ndarray, block: int, plane: int, itemsize: int) -> int:
    """Return the code of the ``block``-th 16 levels in one plane.

    A multiplication gathers the bits of the eight levels of one byte, or four levels of two bytes, that a word holds.
    """
    shift, code = np.uint64(plane), np.uint64(0)
    if itemsize == 1:
        ones, gather = np.uint64(0x0101010101010101), np.uint64(0x0102040810204080)
        for word in range(2):
            bits = ((words[2 * block + word] >> shift) & ones) * gather
            code |= (bits >> np.uint64(56)) << np.uint64(8 * word)
    else:
        ones, gather = np.uint64(0x0001000100010001), np.uint64(0x0001000200040008)
        for word in range(4):
            bits = ((words[4 * block + word] >> shift) & ones) * gather
            code |= ((bits >> np.uint64(48)) & np.uint64(15)) << np.uint64(4 * word)
    return code


@njit(**OPTIONS)
def _smaller(levels: np.ndarray, start: int, size: int, plane: int) -> int:
    """Return the code of ``size`` levels from ``start`` on in one plane."""
    code = np.uint64(0)
    for i in range(size):
        code |= np.uint64((levels[start + i] >> plane) & 1) << np.uint64(i)
    return code


@njit(**OPTIONS)
def _count(levels: np.ndarray, blocks: int, size: int, counts: np.ndarray, seen: np.ndarray, many: np.ndarray) -> None:
    """Count ``blocks`` blocks of ``size`` values in every plane, and list the codes that occur.

    ``counts``: uint32 ``[planes, 65536]``, zero. ``seen``: uint16 ``[planes, 65536]``, its first ``many[plane]``
    entries are filled.
    """
    words = levels[: levels.size // 8 * 8].view(np.uint64)
    step = PIECE // size
    for first in range(0, blocks, step):
        last = min(blocks, first + step)
        for plane in range(counts.shape[0]):
            count, listed, found = counts[plane], seen[plane], many[plane]
            for block in range(first, last):
                if size == SQUARE:
                    code = _square(words, block, plane, levels.itemsize)
                else:
                    code = _smaller(levels, block * size, size, plane)
                if count[code] == 0:
                    listed[found] = code
                    found += 1
                count[code] += 1
            many[plane] = found


@njit(**OPTIONS)
def _drain(ctm: np.ndarray, counts: np.ndarray, seen: np.ndarray, many: np.ndarray, scores: np.ndarray) -> None:
    """Add the BDM of every plane to ``scores`` and clear what was counted."""
    for plane in range(counts.shape[0]):
        total, product = 0.0, 1.0
        for i in range(many[plane]):
            code = seen[plane, i]
            total += ctm[code]
            product *= counts[plane, code]
            if product > 1e250:  # one logarithm for many counts, each below 2**32
                total += np.log2(product)
                product = 1.0
            counts[plane, code] = 0
        scores[plane] += total + np.log2(product)
        many[plane] = 0


@njit(**OPTIONS)
def score(
    levels: np.ndarray,
    sizes: np.ndarray,
    blocks: np.ndarray,
    ctm: np.ndarray,
    counts: np.ndarray,
    seen: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Add the BDM of every plane of levels in random order to ``scores``, float64 ``[planes]``, bits.

    ``levels``: uint8 or uint16, 1-D. ``sizes`` and ``blocks``: values in a block of each shape and number of such
    blocks, int64. ``ctm``: the tables of the shapes, ``[shapes, 65536]``. ``counts`` and ``seen``: scratch, see
    ``_count``; ``counts`` is zero before and after.
    """
    many = np.zeros(counts.shape[0], dtype=np.int64)
    start = 0
    for shape in range(sizes.size):
        size, number = sizes[shape], blocks[shape]
        _count(levels[start : start + size * number], number, size, counts, seen, many)
        _drain(ctm[shape], counts, seen, many, scores)
        start += size * number
