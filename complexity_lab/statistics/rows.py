"""Which measurement rows enter the statistics, and what they amount to per model, metric and state."""

import re
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.errors import InputError

NULLS: Final = ("iid", "shuffle", "shuffle_channel", "shuffle_row", "gaussian", "permutation")
"""Null models: what is kept of the weights, see ``controls``; ``shuffle`` exchanges values within each tensor."""

NULL_METRIC: Final = re.compile(
    r"^(?P<base>.+?)_(?P<null>iid|shuffle_channel|shuffle_row|shuffle|gaussian|permutation)"
    r"_(?P<part>mean|sd|mean_p45|mean_p50)$"
)
"""Names of the rows that carry a null model, not a measurement: ``bdm_iid_mean``, ``qubd_plane7_shuffle_sd``, ..."""

PLANE_METRIC: Final = re.compile(r"^qubd_plane(\d+)$")
"""Names of the rows of single bit planes, 0 the least significant; ``qubd`` is their sum."""

POSSIBLE_BLOCKS_1D: Final = 2**12
POSSIBLE_BLOCKS_2D: Final = 2**16


def possible_blocks(metric: str) -> int:
    """Return how many different blocks exist: 65,536 (4x4) for ``2d`` metrics and bit planes, else 4,096 (12 bits).

    ``qubd`` is a sum over planes, each with a histogram of its own: the number is that of one plane.

    >>> [possible_blocks(metric) for metric in ("bdm", "bdm_2d", "block_entropy_2d_normalized", "bdm_2d_iid_mean")]
    [4096, 65536, 65536, 65536]
    >>> [possible_blocks(metric) for metric in ("qubd", "qubd_plane7", "gzip:float32")]
    [65536, 65536, 4096]
    """
    words = metric.split(":")[0].split("_")
    return POSSIBLE_BLOCKS_2D if "2d" in words or words[0] == "qubd" else POSSIBLE_BLOCKS_1D


def plane_of(metric: str) -> int | None:
    """Return the number of a bit plane, 0 the least significant; None for a metric that is no plane.

    >>> plane_of("qubd_plane12"), plane_of("qubd"), plane_of("qubd_plane12_shuffle_mean")
    (12, None, None)
    """
    match = PLANE_METRIC.match(metric)
    return int(match.group(1)) if match else None


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

    >>> [is_null_metric(name) for name in ("bdm_iid_mean_p45", "qubd_plane3_shuffle_channel_sd", "bdm", "qubd_plane3")]
    [True, True, False, False]
    """
    return NULL_METRIC.match(metric) is not None


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are measurements: those of null models left out."""
    nulls = [name for name in rows["metric"].unique() if is_null_metric(str(name))]
    return rows.loc[~rows["metric"].isin(nulls)]


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
