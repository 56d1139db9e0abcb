"""Compiled loop of LZ76: one pass that grows the suffix automaton of the bits (Blumer et al. 1985) and parses them.

A state of the automaton stands for substrings that occur at the same places; state 0 is the empty one, and nothing
leads to it, so 0 also says that there is no transition. One row of four numbers per state (next state on 0, on 1,
suffix link, length of its longest substring) is one cache line fewer to wait for than four arrays: 46 instead of 70 ns
per bit of 2^18 random bits.
"""

# mypy: ignore-errors
# numba types this file itself, from the signature in lz76.py; its subset of Python is not mypy's
from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "cache": True}
LINK, LENGTH = 2, 3


@njit(**OPTIONS)
def _grow(states: np.ndarray, used: int, last: int, bit: int) -> int:
    """Append a bit to the text of the automaton; return how many states are used then. The new text is ``used``."""
    states[used, 0] = states[used, 1] = states[used, LINK] = 0
    states[used, LENGTH] = states[last, LENGTH] + 1
    at = last
    while at >= 0 and states[at, bit] == 0:
        states[at, bit] = used
        at = states[at, LINK]
    if at < 0:
        return used + 1
    found = states[at, bit]
    if states[found, LENGTH] == states[at, LENGTH] + 1:
        states[used, LINK] = found
        return used + 1
    short = used + 1  # of what is in ``found``, the substrings that now end in one place more than the others
    for column in range(3):
        states[short, column] = states[found, column]
    states[short, LENGTH] = states[at, LENGTH] + 1
    while at >= 0 and states[at, bit] == found:
        states[at, bit] = short
        at = states[at, LINK]
    states[found, LINK] = states[used, LINK] = short
    return used + 2


@njit(**OPTIONS)
def count_components(bits: np.ndarray, states: np.ndarray) -> int:
    """Return the components of the exhaustive history of 0/1 ``bits`` (1-D, uint8).

    ``states``: int32 ``[2 n + 1 or more, 4]``, scratch.

    ``at`` is the state of the word that is being read, or one that occurs at the same places before. It is asked for
    the next bit before the text grows by that bit, so an earlier place may overlap the word but cannot be its own.
    Growing may split the state and give the word, which now also ends the text, a new one; the old state still stands
    for the earlier places, and these are all that the next bit is looked up in.
    """
    states[0, 0] = states[0, 1] = states[0, LENGTH] = 0
    states[0, LINK] = -1
    used, last, components, at = 1, 0, 0, 0
    for bit in bits:
        at = states[at, bit]
        grown = _grow(states, used, last, bit)
        last, used = used, grown
        components += at == 0
    return components + (at != 0)
