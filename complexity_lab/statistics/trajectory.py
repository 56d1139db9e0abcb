"""Complexity over training, table to table: ratios to the start and to the shuffled self, spread over seeds, losses.

A ratio to the start divides a number by that of the same run at its reference: the step that ``series`` names, else
step 0, else the first step measured. A ratio to the shuffled self divides it by the mean of the shuffles of the same
weights: below 1 is arrangement that no distribution of values explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.statistics.rows import plane_of
from complexity_lab.tables.steps import LOSSES, read_steps

RUN_COLUMNS: Final = ("run", "name", "group", "network", "examples", "seed")
RATE: Final = "raw/compressed"  # unit of compressors, whose value rises as weights get simpler
SHUFFLED: Final = "_shuffle_mean"
NULLS: Final = ("_shuffle_mean", "_shuffle_sd")  # suffixes of rows that are no metrics themselves


@dataclass(frozen=True)
class TrajectoryTables:
    """The tables of a series, of a study of trajectories, or of watched trainings."""

    steps: pd.DataFrame
    series: pd.DataFrame

    @classmethod
    def read(cls, directory: Path) -> TrajectoryTables:
        """Read a directory.

        Raises:
            InputError: it holds no such tables, or a part is damaged.
        """
        return cls(read_steps(directory, "steps"), read_steps(directory, "series"))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Numbers of whole networks that exist, with the columns of their run."""
        ok = self.steps.loc[(self.steps["scope"] == "model") & (self.steps["status"] == "ok")]
        found = ok.drop(columns=["seed"]).merge(self.series[[*RUN_COLUMNS, "reference"]], on="run", how="inner")
        return found.sort_values(["group", "run", "step", "metric"], kind="stable", ignore_index=True)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """One row per run and step of which a number of the network failed: the first reason."""
        failed = self.steps.loc[(self.steps["scope"] == "model") & (self.steps["status"] == "failed")]
        return failed.drop_duplicates(["run", "step"])[["run", "step", "source", "reason"]].reset_index(drop=True)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """One row per run and step that has losses or accuracies: epoch and these, with the columns of the run."""
        each = self.steps.drop_duplicates(["run", "step"]).dropna(subset=list(LOSSES), how="all")
        each = each[["run", "step", "epoch", *LOSSES]].merge(self.series[list(RUN_COLUMNS)], on="run", how="inner")
        return each.sort_values(["group", "run", "step"], kind="stable", ignore_index=True)

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics of whole networks, in the order of their names; means and spreads of shuffles are none."""
        return sorted(name for name in set(self.numbers["metric"]) if not name.endswith(NULLS))

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """One row per run, step and metric: ``value``, ``ratio`` to the start and ``ratio_shuffled``.

        ``reference`` is the step that ``ratio`` is relative to. A ratio is missing where its denominator is, or is 0.
        Of compressors it is the ratio of compressed sizes, so that less is simpler everywhere.
        """
        found = self.numbers.loc[self.numbers["metric"].isin(self.metrics)]
        found = found.drop(columns=["reference"]).merge(references(self.numbers), on="run", how="left")
        found = found.assign(
            amount=found["value"].where(found["unit"] != RATE, 1 / found["value"].replace(0.0, np.nan))
        )
        start = found.loc[found["step"] == found["reference"], ["run", "metric", "amount"]]
        found = found.merge(start.rename(columns={"amount": "start"}), on=["run", "metric"], how="left")
        shuffled = self.numbers.loc[self.numbers["metric"].str.endswith(SHUFFLED), ["run", "step", "metric", "value"]]
        shuffled = shuffled.assign(metric=shuffled["metric"].str.removesuffix(SHUFFLED))
        shuffled = shuffled.rename(columns={"value": "shuffled"})
        found = found.merge(shuffled, on=["run", "step", "metric"], how="left")
        found = found.assign(
            ratio=found["amount"] / found["start"].replace(0.0, np.nan),
            ratio_shuffled=found["amount"] / found["shuffled"].replace(0.0, np.nan),
        )
        kept = [*RUN_COLUMNS, "step", "epoch", "metric", "unit", "value", "reference", "ratio", "ratio_shuffled"]
        return found[[*kept, *LOSSES]].sort_values(["group", "run", "step", "metric"], kind="stable", ignore_index=True)


def references(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return the reference step of each run: as its row of ``series`` says, else 0 if measured, else the first.

    A reference that a series names and that could not be measured stays the reference: its ratios do not exist.
    """
    rows = []
    for run, group in numbers.groupby("run", sort=True):
        named = group["reference"].iloc[0]
        rows.append({"run": run, "reference": int(group["step"].min() if pd.isna(named) else named)})
    return pd.DataFrame(rows, columns=["run", "reference"])


