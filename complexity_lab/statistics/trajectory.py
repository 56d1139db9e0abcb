"""Complexity over training, table to table: ratios to the start and to the shuffled self, spread over seeds, losses.

A ratio to the start divides a number by that of the same run at its reference: the step that ``runs`` names, else
step 0, else the first step measured. A ratio to the shuffled self divides it by the mean of the shuffles of the same
weights: below 1 is arrangement that no distribution of values explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.losses import LOSSES, NUMBERS
from complexity_lab.statistics.rows import AMOUNT, NUMBER, joinable, measured, of_null
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
RUN_COLUMNS: Final = (
    *(c.MODEL, c.NAME, c.GROUP, c.ARCHITECTURE, c.PARAMETERS, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY, c.SEED),
)
"""Of ``runs``, in every table here: what a run is."""

POINT: Final = [c.MODEL, c.STEP]
RATE: Final = "raw/compressed"  # unit of compressors, whose value rises as weights get simpler
NEIGHBOURS: Final = 2  # measured steps on each side whose shuffles give the spread: 5 x 10 shuffles have sd within 10 %

RATIO_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(RUN_COLUMNS, "of the run"),
    c.STEP: "optimizer steps taken",
    c.EPOCH: "passes over the training examples; NaN if unknown",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.UNIT: "unit of value",
    c.VALUE: "of the whole network",
    c.REFERENCE: "step that ratio is relative to",
    d.RATIO: "to the reference; of compressed sizes for compressors; NaN where there is none, or it is 0",
    d.RATIO_SHUFFLED: "to the mean of the shuffles of the same weights; NaN without",
    d.Z_SHUFFLED: "(value - mean of shuffles) / their sd at this step",
    d.Z_SMOOTHED: "the same with the root mean square of the sd over two measured steps on each side",
    **dict.fromkeys(LOSSES, "of this step"),
}
TENSOR_RATIO_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(RUN_COLUMNS, "of the run"),
    c.STEP: "optimizer steps taken",
    c.TENSOR: "name",
    c.KIND: "of the tensor",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.VALUE: "of the tensor",
    d.RATIO_SHUFFLED: "to the mean of the shuffles of the same tensor",
}
EXTREME_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(RUN_COLUMNS, "of the run"),
    c.METRIC: "what was measured",
    c.UNIT: "of last",
    c.REFERENCE: "step that ratios are relative to",
    d.LAST: "value at the end, in the unit of the metric",
    d.LAST_STEP: "the last step with a ratio",
    d.LAST_RATIO: "to the reference, at the end",
    d.LAST_RATIO_SHUFFLED: "to the shuffled self, at the end",
    d.LOWEST_STEP: "where the ratio to the reference was lowest",
    d.LOWEST_RATIO: "that ratio",
}


def numbers(runs: pd.DataFrame, measurements: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return the measurements of whole networks that exist, null models included, with their run, epoch and losses."""
    kept = (measurements[c.SCOPE] == "model") & (measurements[c.STATUS] == "ok")
    found = joinable(measurements.loc[kept].drop(columns=c.SEED))
    found = found.merge(runs[[*RUN_COLUMNS, c.REFERENCE]], on=c.MODEL, how="inner")
    found = found.merge(curves[[*POINT, *NUMBERS]], on=POINT, how="left")
    return found.sort_values([c.GROUP, *POINT, *NUMBER], kind="stable", na_position="first", ignore_index=True)


def references(found: pd.DataFrame) -> pd.DataFrame:
    """Return the reference step of each run: as ``runs`` says, else 0 if measured, else the first.

    A reference that is named and could not be measured stays the reference: its ratios do not exist.
    """
    runs = found.groupby(c.MODEL, sort=True).agg(**{c.REFERENCE: (c.REFERENCE, "first"), "first": (c.STEP, "min")})
    return runs[c.REFERENCE].fillna(runs["first"]).astype("Int64").reset_index()


