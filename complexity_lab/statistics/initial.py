"""Initial weights alone: how much their complexity varies by seed, and how far it is from fair bits."""

import numpy as np
import pandas as pd

from complexity_lab.statistics.nulls import null_models
from complexity_lab.statistics.rows import measured, model_rows, per_state
from complexity_lab.statistics.saturation import saturation

INITIAL_COLUMNS: dict[str, str] = {
    "model": "id of the model",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "metric": "what was measured",
    "unit": "unit of mean; bytes for compressors",
    "n": "initial seeds",
    "mean": "mean over seeds",
    "sd": "sample sd over seeds; NaN for one seed",
    "relative_sd": "sd / mean",
    "ones_fraction": "share of weights above zero, mean over seeds",
    "blocks": "blocks counted",
    "saturation": "blocks / possible blocks (4,096; 65,536 for 4x4); bit planes: of the tensor of the median weight",
    "fair_mean": "expected BDM of as many fair bits; bits",
    "gap": "1 - mean / fair_mean: what constant tensors take away",
}


def initial_weights(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model and metric measured on initial weights, columns INITIAL_COLUMNS.

    ``fair_mean`` is the stored null model ``*_iid_mean_p50``; NaN for metrics without one.
    """
    rows = model_rows(models, measurements)
    states = per_state(measured(rows))
    table = states.loc[states["state"] == "initial"].merge(
        models[["model", "family", "parameters"]], on="model", how="left"
    )
    table = table.merge(null_models(rows, "initial"), on=["model", "metric"], how="left")
    mean = table["mean"].to_numpy(float)
    fair = table["iid_mean_p50"].to_numpy(float)
    table = table.assign(
        relative_sd=table["sd"].to_numpy(float) / np.where(mean > 0, mean, np.nan),
        saturation=saturation(table, measurements, "initial"),
        fair_mean=fair,
        gap=1 - mean / np.where(fair > 0, fair, np.nan),
    )
    return table[list(INITIAL_COLUMNS)].reset_index(drop=True)
