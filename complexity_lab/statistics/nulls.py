"""What weights without structure would score: the null models that a survey stores next to its measurements."""

import pandas as pd

from complexity_lab.statistics.rows import NULL_METRIC, NULLS

NULL_COLUMNS = [
    *("iid_mean", "iid_sd", "iid_mean_p45", "iid_mean_p50"),
    *(f"{null}_{part}" for null in NULLS if null != "iid" for part in ("mean", "sd")),
]


def null_models(rows: pd.DataFrame, state: str) -> pd.DataFrame:
    """Return one row per model and metric with the null models of one state, means over its seeds.

    Columns ``model``, ``metric`` and NULL_COLUMNS, all in the metric's unit. ``iid_mean`` and ``iid_sd``: expected BDM
    and its sd for independent bits with the observed share of ones and the observed number of blocks;
    ``iid_mean_p45`` and ``iid_mean_p50``: the same at a ones fraction of 0.45 and 0.5. The others: mean and sd over
    draws of each null of ``rows.NULLS``. A null model that was not stored is NaN.
    """
    names = pd.Series(rows["metric"].unique(), dtype=object).astype(str)
    parts = names.str.extract(NULL_METRIC).assign(name=names).dropna(subset="base")
    parts = parts.assign(part=parts["null"] + "_" + parts["part"]).set_index("name")
    chosen = rows.loc[(rows["state"] == state) & rows["metric"].isin(parts.index), ["model", "metric", "amount"]]
    named = chosen.assign(metric=chosen["metric"].map(parts["base"]), part=chosen["metric"].map(parts["part"]))
    wide = named.pivot_table(index=["model", "metric"], columns="part", values="amount", aggfunc="mean", sort=False)
    return wide.reindex(columns=NULL_COLUMNS).astype(float).rename_axis(columns=None).reset_index()
