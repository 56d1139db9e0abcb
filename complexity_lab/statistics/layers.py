"""Ratios of single tensors: where in a network the drop sits."""

import re

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.pairs import N_PAIRS, PAIR_RATIO_SD, pair_spreads
from complexity_lab.statistics.rows import KEYS, PLANE_METRIC, joinable, measured, of_null
from complexity_lab.tables import columns as c

TENSOR_COLUMNS: dict[str, str] = {
    c.MODEL: "id of the model",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.TENSOR: "name of the tensor",
    c.KIND: "matrix, norm, bias, embedding or other",
    c.SHAPE: "64x3x7x7",
    d.DEPTH: "position among the model's compared tensors in model order, 0 (first) to 1 (last)",
    c.WEIGHTS: "weights scored",
    d.CONSTANT: "initial weights are one block over and over (zeros, say): a ratio would say nothing",
    d.INITIAL_MEAN: "mean over initial seeds; unit of the metric",
    d.TRAINED_MEAN: "mean over trained seeds; unit of the metric",
    d.RATIO: "trained mean / initial mean; NaN for constant ones",
    d.RATIO_SD: "spread of the ratio over pairs of seeds, else over the seeds of either state; NaN where both have one",
    d.ONES_FRACTION_TRAINED: "share of weights above zero, mean over seeds",
    d.SHUFFLE_MEAN: "mean of the trained tensor with its values permuted; NaN if not stored",
}
"""Of :func:`compare_tensors`, and of :func:`layers`, whose depth counts the tensors chosen."""

SKIPPED_COLUMNS: dict[str, str] = {
    c.REASON: "why; n stands for numbers in which reasons differ",
    c.KIND: "of the tensor",
    c.TENSORS: "how many; a tensor counts once, whatever the number of states, seeds and metrics",
    d.MODELS: "in how many models",
    d.EXAMPLE: "name of one of them",
}
MATRICES = ("matrix", "embedding")
_TENSOR = [*KEYS, c.TENSOR]
_NUMBER = re.compile(r"\d+")


def layers(tensors: pd.DataFrame, kinds: tuple[str, ...] = MATRICES) -> pd.DataFrame:
    """Return the tensors of these kinds, sums over planes and metrics without planes, columns TENSOR_COLUMNS.

    Norms and biases are left out by default: they start constant, so their ratio says nothing; the same goes for
    matrices that start constant, such as heads initialized to zero, whose ratio is NaN. Tensors keep the order
    of the measurements, which is model order. Small tensors are not comparable with large ones: with few blocks the
    BDM counts blocks, with many it saturates.

    Args:
        tensors: what :func:`compare_tensors` returned.
        kinds: of tensors.
    """
    return with_depth(tensors.loc[tensors[c.PLANE].isna() & tensors[c.KIND].isin(kinds)])


