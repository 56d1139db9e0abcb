"""Ratios of single tensors: where in a network the drop sits."""

import re

import numpy as np
import pandas as pd

from complexity_lab.statistics.pairs import pair_spreads
from complexity_lab.statistics.rows import plane_of
from complexity_lab.statistics.saturation import QUBD

LAYER_COLUMNS: dict[str, str] = {
    "model": "id of the model",
    "tensor": "name of the tensor",
    "kind": "matrix, norm, bias, embedding or other",
    "shape": "64x3x7x7",
    "depth": "position among the model's compared tensors in model order, 0 (first) to 1 (last)",
    "weights": "weights scored",
    "constant": "initial weights are one block over and over (zeros, say): a ratio would say nothing",
    "initial_mean": "BDM, mean over initial seeds; bits",
    "trained_mean": "BDM, mean over trained seeds; bits",
    "ratio": "trained mean / initial mean; NaN for constant ones",
    "ratio_sd": "spread of the ratio over pairs of seeds, else over the seeds of either state; NaN where both have one",
    "ones_fraction_trained": "share of weights above zero, mean over seeds",
}

_KEYS = ["model", "metric", "tensor"]
_NUMBER = re.compile(r"\d+")


def compare_layers(
    models: pd.DataFrame,
    measurements: pd.DataFrame,
    *,
    metric: str = "bdm",
    kinds: tuple[str, ...] = ("matrix", "embedding"),
) -> pd.DataFrame:
    """Compare each tensor's trained with its initial weights, columns LAYER_COLUMNS.

    Norms and biases are left out by default: they start constant, so their ratio says nothing; the same goes for
    matrices that start constant, such as heads initialized to zero, whose ratio is NaN. Tensors keep the order
    of the measurements, which is model order. Small tensors are not comparable with large ones: with few blocks the
    BDM counts blocks, with many it saturates.
    """
    return compare_tensors(models, measurements, (metric,), kinds=kinds)[list(LAYER_COLUMNS)]


def compare_tensors(
    models: pd.DataFrame, measurements: pd.DataFrame, metrics: tuple[str, ...], *, kinds: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Return :func:`compare_layers` of several metrics, with a column ``metric``; every kind of tensor if None."""
    rows = _with_distinct(_tensor_rows(models, measurements, metrics, kinds), measurements)
    order = rows.drop_duplicates(_KEYS)[[*_KEYS, "kind", "shape"]]
    states = _per_state(rows)
    initial, trained = (
        states.loc[states["state"] == state]
        .drop(columns="state")
        .set_index(_KEYS)
        .add_prefix(f"{state}_")
        .reset_index()
        for state in ("initial", "trained")
    )
    table = order.merge(initial, on=_KEYS).merge(trained, on=_KEYS)
    table = table.merge(pair_spreads(rows, _KEYS, "value"), on=_KEYS, how="left")
    table = _add_ratio(table.rename(columns={"trained_scored": "weights", "trained_ones": "ones_fraction_trained"}))
    together = table.groupby(["model", "metric"], sort=False)["tensor"]
    position, last = together.cumcount().to_numpy(float), together.transform("size").to_numpy(float) - 1
    columns = ["metric", *LAYER_COLUMNS]
    return table.assign(depth=position / np.maximum(last, 1))[columns].reset_index(drop=True)


def skipped_tensors(measurements: pd.DataFrame) -> pd.DataFrame:
    """Count tensors that were not scored: one row per reason and kind, columns ``reason kind tensors models example``.

    A tensor counts once, whatever the number of states, seeds and metrics that report it. Reasons that differ only in
    numbers are one, in which ``n`` stands for what differs. Most frequent first.
    """
    rows = measurements.loc[(measurements["scope"] == "tensor") & (measurements["status"] != "ok")]
    reasons = rows["reason"].fillna("no reason given")
    once = rows.assign(reason=reasons.map(_common_reasons(reasons.unique().tolist())))
    once = once.drop_duplicates(["model", "tensor", "reason"])
    counts = once.groupby(["reason", "kind"], sort=False).agg(
        tensors=("tensor", "size"), models=("model", "nunique"), example=("tensor", "first")
    )
    return counts.reset_index().sort_values(
        ["tensors", "reason", "kind"], ascending=[False, True, True], ignore_index=True
    )


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
        places = zip(*(_NUMBER.findall(reason) for reason in members), strict=True)
        numbers = [place[0] if len(set(place)) == 1 else "n" for place in places]
        words = _NUMBER.split(members[0])
        common |= dict.fromkeys(members, "".join(map("".join, zip(words, [*numbers, ""], strict=True))))
    return common


def _per_state(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate over seeds: one row per model, tensor and state, in order of appearance."""
    shares = rows.assign(ones_fraction=rows["ones"].astype(float) / rows["scored"].astype(float))
    return (
        shares.groupby([*_KEYS, "state"], sort=False)
        .agg(
            mean=("value", "mean"),
            sd=("value", "std"),
            scored=("scored", "mean"),
            ones=("ones_fraction", "mean"),
            blocks=("blocks", "mean"),
            distinct=("distinct_blocks", "mean"),
        )
        .reset_index()
    )


def _add_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """Add ratio and its spread over seeds by the delta method, as for whole models; NaN for constant tensors."""
    initial, trained = table["initial_mean"].to_numpy(float), table["trained_mean"].to_numpy(float)
    constant = (table["initial_distinct"] == 1).to_numpy() & (table["initial_blocks"] > 1).to_numpy()
    base = np.where((initial > 0) & ~constant, initial, np.nan)
    spreads = [table["initial_sd"].to_numpy(float) / base, table["trained_sd"].to_numpy(float) / trained]
    known = ~(np.isnan(spreads[0]) & np.isnan(spreads[1]))
    ratio = trained / base
    ratio_sd = np.where(known, ratio * np.sqrt(np.nansum(np.square(spreads), axis=0)), np.nan)
    paired = table["n_pairs"].notna().to_numpy() & ~np.isnan(ratio)
    ratio_sd = np.where(paired, table["pair_ratio_sd"].to_numpy(float), ratio_sd)
    return table.assign(constant=constant, ratio=ratio, ratio_sd=ratio_sd)


def _with_distinct(rows: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Give rows of ``qubd`` the most distinct blocks of any of their planes, so that constant tensors are known."""
    sums = rows["metric"] == QUBD
    if not sums.any():
        return rows
    planes = [name for name in measurements["metric"].unique() if plane_of(str(name)) is not None]
    kept = (measurements["scope"] == "tensor") & measurements["metric"].isin(planes)
    keys = ["model", "state", "tensor"]
    most = measurements.loc[kept, [*keys, "distinct_blocks"]].groupby(keys, sort=False)["distinct_blocks"].max()
    names = pd.MultiIndex.from_frame(rows.loc[sums, keys])
    distinct = rows["distinct_blocks"].astype(float)
    distinct.loc[sums] = most.reindex(names).to_numpy(float)
    return rows.assign(distinct_blocks=distinct)


def _tensor_rows(
    models: pd.DataFrame, measurements: pd.DataFrame, metrics: tuple[str, ...], kinds: tuple[str, ...] | None
) -> pd.DataFrame:
    ok_models = models.loc[models["status"] == "ok", "model"]
    kept = (
        (measurements["scope"] == "tensor")
        & (measurements["status"] == "ok")
        & measurements["metric"].isin(metrics)
        & measurements["model"].isin(ok_models)
    )
    if kinds is not None:
        kept &= measurements["kind"].isin(kinds)
    return measurements.loc[kept]
