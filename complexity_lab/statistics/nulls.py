"""What weights without structure would score: the null models that a survey stores next to its measurements.

Which null models there are, the rows say; what each keeps of the weights, ``controls`` says.
"""

import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rows import AMOUNT, KEYS, of_null
from complexity_lab.tables import columns as c
from complexity_lab.tables.rows import Statistic

NULL_TABLE_COLUMNS: dict[str, str] = {
    c.MODEL: "id of the model",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.STATE: "initial or trained",
    c.NULL: "null model",
    d.MEAN: "its mean, over seeds; unit of the metric, bytes for compressors",
    d.SD: "its sd over draws, mean over seeds; NaN if not stored",
}


def null_column(null: str, statistic: Statistic, *, initial: bool = False) -> str:
    """Return the column of ``ratios`` that holds a null model of the trained weights, or of the initial ones.

    >>> null_column("shuffle", "sd"), null_column("iid", "mean", initial=True)
    ('shuffle_sd', 'iid_mean_initial')
    """
    return f"{null}_{statistic}_initial" if initial else f"{null}_{statistic}"


def null_values(ratios: pd.DataFrame, null: str, statistic: Statistic, *, initial: bool = False) -> "pd.Series[float]":
    """Return that column of ``ratios``; NaN where, or if, the null model was not stored."""
    name = null_column(null, statistic, initial=initial)
    if name in ratios:
        return ratios[name].astype(float)
    return pd.Series(float("nan"), index=ratios.index, name=name)


def add_nulls(table: pd.DataFrame, rows: pd.DataFrame, state: str) -> pd.DataFrame:
    """Add the columns ``null_column`` of every null model that the rows hold of a state, means over its seeds."""
    chosen = rows.loc[(rows[c.STATE] == state) & rows[c.NULL].notna()]
    for null, statistic in chosen[[c.NULL, c.STATISTIC]].drop_duplicates().itertuples(index=False):
        name = null_column(null, statistic, initial=state == "initial")
        means = of_null(chosen, null, statistic).groupby(KEYS, sort=False, dropna=False)[AMOUNT].mean().rename(name)
        table = table.merge(means.reset_index(), on=KEYS, how="left")
    return table


def null_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model, metric, plane, state and null model, columns NULL_TABLE_COLUMNS."""
    keys = [*KEYS, c.STATE, c.NULL]
    mean, sd = (
        rows.loc[rows[c.NULL].notna() & (rows[c.STATISTIC] == statistic)]
        .groupby(keys, sort=False, dropna=False)[AMOUNT]
        .mean()
        .rename(statistic)
        .reset_index()
        for statistic in ("mean", "sd")
    )
    return mean.merge(sd, on=keys, how="left")[list(NULL_TABLE_COLUMNS)]


def null_labels() -> dict[str, str]:
    """Return what legends call every null model that there is, by name, in the order of legends."""
    from complexity_lab.controls.registry import null_models

    return {name: null.label for name, null in null_models().items()}


def null_descriptions() -> dict[str, str]:
    """Return what every null model keeps and what it leaves to chance, by name."""
    from complexity_lab.controls.registry import null_models

    return {name: null.description for name, null in null_models().items()}
