"""What independent bits would score: the null models that a survey stores next to its measurements."""

import pandas as pd

from complexity_lab.statistics.rows import NULL_METRIC

NULL_PARTS = {"mean": "iid_mean", "sd": "iid_sd", "mean_p45": "iid_mean_p45", "mean_p50": "iid_mean_p50"}


def null_models(rows: pd.DataFrame, state: str) -> pd.DataFrame:
    """Return one row per model and block metric with the null models of one state, means over its seeds.

    Columns, all in bits: ``iid_mean`` and ``iid_sd`` (expected BDM and its sd for independent bits with the observed
    share of ones and the observed number of blocks), ``iid_mean_p45`` and ``iid_mean_p50`` (the same at a ones
    fraction of 0.45 and 0.5). A null model that was not stored is NaN.
    """
    parts = rows["metric"].astype(str).str.extract(NULL_METRIC)
    chosen = (rows["state"] == state) & parts["base"].notna()
    named = rows.loc[chosen, ["model", "amount"]].assign(
        metric=parts.loc[chosen, "base"], part=parts.loc[chosen, "part"].map(NULL_PARTS)
    )
    wide = named.pivot_table(index=["model", "metric"], columns="part", values="amount", aggfunc="mean", sort=False)
    return wide.reindex(columns=list(NULL_PARTS.values())).astype(float).rename_axis(columns=None).reset_index()