def over_seeds(table: pd.DataFrame, columns: Sequence[str], keys: Sequence[str] = ("metric",)) -> pd.DataFrame:
    """Return one row per group, step and ``keys``: means of ``columns`` over the runs of the group.

    Args:
        table: with columns ``group``, ``run`` and ``step``, such as ``TrajectoryTables.ratios`` or ``losses``.
        columns: numbers to average; of each come ``NAME`` (mean of the runs that have it), ``NAME_sd`` (sample sd,
            missing for one run) and ``NAME_runs``.
        keys: what else tells rows apart.
    """
    grouped = table.groupby(["group", "step", *keys], sort=True, dropna=False)
    parts: dict[str, pd.Series] = {}
    for column in columns:
        parts |= {
            column: grouped[column].mean(),
            f"{column}_sd": grouped[column].std(ddof=1),
            f"{column}_runs": grouped[column].count(),
        }
    return pd.DataFrame(parts).reset_index()


def smallest_loss(tables: TrajectoryTables, column: str = "validation_loss") -> pd.DataFrame:
    """Return one row per run: the first step of the smallest loss, ``step`` and ``loss``; none for runs without it."""
    known = tables.losses.dropna(subset=[column])
    first = known.sort_values(["run", column, "step"], kind="stable").drop_duplicates("run")
    found = first[[*RUN_COLUMNS, "step", column]].rename(columns={column: "loss"})
    return found.sort_values(["group", "run"], kind="stable", ignore_index=True)


def planes(tables: TrajectoryTables) -> pd.DataFrame:
    """Return the rows of ``ratios`` that speak of one bit plane, with its number ``plane`` (0 least significant)."""
    found = tables.ratios.loc[_is_plane(tables.ratios["metric"])]
    return found.assign(plane=found["metric"].map(plane_of).astype(int)).reset_index(drop=True)


def _is_plane(metrics: pd.Series[str]) -> pd.Series[bool]:
    return metrics.map(lambda metric: plane_of(metric) is not None).astype(bool)


def extremes(tables: TrajectoryTables) -> pd.DataFrame:
    """Return one row per run and metric (planes left out): ratio to the start at the end, and where it was lowest.

    Columns: those of the run, ``metric``, ``reference``, ``last_step``, ``last_ratio``, ``lowest_step``,
    ``lowest_ratio``, ``last_ratio_shuffled``, and ``last``, the value at the end in the unit of the metric.
    """
    known = tables.ratios.loc[~_is_plane(tables.ratios["metric"]) & tables.ratios["ratio"].notna()]
    rows = []
    for (run, metric), group in known.groupby(["run", "metric"], sort=True):
        last, lowest = group.iloc[-1], group.iloc[int(group["ratio"].to_numpy(float).argmin())]
        rows.append(
            {name: last[name] for name in RUN_COLUMNS}
            | {"run": run, "metric": metric, "reference": last["reference"]}
            | {"last": last["value"], "last_step": last["step"]}
            | {"last_ratio": last["ratio"], "last_ratio_shuffled": last["ratio_shuffled"]}
            | {"lowest_step": lowest["step"], "lowest_ratio": lowest["ratio"]}
        )
    return pd.DataFrame(rows)


def by_step(tables: TrajectoryTables, metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per run and step, also of those that failed: losses, and of each metric two ratios.

    Columns: ``run``, ``step``, ``epoch``, losses and accuracies, ``METRIC_ratio`` to the start and ``METRIC_shuffled``
    to the shuffled self, ``source``, and ``reason``, the first why a number of the network failed.
    """
    each = tables.steps.drop_duplicates(["run", "step"])
    found = each[["run", "step", "epoch", *LOSSES, "source"]].merge(
        tables.failures[["run", "step", "reason"]], on=["run", "step"], how="left"
    )
    for metric in metrics:
        own = tables.ratios.loc[tables.ratios["metric"] == metric, ["run", "step", "ratio", "ratio_shuffled"]]
        own = own.rename(columns={"ratio": f"{metric}_ratio", "ratio_shuffled": f"{metric}_shuffled"})
        found = found.merge(own, on=["run", "step"], how="left")
    return found.sort_values(["run", "step"], kind="stable", ignore_index=True)
