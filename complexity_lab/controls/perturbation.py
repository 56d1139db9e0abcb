"""Perturbation: by how much BDM changes when one bit is flipped (Zenil et al. 2019, doi:10.1038/s42256-018-0005-0).

Flipping bit i moves one block from code c to code ``c ^ 2**i``. Only two counts change, so the histogram tells the
change of every bit, exactly, without scoring anything again:

- leaving c: ``log2((n - 1) / n)``, or ``-CTM(c)`` if it was the only one;
- joining c': ``log2((n' + 1) / n')``, or ``+CTM(c')`` if it is the first.

All bits at the same place of equal blocks share one value: there are at most ``distinct * size`` different ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from complexity_lab.binary.binarize import refuse_bad, signed
from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.codes import encode
from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table

SIDES = {1: STRING, 2: SQUARE}


def flip_changes(counts: BlockCounts) -> np.ndarray:
    """Return the change of BDM by flipping each place of each block that occurs, float64 ``[distinct, size]``, bits.

    Leftovers of the recursive boundary stay as they are.

    Raises:
        InputError: there is no CTM table for blocks of this shape.
    """
    ctm = ctm_table(counts.shape)
    histogram = counts.histogram()
    many = np.maximum(counts.counts, 2)
    leaving = np.where(counts.counts == 1, -ctm[counts.codes], np.log2(many - 1) - np.log2(many))
    target = counts.codes[:, np.newaxis] ^ np.left_shift(1, np.arange(counts.size))
    present = histogram[target]
    some = np.maximum(present, 1)
    joining = np.where(present == 0, ctm[target], np.log2(some + 1) - np.log2(some))
    changes: np.ndarray = leaving[:, np.newaxis] + joining
    return changes


def perturbation(bits: Any, counts: BlockCounts | None = None) -> np.ndarray:
    """Return the change of BDM by flipping each bit alone, float64 of the shape of ``bits``, bits.

    Args:
        bits: 0/1 or weights (binarized by ``w > 0``), numpy or torch, 1-D (strings of 12) or 2-D (4x4 squares).
        counts: the blocks of a larger whole that these belong to, for instance all squares of a model; the change is
            then that of the whole. Own counts if None.

    Returns:
        0 at positions in no complete block: they are not scored.

    Raises:
        InputError: other axes, wrong dtype, or ``counts`` that lack a block of ``bits``.
        WeightsError: NaN or infinite weights.

    >>> perturbation(np.zeros(13)).round(3)[[0, 5, 12]].tolist()
    [1.435, 2.332, 0.0]
    """
    array = _binarized(bits)
    side = SIDES[array.ndim][0]
    whole = tuple(length - length % side for length in array.shape)
    changes = np.zeros(array.shape)
    if not min(whole):
        return changes
    blocks = _cut(array[tuple(map(slice, whole))], side)
    own = block_counts(array, SIDES[array.ndim]) if counts is None else counts
    found = flip_changes(own)[_rows(own, encode(blocks))]
    if array.ndim == 2:
        found = found.reshape(whole[0] // 4, whole[1] // 4, 4, 4).swapaxes(1, 2)
    changes[tuple(map(slice, whole))] = found.reshape(whole)
    return changes


def _binarized(bits: Any) -> np.ndarray:
    view = signed(bits)
    if view.values.ndim not in SIDES:
        raise InputError(f"bits have {view.values.ndim} axes, wanted 1 or 2; reshape them as the score reads them")
    refuse_bad(view.values, view.limit)
    positive: np.ndarray = (view.values > 0).view(np.uint8)
    return positive


def _cut(array: np.ndarray, side: int) -> np.ndarray:
    """Cut an array of whole blocks into them, ``[blocks, size]``."""
    if array.ndim == 1:
        return array.reshape(-1, side)
    rows, columns = array.shape
    return array.reshape(rows // side, side, columns // side, side).swapaxes(1, 2).reshape(-1, side * side)


def _rows(counts: BlockCounts, codes: np.ndarray) -> np.ndarray:
    """Return where codes stand among those that occur."""
    at = np.searchsorted(counts.codes, codes)
    if counts.codes.size == 0 or (counts.codes[np.minimum(at, counts.codes.size - 1)] != codes).any():
        raise InputError("counts lack blocks that the bits hold; wanted the counts of these bits or of a larger whole")
    return at
