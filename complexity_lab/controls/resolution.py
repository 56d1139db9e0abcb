"""Resolution: the smallest sign bias that BDM can tell from fair bits, and what a bias is worth, at each size.

BDM saturates: once all blocks are seen it grows as ``4096 log2 n`` and a bias costs a constant. So its ratio to fair
bits tends to 1 as n grows, while the null's sd falls faster still: large models show "significant" effects in the last
digits, small ones large ratios by chance (ALGORITHMS.md 0.4 and 0.6). Both numbers come from the iid null alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from complexity_lab.binary.block_counts import Shape
from complexity_lab.binary.counting import STRING
from complexity_lab.controls.iid import iid_null
from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table

FAIR = 0.5
LARGEST_SATURATION = 1e9  # blocks per possible block; there z sd are a 1e-12th of the mean, and its last digits


@dataclass(frozen=True)
class Resolution:
    """The smallest detectable bias at one size.

    Attributes:
        blocks: number of blocks.
        z: standard deviations of fair bits' BDM that count as a difference.
        ones_fraction: largest share of ones below 0.5 whose mean BDM is z sd below that of fair bits, or None if no
            share is: there are too few blocks. Shares p and 1 - p are alike (CTM is symmetric).
        ratio: mean BDM at that share over that of fair bits, or the smallest that would be needed if no share has it.
    """

    blocks: int
    z: float
    ones_fraction: float | None
    ratio: float

    @property
    def bias(self) -> float | None:
        """Distance of that share from 0.5; None if no share is detectable."""
        return None if self.ones_fraction is None else FAIR - self.ones_fraction


def resolution(weights: int, *, z: float = 3.0, shape: Shape = STRING) -> Resolution:
    """Return the smallest bias of the share of ones that differs from fair bits by ``z`` sd under the iid null.

    The threshold is one-sided and for one observed value whose expectation is shifted: it is detected in half of the
    cases. The sd is that of fair bits.

    Args:
        weights: how many there are; blocks are ``weights // size``.
        z: standard deviations, above 0.
        shape: of the blocks, ``(12,)`` for BDM of strings or ``(4, 4)`` for BDM of squares.

    Raises:
        InputError: no complete block, ``z`` not above 0, or so many weights (above 4.9e13 for strings of 12) that the
            effect is lost in the rounding of the mean.

    >>> [round(resolution(weights).bias, 4) for weights in (10**4, 10**6, 10**8)]
    [0.077, 0.0084, 0.0008]
    """
    ctm = ctm_table(shape)
    blocks = _blocks_to_resolve(ctm, weights, z)
    fair = iid_null(ctm, blocks, FAIR)
    wanted = fair.mean - z * fair.sd

    def above(share: float) -> float:
        return iid_null(ctm, blocks, share).mean - wanted

    if above(0.0) > 0:
        return Resolution(blocks, z, None, wanted / fair.mean)
    share = float(brentq(above, 0.0, FAIR, xtol=1e-12))
    return Resolution(blocks, z, share, iid_null(ctm, blocks, share).mean / fair.mean)


def bias_ratio(weights: int, ones_fraction: float, *, shape: Shape = STRING) -> float:
    """Return the mean BDM of independent bits with a share of ones over that of fair bits of the same number.

    This is the ratio that the share alone produces, and with it the saturation of a size.

    Args:
        weights: how many there are; blocks are ``weights // size``.
        ones_fraction: share of ones, 0..1.
        shape: of the blocks, ``(12,)`` or ``(4, 4)``.

    Raises:
        InputError: no complete block, or a share outside 0..1.

    >>> [round(bias_ratio(n, 0.33), 3) for n in (270_000, 1_050_000, 86_000_000)]
    [0.807, 0.938, 0.975]
    """
    ctm = ctm_table(shape)
    blocks = _blocks(ctm, weights)
    return iid_null(ctm, blocks, ones_fraction).mean / iid_null(ctm, blocks, FAIR).mean


def _blocks_to_resolve(ctm: np.ndarray, weights: int, z: float) -> int:
    if not z > 0:
        raise InputError(f"z is {z}, wanted above 0")
    blocks = _blocks(ctm, weights)
    if blocks > LARGEST_SATURATION * ctm.size:
        raise InputError(
            f"{blocks} blocks, wanted at most {LARGEST_SATURATION * ctm.size:.3g}: beyond, the effect is rounding"
        )
    return blocks


def _blocks(ctm: np.ndarray, weights: int) -> int:
    size = int(ctm.size).bit_length() - 1
    if weights < size:
        raise InputError(f"{counted(weights, 'weight')}, wanted at least one block of {size}")
    return weights // size
