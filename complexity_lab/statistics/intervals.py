"""Shares, medians and signed ranks over a zoo, each with its uncertainty."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; all three share one unit, NaN where undefined."""

    estimate: float
    low: float
    high: float
    level: float = 0.95  # coverage, fraction


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Return a share and its Wilson score interval (Wilson 1927); all NaN for no trials.

    >>> interval = wilson(9, 10)
    >>> interval.estimate, round(interval.low, 3), round(interval.high, 3)
    (0.9, 0.596, 0.982)
    """
    if trials == 0:
        return Interval(np.nan, np.nan, np.nan, level)
    bounds = stats.binomtest(successes, trials).proportion_ci(confidence_level=level, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high), level)


def median_interval(
    values: Floats, *, rng: np.random.Generator, level: float = 0.95, resamples: int = 9999
) -> Interval:
    """Return the median and its percentile bootstrap interval.

    No values: all NaN. One value: a median without interval (NaN bounds), since one model says nothing about others.
    """
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, level)
    estimate = float(np.median(values))
    if len(values) == 1:
        return Interval(estimate, np.nan, np.nan, level)
    drawn = stats.bootstrap(
        (values,), np.median, n_resamples=resamples, confidence_level=level, method="percentile", rng=rng, batch=1000
    )
    return Interval(estimate, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high), level)


def signed_rank_p(ratios: Floats) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of ``log ratio = 0`` over models.

    Ratios of exactly 1 are left out (Wilcoxon's own rule); tied log ratios share the mean rank. NaN if nothing is left.
    With n models the smallest p-value is ``2 / 2^n``: fewer than six cannot reach 0.05.
    """
    logs = np.log(ratios)
    logs = logs[logs != 0]
    if len(logs) == 0:
        return float("nan")
    return float(stats.wilcoxon(logs, alternative="two-sided").pvalue)
