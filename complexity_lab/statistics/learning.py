"""Networks in training, table to table: does complexity follow learning, and what does it lag behind?

Complexity is read against the shuffled self: the same values, arranged at random within every tensor.
"""

from __future__ import annotations

from itertools import product
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.intervals import Interval
from complexity_lab.statistics.rows import NUMBER
from complexity_lab.statistics.trajectory import RUN_COLUMNS
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
FAR: Final = 3.0  # sd of a shuffle below its mean: then arrangement is visible
LEARNED: Final = 0.99  # share of right answers that counts as having learned a set of examples
CONDITIONS: Final = (c.GROUP, c.ARCHITECTURE, c.PARAMETERS, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY)
"""What runs of one group share."""

MOST_EXACT: Final = 6  # seeds of which all resamples are listed, 6^6 = 46,656

LANDMARK_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(RUN_COLUMNS, "of the run"),
    c.METRIC: "of which fell, halfway and lowest speak; sums over planes",
    d.MEMORIZED: "first step with LEARNED of the training examples right; NaN for never",
    d.GENERALIZED: "first step with LEARNED of the validation examples right; NaN for never",
    d.BEST: "first step of the lowest validation loss; NaN if unknown",
    d.BEST_LOSS: "that loss; nats",
    d.FELL: "first step from which on complexity stays more than FAR smoothed sd below its shuffled self; or NaN",
    d.HALFWAY: "step from which on it keeps half of its largest distance below the shuffled self; NaN if fell is",
    d.LOWEST: "step of that largest distance",
}
RANK_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(CONDITIONS, "of the group"),
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    d.COLUMN: "ratio (to the start) or ratio_shuffled",
    d.LOSS: "train_loss or validation_loss",
    d.RHO: "Spearman's rho over the measured steps of each run, mean over seeds",
    d.LOW: "of the bootstrap over seeds",
    d.HIGH: "of the bootstrap over seeds",
    d.SEEDS: "runs whose rho is defined",
}


def landmarks(ratios: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and metric with shuffles: when it learned, was best, and its complexity fell.

    Args:
        ratios: what :func:`complexity_lab.statistics.trajectory.ratios` returned; columns are LANDMARK_COLUMNS.
    """
    known = ratios.loc[ratios[c.PLANE].isna() & ratios[d.RATIO_SHUFFLED].notna()]
    rows = [
        {name: group[name].iloc[0] for name in (*RUN_COLUMNS, c.METRIC)} | _landmarks(group)
        for _, group in known.groupby([c.MODEL, c.METRIC], sort=True)
    ]
    return pd.DataFrame(rows, columns=list(LANDMARK_COLUMNS))


def _landmarks(steps: pd.DataFrame) -> dict[str, float]:
    step, loss, ratio, z = (
        steps[name].to_numpy(float) for name in (c.STEP, c.VALIDATION_LOSS, d.RATIO_SHUFFLED, d.Z_SMOOTHED)
    )
    fell = since(step, z < -FAR)
    best = int(np.nanargmin(loss)) if np.isfinite(loss).any() else None
    half = 1 - (1 - ratio.min()) / 2
    return {
        d.MEMORIZED: _first(step, steps[c.TRAIN_ACCURACY].to_numpy(float) >= LEARNED),
        d.GENERALIZED: _first(step, steps[c.VALIDATION_ACCURACY].to_numpy(float) >= LEARNED),
        d.BEST: np.nan if best is None else step[best],
        d.BEST_LOSS: np.nan if best is None else loss[best],
        d.FELL: fell,
        d.HALFWAY: since(step, ratio < half) if np.isfinite(fell) else np.nan,
        d.LOWEST: step[int(ratio.argmin())],
    }


def since(step: Floats, holds: npt.NDArray[np.bool_]) -> float:
    """Return the first step from which on a condition holds to the end; NaN if it does not hold at the end.

    >>> since(np.array([0.0, 1.0, 2.0, 3.0]), np.array([True, False, True, True]))
    2.0
    """
    fails = np.flatnonzero(~holds)
    if len(holds) == 0 or not holds[-1]:
        return float("nan")
    return float(step[fails[-1] + 1 if len(fails) else 0])


def _first(step: Floats, holds: npt.NDArray[np.bool_]) -> float:
    return float(step[int(holds.argmax())]) if holds.any() else float("nan")


def rank_over_time(ratios: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group, metric, plane, kind of ratio and loss that are known, columns RANK_COLUMNS.

    Two curves that both drift correlate over time whatever ties them: rho says that they move together, not that one
    follows from the other.

    Args:
        ratios: what :func:`complexity_lab.statistics.trajectory.ratios` returned.
    """
    rows = []
    for (_, metric, plane), runs in ratios.groupby([c.GROUP, *NUMBER], sort=True, dropna=False):
        about = {name: runs[name].iloc[0] for name in CONDITIONS} | {c.METRIC: metric, c.PLANE: plane}
        for column, loss in product((d.RATIO, d.RATIO_SHUFFLED), (c.TRAIN_LOSS, c.VALIDATION_LOSS)):
            if runs[[column, loss]].notna().any().all():
                rows.append(about | {d.COLUMN: column, d.LOSS: loss} | _rank(runs, column, loss))
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS)).astype({c.PLANE: "Int64"})


