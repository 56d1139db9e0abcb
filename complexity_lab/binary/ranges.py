"""The range of a tensor's values that quantization covers: from minimum to maximum, or between two quantiles.

Quantiles are exact for any size. Where a few values beyond two thresholds decide them, the thresholds are guessed from
a sample and the values beyond found in one pass (0.6 instead of 18 ns per value for the partition that numpy does);
a guess that turns out to miss costs time and never exactness.
"""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from complexity_lab.binary.binarize import bad_weights, refuse_bad, signed
from complexity_lab.binary.plane_kernels import outside, raw, real
from complexity_lab.errors import InputError

SAMPLE = 1 << 16  # values; smaller arrays are partitioned whole
LARGEST_TAIL = 0.02  # share of the values below the lower quantile; beyond, most of a pass would be copying
GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, fill an interval evenly, whatever period the values have


def value_range(flat: np.ndarray, clip: float | None) -> tuple[float, float]:
    """Return the lowest and highest value, or the quantiles that enclose ``clip`` percent in the middle.

    Args:
        flat: 1-D, contiguous; float64, float32, float16 or bfloat16.
        clip: percentile P above 0 and up to 100: the quantiles ``(1 - P/100) / 2`` and ``1 - (1 - P/100) / 2``, with
            linear interpolation, ranks and interpolation in float64. None: minimum and maximum.

    Raises:
        InputError: no values, or ``clip`` out of range.
        WeightsError: NaN or infinite values anywhere.
    """
    if not flat.size:
        raise InputError("a tensor without values has no range")
    if clip is None:
        return _extremes(flat)
    if not 0 < clip <= 100:
        raise InputError(f"clip {clip}, wanted a percentile above 0 and up to 100, or None for minimum and maximum")
    share = (1 - clip / 100) / 2
    return _quantiles(flat, share) if share > 0 else _extremes(flat)


def _extremes(flat: np.ndarray) -> tuple[float, float]:
    if flat.dtype.itemsize > 2:
        lo, hi = float(flat.min()), float(flat.max())  # NaN wins both
    else:
        bits = raw(flat).view(np.int16)
        order = bits ^ ((bits >> 15) & 0x7FFF)  # halves as integers of the same order; its own inverse
        ends = np.array([order.min(), order.max()])
        lo, hi = map(float, (ends ^ ((ends >> 15) & 0x7FFF)).view(flat.dtype).astype(np.float32))
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise bad_weights(*signed(flat))
    return lo, hi


def _quantiles(flat: np.ndarray, share: float) -> tuple[float, float]:
    """Return the quantiles ``share`` and ``1 - share``."""
    last = flat.size - 1
    ranks = last * share, last * (1 - share)
    below, above = (min(floor(rank), max(0, last - 1)) for rank in ranks)
    ends = _bracketed(flat, below, above) if flat.size > 4 * SAMPLE and share <= LARGEST_TAIL else None
    if ends is None:
        ends = _partitioned(flat, below, above)
    lower, upper = (_between(*pair, rank - at) for pair, rank, at in zip(ends, ranks, (below, above), strict=True))
    return lower, upper


def _between(left: float, right: float, t: float) -> float:
    """Interpolate as numpy does, from the nearer end."""
    gap = right - left
    return left + gap * t if t < 0.5 else right - gap * (1 - t)


Ends = tuple[tuple[float, float], tuple[float, float]]


def _partitioned(flat: np.ndarray, below: int, above: int) -> Ends:
    """Return the values of ranks ``below`` and ``above``, from 0, each with its successor."""
    refuse_bad(*signed(flat))
    last = flat.size - 1
    ordered = np.partition(real(flat), sorted({below, min(below + 1, last), above, min(above + 1, last)}))
    lower, upper = ((float(ordered[at]), float(ordered[min(at + 1, last)])) for at in (below, above))
    return lower, upper


def _bracketed(flat: np.ndarray, below: int, above: int) -> Ends | None:
    """Return what ``_partitioned`` does from the values beyond two thresholds; None if the thresholds miss."""
    sample = np.sort(real(flat[(np.arange(SAMPLE) * GOLDEN % 1 * flat.size).astype(np.int64)]))
    last = flat.size - 1
    lower_at, upper_at = (_margin(needed, flat.size) for needed in (below + 1, last - above))
    low, high = sample[lower_at], sample[SAMPLE - 1 - upper_at]
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    capacity = 64 + 2 * flat.size * (lower_at + upper_at + 2) // SAMPLE
    found = outside(flat, low, high, capacity)
    if found is None:
        return None
    beyond = real(flat[found])
    if not np.isfinite(beyond).all():
        refuse_bad(*signed(flat))
    lower = _Tail(np.sort(beyond[beyond < low]), low, flat)
    upper = _Tail(np.sort(beyond[beyond > high])[::-1], high, flat)
    pairs = (lower.value(below), lower.value(below + 1)), (upper.value(last - above), upper.value(last - above - 1))
    (a, b), (c, d) = pairs
    return None if a is None or b is None or c is None or d is None else ((a, b), (c, d))


def _margin(needed: int, size: int) -> int:
    """Return a rank in the sample that five standard deviations of luck keep beyond rank ``needed`` of the whole."""
    expected = SAMPLE * (needed + 1) / size
    return ceil(expected + 5 * sqrt(expected) + 5)


class _Tail:
    """The values beyond a threshold, from the outermost inwards, and then as many as equal the threshold."""

    def __init__(self, beyond: np.ndarray, threshold: np.floating[Any], flat: np.ndarray) -> None:
        self.beyond, self.threshold, self.flat = beyond, threshold, flat
        self.equal: int | None = None  # not counted before it matters

    def value(self, rank: int) -> float | None:
        """Return the value of a rank, from 0 at the outer end; None if it lies further inwards."""
        if rank < self.beyond.size:
            return float(self.beyond[rank])
        if self.equal is None:
            self.equal = int(np.count_nonzero(self.flat == self.threshold.astype(self.flat.dtype)))
        return float(self.threshold) if rank < self.beyond.size + self.equal else None
