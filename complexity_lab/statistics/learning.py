"""Studies of networks in training, table to table: does complexity follow learning, and what does it lag behind?

Complexity is read against the shuffled self: the same values, arranged at random within every tensor. ``self`` is the
ratio to the mean of the shuffles, ``z`` the distance from it in standard deviations of one shuffle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from complexity_lab.errors import InputError
from complexity_lab.statistics.intervals import Interval
from complexity_lab.statistics.trajectory import TrajectoryTables
from complexity_lab.tables.steps import LOSSES
from complexity_lab.tables.store import read_manifest

Floats = npt.NDArray[np.float64]
FAR: Final = 3.0  # sd of a shuffle below its mean: then arrangement is visible
LEARNED: Final = 0.99  # share of right answers that counts as having learned a set of examples
NEIGHBOURS: Final = 2  # measured steps on each side whose shuffles give the spread: 5 x 10 shuffles have sd within 10 %
CONDITIONS: Final = ("group", "network", "parameters", "hidden", "examples", "labels", "weight_decay")
MOST_EXACT: Final = 6  # seeds of which all resamples are listed, 6^6 = 46,656


@dataclass(frozen=True)
class StudyTables:
    """The tables of one study, and its plan as the manifest holds it."""

    plan: dict[str, Any]
    trajectory: TrajectoryTables

    @classmethod
    def read(cls, directory: Path) -> StudyTables:
        """Read a study.

        Raises:
            InputError: the directory holds none, or a part is damaged.
        """
        plan = read_manifest(directory).get("plan", {})
        if "study" not in plan or "runs" not in plan:
            raise InputError(f"{directory} holds no study of networks in training; wanted one written by study run")
        return cls(plan, TrajectoryTables.read(directory))

    @property
    def study(self) -> str:
        """Return ``learning``, ``overfitting`` or ``grokking``."""
        return str(self.plan["study"])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per finished run: the row of ``series`` with labels, weight decay and hidden units."""
        planned = pd.DataFrame(self.plan["runs"])[["run", "labels", "weight_decay", "hidden"]]
        widths = planned["hidden"].map(lambda widths: "-".join(map(str, widths)))
        return self.trajectory.series.merge(planned.assign(hidden=widths), on="run", how="inner")

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics of whole networks, bit planes among them."""
        return self.trajectory.metrics

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per run (failed ones left out) and step: losses, and of each metric value, start, self and z."""
        ok = self.runs.loc[self.runs["status"] == "ok", ["run", "seed", *CONDITIONS]]
        losses = self.trajectory.losses[["run", "step", "epoch", *LOSSES]]
        found = ok.merge(losses, on="run", how="inner")
        numbers = self.trajectory.numbers.pivot(index=["run", "step"], columns="metric", values="value")
        found = found.merge(numbers.reset_index(), on=["run", "step"], how="left").sort_values(["run", "step"])
        parts = [_with_ratios(group, self.metrics) for _, group in found.groupby("run", sort=True)]
        return pd.concat(parts, ignore_index=True) if parts else found

    @cached_property
    def last(self) -> pd.DataFrame:
        """The last step of every run, with its test accuracy."""
        last = self.curves.drop_duplicates("run", keep="last")
        return last.merge(self.runs[["run", "test_accuracy", "seconds"]], on="run").reset_index(drop=True)