def ratios(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run, step, metric and plane, columns RATIO_COLUMNS.

    Args:
        found: what :func:`numbers` returned.
    """
    keys = [*POINT, *NUMBER]
    table = measured(found).drop(columns=c.REFERENCE).merge(references(found), on=c.MODEL, how="left")
    value = table[c.VALUE].astype(float)
    table = table.assign(**{AMOUNT: value.where(table[c.UNIT] != RATE, 1 / value.replace(0.0, np.nan))})
    start = table.loc[table[c.STEP] == table[c.REFERENCE], [c.MODEL, *NUMBER, AMOUNT]]
    table = table.merge(start.rename(columns={AMOUNT: "start"}), on=[c.MODEL, *NUMBER], how="left")
    for statistic in ("mean", "sd"):
        null = of_null(found, "shuffle", statistic)[[*keys, c.VALUE]].rename(columns={c.VALUE: statistic})
        table = table.merge(null, on=keys, how="left")
    smooth = table.groupby([c.MODEL, *NUMBER], sort=False, dropna=False)["sd"].transform(
        lambda sd: smoothed(sd.to_numpy(float))
    )
    above = table[AMOUNT] - table["mean"]
    derived = {
        d.RATIO: table[AMOUNT] / table["start"].replace(0.0, np.nan),
        d.RATIO_SHUFFLED: table[AMOUNT] / table["mean"].replace(0.0, np.nan),
        d.Z_SHUFFLED: above / table["sd"].replace(0.0, np.nan),
        d.Z_SMOOTHED: above / smooth,
    }
    return table.assign(**derived)[list(RATIO_COLUMNS)]


def smoothed(sd: Floats) -> Floats:
    """Return the root mean square of each standard deviation and its neighbours in time, NaN where it is 0.

    >>> smoothed(np.array([1.0, 1.0, 1.0, 1.0, 7.0])).round(2).tolist()
    [1.0, 1.0, 3.26, 3.61, 4.12]
    """
    found = np.array([np.sqrt(np.mean(sd[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1] ** 2)) for i in range(len(sd))])
    return np.where(found > 0, found, np.nan)


def tensor_ratios(runs: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run, step, tensor, metric and plane that has shuffles, columns TENSOR_RATIO_COLUMNS."""
    kept = (measurements[c.SCOPE] == "tensor") & (measurements[c.STATUS] == "ok")
    rows = joinable(measurements.loc[kept].drop(columns=c.SEED))
    keys = [*POINT, c.TENSOR, *NUMBER]
    shuffled = of_null(rows, "shuffle", "mean")[[*keys, c.VALUE]].rename(columns={c.VALUE: "mean"})
    table = measured(rows).merge(shuffled, on=keys, how="inner").merge(runs[list(RUN_COLUMNS)], on=c.MODEL)
    ratio = table[c.VALUE] / table["mean"].replace(0.0, np.nan)
    return table.assign(**{d.RATIO_SHUFFLED: ratio})[list(TENSOR_RATIO_COLUMNS)]


def with_runs(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return the points of curves that have any loss or accuracy, with the columns of their run."""
    known = curves.dropna(subset=list(LOSSES), how="all")[[*POINT, *NUMBERS]]
    found = known.merge(runs[list(RUN_COLUMNS)], on=c.MODEL, how="inner")
    return found.sort_values([c.GROUP, *POINT], kind="stable", ignore_index=True)


def step_failures(measurements: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return ``model step source reason`` of steps of which a number of the network failed: the first reason."""
    failed = measurements.loc[(measurements[c.SCOPE] == "model") & (measurements[c.STATUS] == "failed")]
    first = joinable(failed).drop_duplicates(POINT)[[*POINT, c.REASON]]
    return first.merge(curves[[*POINT, c.SOURCE]], on=POINT, how="left")[[*POINT, c.SOURCE, c.REASON]]


def over_seeds(table: pd.DataFrame, columns: Sequence[str], keys: Sequence[str] = NUMBER) -> pd.DataFrame:
    """Return one row per group, step and ``keys``: means of ``columns`` over the runs of the group.

    Args:
        table: with columns ``group``, ``model`` and ``step``, such as :func:`ratios` or :func:`with_runs`.
        columns: numbers to average; of each come ``NAME`` (mean of the runs that have it), ``NAME_sd`` (sample sd,
            missing for one run) and ``NAME_runs``.
        keys: what else tells rows apart.
    """
    grouped = table.groupby([c.GROUP, c.STEP, *keys], sort=True, dropna=False)
    parts: dict[str, pd.Series] = {}
    for column in columns:
        parts |= {
            column: grouped[column].mean(),
            f"{column}_sd": grouped[column].std(ddof=1),
            f"{column}_runs": grouped[column].count(),
        }
    return pd.DataFrame(parts).reset_index()


def smallest_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and loss that is known: ``column``, the first ``step`` of the smallest, and ``loss``.

    Args:
        losses: what :func:`with_runs` returned.
    """
    found = []
    for column in (c.TRAIN_LOSS, c.VALIDATION_LOSS):
        known = losses.dropna(subset=[column]).sort_values([c.MODEL, column, c.STEP], kind="stable")
        first = known.drop_duplicates(c.MODEL)[[*RUN_COLUMNS, c.STEP, column]].assign(**{d.COLUMN: column})
        found.append(first.rename(columns={column: d.LOSS}))
    return pd.concat(found).sort_values([c.GROUP, c.MODEL, d.COLUMN], kind="stable", ignore_index=True)


def extremes(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and metric (planes left out), columns EXTREME_COLUMNS.

    Args:
        table: what :func:`ratios` returned.
    """
    known = table.loc[table[c.PLANE].isna() & table[d.RATIO].notna()]
    keys = [c.MODEL, c.METRIC]
    last = known.drop_duplicates(keys, keep="last").rename(
        columns={
            c.VALUE: d.LAST,
            c.STEP: d.LAST_STEP,
            d.RATIO: d.LAST_RATIO,
            d.RATIO_SHUFFLED: d.LAST_RATIO_SHUFFLED,
        }
    )
    lowest = known.sort_values([*keys, d.RATIO, c.STEP], kind="stable").drop_duplicates(keys)[[*keys, c.STEP, d.RATIO]]
    lowest = lowest.rename(columns={c.STEP: d.LOWEST_STEP, d.RATIO: d.LOWEST_RATIO})
    return last.merge(lowest, on=keys)[list(EXTREME_COLUMNS)].sort_values(keys, ignore_index=True)
