"""Does the ratio depend on model size? Rank correlation with a permutation p-value and a bootstrap interval."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from complexity_lab.statistics.intervals import Interval

Floats = npt.NDArray[np.float64]
_BATCH = 1000  # resamples at a time: 1,000 x 200 models is 1.6 MB


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho with its interval, p-value and number of models; NaN where undefined."""

    rho: Interval
    p_value: float
    n: int


def spearman(x: Floats, y: Floats, *, rng: np.random.Generator, resamples: int = 9999) -> RankCorrelation:
    """Return Spearman's rank correlation of two arrays of shape (n,).

    The p-value is two-sided, from ``resamples`` random pairings, ``(1 + as extreme) / (1 + resamples)``; the interval
    is the percentile bootstrap over pairs, leaving out resamples in which x or y is constant. Ties share the mean
    rank. Fewer than three pairs, or a constant x or y, leave everything NaN. Logarithms of x or y change nothing.
    """
    n = len(x)
    rho = float(_rank_rho(x[None, :], y[None, :])[0]) if n >= 3 else float("nan")
    if np.isnan(rho):
        return RankCorrelation(Interval(np.nan, np.nan, np.nan), np.nan, n)
    extreme, drawn = 0, []
    for start in range(0, resamples, _BATCH):
        size = min(_BATCH, resamples - start)
        shuffled = rng.permuted(np.tile(y, (size, 1)), axis=1)
        extreme += int((np.abs(_rank_rho(np.tile(x, (size, 1)), shuffled)) >= abs(rho) - 1e-12).sum())
        picks = rng.integers(0, n, (size, n))
        drawn.append(_rank_rho(x[picks], y[picks]))
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    return RankCorrelation(Interval(rho, float(low), float(high)), (1 + extreme) / (1 + resamples), n)


def _rank_rho(x: Floats, y: Floats) -> Floats:
    """Return the rank correlation of each row of two arrays of shape (rows, n); NaN where a row is constant."""
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (_ranks(x), _ranks(y)))
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.where(scale == 0, np.nan, scale), dtype=np.float64)


def _ranks(values: Floats) -> Floats:
    return np.asarray(stats.rankdata(values, axis=1), dtype=np.float64)