def _with_ratios(run: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Return the steps of one run with ``METRIC_start``, ``METRIC_self`` and ``METRIC_z`` of each metric."""
    extra: dict[str, Floats] = {}
    for metric in metrics:
        value = run[metric].to_numpy(float)
        extra[f"{metric}_start"] = value / value[0]
        if f"{metric}_shuffle_mean" in run:
            mean, sd = (run[f"{metric}_shuffle_{name}"].to_numpy(float) for name in ("mean", "sd"))
            extra[f"{metric}_self"] = value / mean
            extra[f"{metric}_z"] = (value - mean) / smoothed(sd)
    return run.assign(**extra)


def smoothed(sd: Floats) -> Floats:
    """Return the root mean square of each standard deviation and its neighbours in time, NaN where it is 0.

    >>> smoothed(np.array([1.0, 1.0, 1.0, 1.0, 7.0])).round(2).tolist()
    [1.0, 1.0, 3.26, 3.61, 4.12]
    """
    found = np.array([np.sqrt(np.mean(sd[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1] ** 2)) for i in range(len(sd))])
    return np.where(found > 0, found, np.nan)


def landmarks(tables: StudyTables, metric: str = "qubd") -> pd.DataFrame:
    """Return one row per run: when it learned, when it was best, and when its complexity fell; steps, NaN for never.

    Columns: ``memorized`` and ``generalized`` (first step with ``LEARNED`` of the training or validation examples
    right), ``best`` (first step of the lowest validation loss), ``best_loss``, ``fell`` (first step from which on
    complexity stays more than ``FAR`` sd below its shuffled self), ``halfway`` (from which on it has kept half of the
    distance of its lowest point from the shuffled self; NaN if it never fell), and ``lowest``, that point's step.
    """
    rows = []
    for run, group in tables.curves.groupby("run", sort=True):
        step, first = group["step"].to_numpy(float), group.iloc[0]
        ratio, z = group[f"{metric}_self"].to_numpy(float), group[f"{metric}_z"].to_numpy(float)
        fell = since(step, z < -FAR)
        best = int(group["validation_loss"].to_numpy(float).argmin())
        rows.append(
            {name: first[name] for name in (*CONDITIONS, "seed")}
            | {"run": run, "best": step[best], "best_loss": group["validation_loss"].iloc[best]}
            | {"memorized": _first(step, group["train_accuracy"].to_numpy(float) >= LEARNED)}
            | {"generalized": _first(step, group["validation_accuracy"].to_numpy(float) >= LEARNED)}
            | {"fell": fell, "lowest": step[int(np.nanargmin(ratio))]}
            | {"halfway": since(step, ratio < 1 - (1 - np.nanmin(ratio)) / 2) if np.isfinite(fell) else np.nan}
        )
    return pd.DataFrame(rows)


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


def rank_over_time(tables: StudyTables, column: str, loss: str = "validation_loss") -> pd.DataFrame:
    """Return one row per group: Spearman's rho over the measured steps of each run, and its mean over seeds.

    Columns ``rho``, ``low`` and ``high`` (bootstrap over seeds), ``seeds``. Two curves that both drift correlate over
    time whatever ties them: rho says that they move together, not that one follows from the other.
    """
    rows = []
    for group, runs in tables.curves.groupby("group", sort=True):
        values = [
            rank_correlation(run[column].to_numpy(float), run[loss].to_numpy(float)) for _, run in runs.groupby("run")
        ]
        known = np.array([value for value in values if np.isfinite(value)])
        interval = mean_over_seeds(known)
        first = runs.iloc[0]
        rows.append(
            {name: first[name] for name in CONDITIONS}
            | {"group": group, "column": column, "loss": loss, "seeds": len(known)}
            | {"rho": interval.estimate, "low": interval.low, "high": interval.high}
        )
    return pd.DataFrame(rows)


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


def paired(tables: StudyTables, column: str, by: str, first: Any, second: Any) -> pd.DataFrame:
    """Return final numbers of runs that differ only in ``by`` (labels or weight_decay): ``first``, ``second``.

    One row per remaining condition and seed; ``difference`` is first minus second.
    """
    keys = [name for name in ("hidden", "examples", "labels", "weight_decay", "seed") if name != by]
    last = tables.last[[*keys, by, column]]
    one, two = (last.loc[last[by] == value].drop(columns=by) for value in (first, second))
    found = one.rename(columns={column: "first"}).merge(two.rename(columns={column: "second"}), on=keys)
    compared: pd.DataFrame = found.assign(difference=found["first"] - found["second"])
    return compared
