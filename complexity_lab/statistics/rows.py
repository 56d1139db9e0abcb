"""Which measurement rows enter the statistics, and what they amount to per model, metric, plane and state."""

from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.errors import InputError
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

PLANE_METRIC: Final = "qubd"
"""The metric that is counted plane by plane and tensor by tensor; without a plane it is the sum over planes."""

NUMBER: Final = [c.METRIC, c.PLANE]
"""What tells numbers apart: ``plane`` is missing for sums over planes, and for metrics without planes."""

KEYS: Final = [c.MODEL, *NUMBER]
AMOUNT: Final = "amount"
AMOUNT_UNIT: Final = "amount_unit"
_COUNTS: Final = [c.SCORED, c.ONES, c.BLOCKS, c.DISTINCT_BLOCKS]


def joinable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose text keys are objects: pandas cannot join empty columns of Arrow strings."""
    return rows.astype(dict.fromkeys((c.MODEL, c.METRIC, c.TENSOR), object))


def model_rows(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that count: scope model, status ok, of models whose own status is ok.

    Two columns are added: AMOUNT, the number to compare, in AMOUNT_UNIT. It is the value of the row, except for
    compressors, where it is the compressed size in bytes, so that less always means simpler. Counts become floats.

    Raises:
        InputError: a row has status ok and no number.
    """
    ok_models = set(models.loc[models[c.STATUS] == "ok", c.MODEL])
    kept = (measurements[c.SCOPE] == "model") & (measurements[c.STATUS] == "ok")
    rows = measurements.loc[kept & measurements[c.MODEL].isin(ok_models)]
    rows = joinable(rows).astype(dict.fromkeys(_COUNTS, float))
    compressor = rows[c.COMPRESSED_BYTES].notna()
    rows[AMOUNT] = np.where(compressor, rows[c.COMPRESSED_BYTES].astype(float), rows[c.VALUE].astype(float))
    rows[AMOUNT_UNIT] = np.where(compressor, "bytes", rows[c.UNIT].astype(object))
    missing = rows.loc[~np.isfinite(rows[AMOUNT].to_numpy())]
    if len(missing):
        first = missing.iloc[0]
        raise InputError(
            f"{len(missing)} measurements have status ok and no finite value (first: {first[c.METRIC]} of "
            f"{first[c.MODEL]}, {first[c.STATE]}); mark such rows failed, with a reason"
        )
    return rows


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are measurements: those of null models left out."""
    return rows.loc[rows[c.NULL].isna()]


def of_null(rows: pd.DataFrame, null: str, statistic: str) -> pd.DataFrame:
    """Return the rows of one null model and statistic: mean or sd."""
    return rows.loc[(rows[c.NULL] == null) & (rows[c.STATISTIC] == statistic)]


def per_state(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the rows of :func:`model_rows` over seeds: one row per model, metric, plane and state.

    Columns ``n`` (seeds), ``mean`` and ``sd`` of the amount (sample sd, n - 1; NaN for one seed; exactly 0 if the seeds
    agree), ``unit``, and means over seeds of ``ones_fraction``, ``scored``, ``blocks`` and ``distinct_blocks``.
    """
    table = (
        rows.assign(**{d.ONES_FRACTION: rows[c.ONES] / rows[c.SCORED]})
        .groupby([*KEYS, c.STATE], sort=False, dropna=False)
        .agg(
            **{
                d.N: (AMOUNT, "size"),
                d.MEAN: (AMOUNT, "mean"),
                d.SD: (AMOUNT, "std"),
                d.LOW: (AMOUNT, "min"),
                d.HIGH: (AMOUNT, "max"),
                c.UNIT: (AMOUNT_UNIT, "first"),
                **{name: (name, "mean") for name in (d.ONES_FRACTION, c.SCORED, c.BLOCKS, c.DISTINCT_BLOCKS)},
            }
        )
        .reset_index()
    )
    # Rounding in the mean gives seeds that agree to the last bit a spread of 1e-16, and a z of billions.
    agree = table[d.LOW] == table[d.HIGH]
    table[d.MEAN] = table[d.MEAN].where(~agree, table[d.LOW])
    table[d.SD] = table[d.SD].where(~(agree & (table[d.N] > 1)), 0.0)
    return table.drop(columns=[d.LOW, d.HIGH])
