"""Which measurement rows enter the statistics, and what they amount to per model, metric and state."""

import re
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.errors import InputError

NULL_METRIC: Final = re.compile(r"^(?P<base>.+)_iid_(?P<part>mean|sd|mean_p45|mean_p50)$")
"""Names of the rows that carry a null model instead of a measurement: ``bdm_iid_mean``, ``bdm_2d_iid_sd``, ..."""

POSSIBLE_BLOCKS_1D: Final = 2**12
POSSIBLE_BLOCKS_2D: Final = 2**16


def possible_blocks(metric: str) -> int:
    """Return how many different blocks exist: 65,536 (4x4) if ``2d`` is a word of the name, else 4,096 (12 bits).

    >>> [possible_blocks(metric) for metric in ("bdm", "bdm_2d", "block_entropy_2d_normalized", "bdm_2d_iid_mean")]
    [4096, 65536, 65536, 65536]
    """
    return POSSIBLE_BLOCKS_2D if "2d" in metric.split(":")[0].split("_") else POSSIBLE_BLOCKS_1D


def model_rows(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that count: scope model, status ok, of models whose own status is ok.

    Two columns are added: ``amount``, the number to compare, in ``amount_unit``. It is the value of the row, except
    for compressors, where it is the compressed size in bytes, so that less always means simpler.

    Raises:
        InputError: a row has status ok and no number.
    """
    ok_models = set(models.loc[models["status"] == "ok", "model"])
    kept = (measurements["scope"] == "model") & (measurements["status"] == "ok") & measurements["model"].isin(ok_models)
    rows = measurements.loc[kept].copy()
    compressor = rows["compressed_bytes"].notna()
    rows["amount"] = np.where(compressor, rows["compressed_bytes"], rows["value"]).astype(float)
    rows["amount_unit"] = np.where(compressor, "bytes", rows["unit"].astype(object))
    missing = rows.loc[~np.isfinite(rows["amount"].to_numpy())]
    if len(missing):
        first = missing.iloc[0]
        raise InputError(
            f"{len(missing)} measurements have status ok and no finite value (first: {first['metric']} of "
            f"{first['model']}, {first['state']}); mark such rows failed, with a reason"
        )
    return rows


def is_null_metric(metric: str) -> bool:
    """Tell whether a metric name carries a null model.

    >>> is_null_metric("bdm_iid_mean_p45"), is_null_metric("bdm")
    (True, False)
    """
    return NULL_METRIC.match(metric) is not None


def per_state(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the rows of :func:`model_rows` over seeds: one row per model, metric and state.

    Columns ``n`` (seeds), ``mean`` and ``sd`` of the amount (sample sd, n - 1; NaN for one seed; exactly 0 if the seeds
    agree), ``unit``, and the means over seeds of ``ones_fraction``, ``blocks`` and ``distinct_blocks``.
    """
    measured = rows.assign(ones_fraction=rows["ones"].astype(float) / rows["scored"].astype(float))
    table = (
        measured.groupby(["model", "metric", "state"], sort=False)
        .agg(
            n=("amount", "size"),
            mean=("amount", "mean"),
            sd=("amount", "std"),
            lowest=("amount", "min"),
            highest=("amount", "max"),
            unit=("amount_unit", "first"),
            ones_fraction=("ones_fraction", "mean"),
            blocks=("blocks", "mean"),
            distinct_blocks=("distinct_blocks", "mean"),
        )
        .reset_index()
    )
    # Rounding in the mean gives seeds that agree to the last bit a spread of 1e-16, and a z of billions.
    agree = table["lowest"] == table["highest"]
    table["mean"] = table["mean"].where(~agree, table["lowest"])
    table["sd"] = table["sd"].where(~(agree & (table["n"] > 1)), 0.0)
    return table.drop(columns=["lowest", "highest"])