def _rank(runs: pd.DataFrame, column: str, loss: str) -> dict[str, float]:
    pairs = ((run[column].to_numpy(float), run[loss].to_numpy(float)) for _, run in runs.groupby(c.MODEL))
    known = np.array([rho for rho in (rank_correlation(x, y) for x, y in pairs) if np.isfinite(rho)])
    interval = mean_over_seeds(known)
    return {d.RHO: interval.estimate, d.LOW: interval.low, d.HIGH: interval.high, d.SEEDS: len(known)}


def rank_correlation(x: Floats, y: Floats) -> float:
    """Return Spearman's rho of pairs that exist; NaN for fewer than three, or if x or y is constant."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.spearmanr(x, y).statistic)


def mean_over_seeds(values: Floats, *, seed: int = 0) -> Interval:
    """Return the mean and its percentile bootstrap interval over seeds, 95 %.

    Up to six values all resamples are listed, so nothing is drawn; of three the interval is their range, because each
    end is one of 27. One value has no interval, none has nothing (NaN).

    >>> mean_over_seeds(np.array([1.0, 2.0, 6.0]))
    Interval(estimate=3.0, low=1.0, high=6.0, level=0.95)
    """
    n = len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan)
    if n == 1:
        return Interval(float(values[0]), np.nan, np.nan)
    if n <= MOST_EXACT:
        picks = np.array(list(product(range(n), repeat=n)))
    else:
        picks = np.random.default_rng(seed).integers(0, n, (9999, n))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975], method="inverted_cdf")
    return Interval(float(values.mean()), float(low), float(high))


def paired(
    table: pd.DataFrame, column: str, by: Literal["labels", "weight_decay"], first: str | float, second: str | float
) -> pd.DataFrame:
    """Return numbers of runs that differ only in ``by``: ``first``, ``second`` and ``difference`` (first - second).

    Args:
        table: one row per run (and metric and plane, if it has them), such as the last steps.
        column: number to compare.
        by: labels or weight_decay.
        first: its value in runs of ``first``.
        second: its value in runs of ``second``.
    """
    shared = (c.ARCHITECTURE, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY, c.SEED, *NUMBER)
    keys = [name for name in shared if name != by and name in table]
    one, two = (
        table.loc[table[by] == value, [*keys, column]].rename(columns={column: name})
        for value, name in ((first, d.FIRST), (second, d.SECOND))
    )
    found = one.merge(two, on=keys)
    return found.assign(**{d.DIFFERENCE: found[d.FIRST] - found[d.SECOND]})
