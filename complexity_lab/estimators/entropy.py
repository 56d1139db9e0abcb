"""Block entropy: Shannon entropy of the distribution of blocks (pybdm's ``ent`` and ``nent``)."""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.codes import Boundary
from complexity_lab.estimators.bdm import counts_of_bits


def block_entropy(bits: Any, *, boundary: Boundary = "ignore", normalized: bool = False) -> float:
    """Return the entropy of the blocks of a 1-D or 2-D array of 0/1, in bits per block; see ``bdm``.

    Raises:
        InputError: values other than 0 and 1, another number of axes, or not one block.

    >>> block_entropy([0] * 12 + [1] * 12)
    1.0
    """
    counts = counts_of_bits(bits, boundary)
    return block_entropy_normalized(counts) if normalized else block_entropy_of(counts)


def block_entropy_of(counts: BlockCounts) -> float:
    """Return the entropy of block counts in bits per block; blocks of different shapes differ. 0 without blocks."""
    occurrences = np.concatenate([part.counts for part in (counts, *counts.leftover)])
    total = occurrences.sum()
    if total == 0:
        return 0.0
    share = occurrences / total
    return float(-(share * np.log2(share)).sum()) + 0.0  # -0.0 for a single block becomes 0.0


def block_entropy_normalized(counts: BlockCounts) -> float:
    """Return block entropy over its maximum, ``log2(min(blocks, possible blocks))``; NaN where that is 0.

    Equal to pybdm's ``nent`` for the ``ignore`` boundary. With leftovers the bounds are those of the scored blocks
    (each shape constant; each shape as varied as it can be), where pybdm counts shapes instead of blocks.
    """
    parts = [part for part in (counts, *counts.leftover) if part.blocks]
    total = sum(part.blocks for part in parts)
    lowest = -sum(part.blocks / total * log2(part.blocks / total) for part in parts)
    within = sum(part.blocks / total * log2(min(part.blocks, 2**part.size)) for part in parts)
    return (block_entropy_of(counts) - lowest) / within if within > 0 else float("nan")
