"""Initial weights alone: how much their complexity varies by seed, and how far it is from fair bits."""

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import add_nulls, null_values
from complexity_lab.statistics.rows import measured, model_rows, per_state
from complexity_lab.statistics.saturation import saturation
from complexity_lab.tables import columns as c

INITIAL_COLUMNS: dict[str, str] = {
    c.MODEL: "id of the model",
    c.FAMILY: "family of architectures",
    c.PARAMETERS: "trainable parameters",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.UNIT: "unit of mean; bytes for compressors",
    d.N: "initial seeds",
    d.MEAN: "mean over seeds",
    d.SD: "sample sd over seeds; NaN for one seed",
    d.RELATIVE_SD: "sd / mean",
    d.ONES_FRACTION: "share of weights above zero, mean over seeds",
    c.BLOCKS: "blocks counted",
    d.SATURATION: "blocks / possible blocks (4,096; 65,536 for 4x4); bit planes: of the tensor of the median weight",
    d.FAIR_MEAN: "expected BDM of as many fair bits; bits; NaN if not stored",
    d.GAP: "1 - mean / fair_mean: what constant tensors take away",
}


def initial_weights(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model, metric and plane measured on initial weights, columns INITIAL_COLUMNS."""
    rows = model_rows(models, measurements)
    states = per_state(measured(rows))
    facts = models[[c.MODEL, c.FAMILY, c.PARAMETERS]]
    table = states.loc[states[c.STATE] == "initial"].merge(facts, on=c.MODEL, how="left")
    fair = null_values(add_nulls(table, rows, "initial"), "fair", "mean", initial=True).to_numpy(float)
    mean = table[d.MEAN].to_numpy(float)
    derived = {
        d.RELATIVE_SD: table[d.SD].to_numpy(float) / np.where(mean > 0, mean, np.nan),
        d.SATURATION: saturation(table, measurements, "initial"),
        d.FAIR_MEAN: fair,
        d.GAP: 1 - mean / np.where(fair > 0, fair, np.nan),
    }
    return table.assign(**derived)[list(INITIAL_COLUMNS)].reset_index(drop=True)