def compare_tensors(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Compare each tensor's trained with its initial weights, every metric, plane and kind, columns TENSOR_COLUMNS."""
    scored = _tensor_rows(models, measurements)
    rows = _with_distinct(measured(scored))
    order = rows.drop_duplicates(_TENSOR)[[*_TENSOR, c.KIND, c.SHAPE]]
    states = _per_state(rows)
    initial, trained = (states.loc[states[c.STATE] == state].drop(columns=c.STATE) for state in ("initial", "trained"))
    table = order.merge(initial, on=_TENSOR).merge(trained, on=_TENSOR, suffixes=("_initial", "_trained"))
    table = table.merge(pair_spreads(rows, _TENSOR, c.VALUE), on=_TENSOR, how="left")
    shuffled = of_null(scored.loc[scored[c.STATE] == "trained"], "shuffle", "mean")
    means = shuffled.groupby(_TENSOR, sort=False, dropna=False)[c.VALUE].mean().rename(d.SHUFFLE_MEAN)
    return with_depth(_add_ratio(table.merge(means.reset_index(), on=_TENSOR, how="left")))[list(TENSOR_COLUMNS)]


def with_depth(tensors: pd.DataFrame) -> pd.DataFrame:
    """Return tensors with their position among those of the same model, metric and plane."""
    together = tensors.groupby(KEYS, sort=False, dropna=False)[c.TENSOR]
    position, last = together.cumcount().to_numpy(float), together.transform("size").to_numpy(float) - 1
    return tensors.assign(**{d.DEPTH: position / np.maximum(last, 1)}).reset_index(drop=True)


def skipped_tensors(measurements: pd.DataFrame) -> pd.DataFrame:
    """Count tensors that were not scored: one row per reason and kind, columns SKIPPED_COLUMNS, most frequent first."""
    rows = measurements.loc[(measurements[c.SCOPE] == "tensor") & (measurements[c.STATUS] != "ok")]
    reasons = rows[c.REASON].fillna("no reason given")
    once = rows.assign(**{c.REASON: reasons.map(_common_reasons(reasons.unique().tolist()))})
    once = once.drop_duplicates([c.MODEL, c.TENSOR, c.REASON])
    counts = once.groupby([c.REASON, c.KIND], sort=False).agg(
        **{c.TENSORS: (c.TENSOR, "size"), d.MODELS: (c.MODEL, "nunique"), d.EXAMPLE: (c.TENSOR, "first")}
    )
    ordered = counts.reset_index().sort_values([c.TENSORS, c.REASON, c.KIND], ascending=[False, True, True])
    return ordered.reset_index(drop=True)


def _common_reasons(reasons: list[str]) -> dict[str, str]:
    """Map each reason to what it has in common with those that differ from it in numbers only.

    >>> _common_reasons(["8 values, wanted 12", "10 values, wanted 12"])["8 values, wanted 12"]
    'n values, wanted 12'
    """
    alike: dict[str, list[str]] = {}
    for reason in reasons:
        alike.setdefault(_NUMBER.sub("n", reason), []).append(reason)
    common: dict[str, str] = {}
    for members in alike.values():
        columns = zip(*(_NUMBER.findall(reason) for reason in members), strict=True)
        numbers = [column[0] if len(set(column)) == 1 else "n" for column in columns]
        words = _NUMBER.split(members[0])
        common |= dict.fromkeys(members, "".join(map("".join, zip(words, [*numbers, ""], strict=True))))
    return common


def _per_state(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate over seeds: one row per tensor, metric, plane and state, in order of appearance."""
    shares = rows.assign(ones_fraction=rows[c.ONES] / rows[c.SCORED])
    return (
        shares.groupby([*_TENSOR, c.STATE], sort=False, dropna=False)
        .agg(
            mean=(c.VALUE, "mean"),
            sd=(c.VALUE, "std"),
            scored=(c.SCORED, "mean"),
            ones=("ones_fraction", "mean"),
            blocks=(c.BLOCKS, "mean"),
            distinct=(c.DISTINCT_BLOCKS, "mean"),
        )
        .reset_index()
    )


def _add_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """Add ratio and its spread over seeds by the delta method, as for whole models; NaN for constant tensors."""
    initial, trained = table["mean_initial"].to_numpy(float), table["mean_trained"].to_numpy(float)
    constant = (table["distinct_initial"] == 1).to_numpy() & (table["blocks_initial"] > 1).to_numpy()
    base = np.where((initial > 0) & ~constant, initial, np.nan)
    end = np.where(trained == 0, np.nan, trained)
    spreads = [table["sd_initial"].to_numpy(float) / base, table["sd_trained"].to_numpy(float) / end]
    known = ~(np.isnan(spreads[0]) & np.isnan(spreads[1]))
    ratio = trained / base
    ratio_sd = np.where(known, ratio * np.sqrt(np.nansum(np.square(spreads), axis=0)), np.nan)
    paired = table[N_PAIRS].notna().to_numpy() & ~np.isnan(ratio)
    derived = {
        c.WEIGHTS: table["scored_trained"].to_numpy(float),
        d.CONSTANT: constant,
        d.INITIAL_MEAN: initial,
        d.TRAINED_MEAN: trained,
        d.RATIO: ratio,
        d.RATIO_SD: np.where(paired, table[PAIR_RATIO_SD].to_numpy(float), ratio_sd),
        d.ONES_FRACTION_TRAINED: table["ones_trained"].to_numpy(float),
    }
    return table.assign(**derived)


def _with_distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """Give sums over planes the most distinct blocks of any of their planes, so that constant tensors are known."""
    sums = (rows[c.METRIC] == PLANE_METRIC) & rows[c.PLANE].isna()
    keys = [c.MODEL, c.STATE, c.TENSOR]
    most = rows.loc[rows[c.PLANE].notna()].groupby(keys, sort=False)[c.DISTINCT_BLOCKS].max()
    distinct = rows[c.DISTINCT_BLOCKS].copy()
    distinct.loc[sums] = most.reindex(pd.MultiIndex.from_frame(rows.loc[sums, keys])).to_numpy(float)
    return rows.assign(**{c.DISTINCT_BLOCKS: distinct})


def _tensor_rows(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of tensors that were scored, of models that are ok, null models included."""
    kept = (measurements[c.SCOPE] == "tensor") & (measurements[c.STATUS] == "ok")
    kept &= measurements[c.MODEL].isin(models.loc[models[c.STATUS] == "ok", c.MODEL])
    numbers = (c.VALUE, c.SCORED, c.ONES, c.BLOCKS, c.DISTINCT_BLOCKS)
    return joinable(measurements.loc[kept]).astype(dict.fromkeys(numbers, float))
