"""BDM, the block decomposition method (Zenil et al. 2018, doi:10.3390/e20080605).

``BDM = sum over distinct blocks of CTM(block) + log2(occurrences)``, in bits. All functions read ``BlockCounts`` and
agree with pybdm 0.1.0; what differs is said where it differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.codes import Boundary
from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table, shape_name


def bdm(bits: Any, *, boundary: Boundary = "ignore", normalized: bool = False) -> float:
    """Return the BDM of an array of 0/1; ``measure`` scores weights, and so does this for ``binarize(weights)``.

    Args:
        bits: numpy array or torch tensor of zeros and ones, 1-D (blocks of 12) or 2-D (blocks of 4x4).
        boundary: ``ignore`` drops incomplete blocks, ``recursive`` cuts them smaller, ``correlated`` slides by one.
        normalized: scale to 0 (constant) .. 1 (as many and as complex blocks as possible) at this size.

    Returns:
        Bits; without unit if normalized.

    Raises:
        InputError: values other than 0 and 1, another number of axes, or not one block.

    >>> round(bdm([1] * 12), 6)
    25.610414
    """
    counts = counts_of_bits(bits, boundary)
    return bdm_normalized(counts) if normalized else bdm_of(counts)


def counts_of_bits(bits: Any, boundary: Boundary) -> BlockCounts:
    """Count strings of 12 in a 1-D array of 0/1 and 4x4 squares in a 2-D one.

    Raises:
        InputError: values other than 0 and 1, another number of axes, or not one block.
    """
    array = as_numpy(bits)
    if array.ndim not in (1, 2):
        raise InputError(f"bits have {array.ndim} axes, wanted 1 or 2; flatten them or use block_counts")
    if not np.isin(array, (0, 1)).all():
        raise InputError(
            "values other than 0 and 1, wanted bits; binarize(weights) makes bits of weights, measure scores them as is"
        )
    counts = block_counts(array, STRING if array.ndim == 1 else SQUARE, boundary=boundary)
    if not any(part.blocks for part in (counts, *counts.leftover)):
        what, size = shape_name(array.shape), shape_name(counts.shape)
        smaller = "" if boundary == "recursive" else "; boundary='recursive' scores smaller ones"
        raise InputError(f"bits of shape {what} hold no block of {size}{smaller}")
    return counts


def bdm_of(counts: BlockCounts) -> float:
    """Return the BDM of block counts in bits, leftovers included; 0 without blocks."""
    return sum(map(bdm_of, counts.leftover), start=_sum_of_blocks(counts))


def bdm_of_each(many: Sequence[BlockCounts]) -> list[float]:
    """Return the BDM of each of many block counts of one shape without leftovers, bits, in one go."""
    if not many:
        return []
    codes = np.concatenate([counts.codes for counts in many])
    occurrences = np.concatenate([counts.counts for counts in many])
    owners = np.repeat(np.arange(len(many)), [counts.codes.size for counts in many])
    terms = ctm_table(many[0].shape)[codes] + np.log2(occurrences)
    sums: list[float] = np.bincount(owners, terms, len(many)).tolist()
    return sums


def _sum_of_blocks(counts: BlockCounts) -> float:
    if not counts.codes.size:
        return 0.0
    return float(ctm_table(counts.shape)[counts.codes].sum() + np.log2(counts.counts).sum())


def _parts(counts: BlockCounts) -> Iterator[BlockCounts]:
    for part in (counts, *counts.leftover):
        if part.blocks:
            yield part


def bdm_normalized(counts: BlockCounts) -> float:
    """Return ``(BDM - min) / (max - min)``: 0 for a constant input, 1 for the most complex of the same size.

    The minimum repeats the simplest block; the maximum cycles through all blocks from the most complex down. Equal to
    pybdm for whole numbers of blocks. At the recursive boundary the bounds are those of the blocks that were scored;
    pybdm takes shapes that it does not score, and fails in 2-D. NaN without blocks or where both bounds coincide.
    """
    lowest = sum(minimum_bdm(part.shape, part.blocks) for part in _parts(counts))
    highest = sum(maximum_bdm(part.shape, part.blocks) for part in _parts(counts))
    return (bdm_of(counts) - lowest) / (highest - lowest) if highest > lowest else float("nan")


def minimum_bdm(shape: tuple[int, ...], blocks: int) -> float:
    """Return the BDM of ``blocks`` repetitions of the simplest block, bits."""
    return float(ctm_table(shape).min() + np.log2(blocks))


def maximum_bdm(shape: tuple[int, ...], blocks: int) -> float:
    """Return the BDM of ``blocks`` blocks spread evenly, the most complex first, bits."""
    descending = np.sort(ctm_table(shape))[::-1]
    cycles, rest = divmod(blocks, descending.size)
    counts = np.full(descending.size, cycles)
    counts[:rest] += 1
    seen = counts > 0
    return float(descending[seen].sum() + np.log2(counts[seen]).sum())
