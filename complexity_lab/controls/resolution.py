"""Resolution: the smallest sign bias that BDM can tell from fair bits, and what a bias is worth, at each size.

BDM saturates: once all blocks are seen it grows as ``4096 log2 n`` and a bias costs a constant. So its ratio to fair
bits tends to 1 as n grows, while the null's sd falls faster still: large models show "significant" effects in the last
digits, small ones large ratios by chance (ALGORITHMS.md 0.4 and 0.6). Both numbers come from the iid null alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from complexity_lab.controls.iid import iid_null
from complexity_lab.errors import InputError

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


def resolution(ctm: np.ndarray, weights: int, *, z: float = 3.0) -> Resolution:
    """Return the smallest bias of the share of ones that differs from fair bits by ``z`` sd under the iid null.

    The threshold is one-sided and for one observed value whose expectation is shifted: it is detected in half of the
    cases. The sd is that of fair bits.

    Args:
        ctm: CTM table in bits, ``[2**size]``, indexed by block code.
        weights: number of weights; blocks are ``weights // size``.
        z: standard deviations, above 0.

    Raises:
        InputError: no complete block, ``z`` not above 0, or so many weights (above 4.9e13 for strings of 12) that the
            effect is lost in the rounding of the mean.
    """
    blocks = _blocks_to_resolve(ctm, weights, z)
    fair = iid_null(ctm, blocks, FAIR)
    wanted = fair.mean - z * fair.sd

    def above(share: float) -> float:
        return iid_null(ctm, blocks, share).mean - wanted

    if above(0.0) > 0:
        return Resolution(blocks, z, None, wanted / fair.mean)
    share = float(brentq(above, 0.0, FAIR, xtol=1e-12))
    return Resolution(blocks, z, share, iid_null(ctm, blocks, share).mean / fair.mean)


def detectable_ratio(ctm: np.ndarray, weights: Any, z: float = 3.0) -> np.ndarray:
    """Return the largest ratio to fair bits that lies ``z`` sd below 1, at each of many sizes, float64 ``[*shape]``.

    It is ``1 - z sd / mean`` of fair bits: what ``resolution`` reports as its ratio, without the bias behind it.

    Args:
        ctm: CTM table in bits, ``[2**size]``: ``[4096]`` for strings of 12, ``[65536]`` for 4x4 squares.
        weights: numbers of weights, integers of any shape; blocks are ``weights // size``.
        z: standard deviations, above 0.

    Raises:
        InputError: as ``resolution``, for any of the sizes.

    >>> from complexity_lab.estimators.ctm import ctm_table
    >>> (1 - detectable_ratio(ctm_table((12,)), [10**4, 10**6, 10**8])).round(7).tolist()
    [0.030315, 7.01e-05, 5e-07]
    """
    sizes, where = np.unique(np.asarray(weights, dtype=np.int64), return_inverse=True)
    ratios = np.empty(sizes.size)
    for index, size in enumerate(sizes.tolist()):
        fair = iid_null(ctm, _blocks_to_resolve(ctm, size, z), FAIR)
        ratios[index] = 1 - z * fair.sd / fair.mean
    found: np.ndarray = ratios[where].reshape(np.shape(weights))
    return found


def bias_ratio(ctm: np.ndarray, weights: int, ones_fraction: float) -> float:
    """Return the mean BDM of independent bits with a share of ones over that of fair bits of the same number.

    This is the ratio that the share alone produces, and with it the saturation of a size.

    Args:
        ctm: CTM table in bits, ``[2**size]``.
        weights: number of weights; blocks are ``weights // size``.
        ones_fraction: share of ones, 0..1.

    Raises:
        InputError: no complete block, or a share outside 0..1.

    >>> from complexity_lab.estimators.ctm import ctm_table
    >>> [round(bias_ratio(ctm_table((12,)), n, 0.33), 3) for n in (270_000, 1_050_000, 86_000_000)]
    [0.807, 0.938, 0.975]
    """
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


def _blocks(ctm: np.ndarray, weights: Any) -> int:
    size = int(ctm.size).bit_length() - 1
    if weights < size:
        raise InputError(f"{weights} weights, wanted at least one block of {size}")
    return int(weights) // size
