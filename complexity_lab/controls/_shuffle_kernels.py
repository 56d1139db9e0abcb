"""Compiled loop of the shuffle null: all arrangements of the ones of a group, equally likely, in packed bits.

A group starts as independent bits, ones with the nearest of 257 shares; then bits at random places are cleared (or set)
until the number of ones is right. Independent bits given their number of ones are equally likely in all arrangements,
and a correction at uniformly random places keeps that, so the result is uniform whatever the share was; a near one
saves corrections. Sixty-four bits of share ``s / 256`` come from at most eight random words (von Neumann: from the
lowest binary digit of the share up, OR a word for a one and AND a word for a zero). Short groups are drawn bit by bit.

Random words: xoshiro256++ (Blackman and Vigna 2021, doi:10.1145/3460772), its state drawn from numpy's generator.
"""

# mypy: ignore-errors
# numba types this file itself, from the signature in shuffle_kernels.py; its subset of Python is not mypy's
from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "cache": True}
SHORT = 64  # bits per group, below which drawing one by one is faster than correcting


@njit(**OPTIONS)
def _next(state: np.ndarray) -> int:
    """Return 64 random bits."""
    first, second, third, fourth = state[0], state[1], state[2], state[3]
    total = first + fourth
    word = ((total << np.uint64(23)) | (total >> np.uint64(41))) + first
    third ^= first
    fourth ^= second
    state[0] = first ^ fourth
    state[1] = second ^ third
    state[2] = third ^ (second << np.uint64(17))
    state[3] = (fourth << np.uint64(45)) | (fourth >> np.uint64(19))
    return word


@njit(**OPTIONS)
def _word(share: int, state: np.ndarray) -> int:
    """Return 64 independent bits, ones with probability ``share / 256``."""
    word = np.uint64(0)
    if share == 256:
        return ~word
    for digit in range(8):
        if (share >> digit) & 1:
            word |= _next(state)
        elif word:
            word &= _next(state)
    return word


@njit(**OPTIONS)
def _bits_in(word: int) -> int:
    """Count the ones of 64 bits, in parallel (Knuth 7.1.3)."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(**OPTIONS)
def _fill(packed: np.ndarray, length: int, share: int, state: np.ndarray) -> int:
    """Write ``length`` independent bits, ones with probability ``share / 256``; return how many are ones."""
    ones = 0
    for at in range(length // 64):
        packed[at] = _word(share, state)
        ones += _bits_in(packed[at])
    if length % 64:
        packed[length // 64] = _word(share, state) & ((np.uint64(1) << np.uint64(length % 64)) - np.uint64(1))
        ones += _bits_in(packed[length // 64])
    return ones


@njit(**OPTIONS)
def _correct(packed: np.ndarray, length: int, surplus: int, state: np.ndarray) -> None:
    """Clear ``surplus`` ones at random places, or set so many zeros if it is negative."""
    unwanted = np.uint64(surplus > 0)
    left = abs(surplus)
    while left:
        place = np.int64(_next(state) % np.uint64(length))
        at, shift = place >> 6, np.uint64(place & 63)
        if (packed[at] >> shift) & np.uint64(1) == unwanted:
            packed[at] ^= np.uint64(1) << shift
            left -= 1


@njit(**OPTIONS)
def _select(length: int, ones: int, state: np.ndarray) -> int:
    """Return a short group, drawn bit by bit: a one with the share that ones have among the bits still to come.

    Selection sampling (Knuth 3.4.2, algorithm S), each probability to within 2**-32.
    """
    left, word = np.uint64(ones), np.uint64(0)
    for place in range(length):
        bit = np.uint64((((_next(state) >> np.uint64(32)) * np.uint64(length - place)) >> np.uint64(32)) < left)
        word |= bit << np.uint64(place)
        left -= bit
    return word


@njit(**OPTIONS)
def arrange(ones: np.ndarray, length: int, state: np.ndarray, packed: np.ndarray) -> None:
    """Write groups of ``length`` bits, group g with ``ones[g]`` ones, to ``packed[g]``, 64 to a word, lowest bit first.

    ``packed``: uint64 ``[groups, ceil(length / 64)]``. ``state``: uint64 ``[4]``, not all zero; it is advanced.
    """
    for group in range(ones.size):
        if length < SHORT:
            packed[group, 0] = _select(length, ones[group], state)
        else:
            share = (2 * 256 * ones[group] + length) // (2 * length)
            surplus = _fill(packed[group], length, share, state) - ones[group]
            _correct(packed[group], length, surplus, state)
