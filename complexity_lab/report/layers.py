"""Single tensors in a report: one sortable row each, those that changed most where there are too many."""

from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.plates import csv_uri
from complexity_lab.report.sortable import Column, SortableTable, choice, of_hundred, per_mille, rows_of
from complexity_lab.statistics import SurveyTables, compare_layers, tensor_profiles

MOST_ROWS: Final = 2000
"""Rows in the page, half a kilobyte each; a hundred pretrained models have some fifteen thousand tensors."""

_KEYS = ["model", "tensor"]
_FACTS = ["kind", "shape", "depth", "weights"]
_COLUMNS: Final[tuple[Column, ...]] = (
    Column("model", "model", "id in the zoo"),
    Column("tensor", "tensor", "name of the parameter"),
    Column("kind", "kind", "matrix or embedding; norms and biases start constant and have no ratio"),
    Column("shape", "shape", "of the parameter"),
    Column("depth", "depth", "position among the model's compared tensors, from 0 (first) to 100 % (last)", per_mille),
    Column("weights", "weights", "values scored", numbers.count),
    Column("ratio", "BDM ratio", "BDM of trained over initial sign bits; below 1 is simpler", numbers.ratio),
    Column("ratio_sd", "± sd", "its spread over seeds", numbers.power),
    Column("percent", "QuBD", "sum over bit planes, trained in percent of initial weights", numbers.near_hundred),
    Column("top", "top plane", "the most significant plane alone, in percent of initial weights", numbers.near_hundred),
    Column("percent_sd", "± sd", "spread of QuBD over seeds, percentage points", of_hundred),
    Column(
        "shuffled_percent",
        "of shuffled",
        "QuBD in percent of the same tensor with its values permuted: below 100 is arrangement",
        numbers.near_hundred,
    ),
)


def layer_rows(tables: SurveyTables) -> pd.DataFrame:
    """Return a row per model and tensor that has a BDM or a QuBD ratio, models in the survey's order."""
    bits = compare_layers(tables.models, tables.measurements)[[*_KEYS, *_FACTS, "ratio", "ratio_sd"]]
    profiles = tensor_profiles(tables.models, tables.measurements)
    profiles = profiles.loc[profiles["kind"].isin(("matrix", "embedding"))]
    top = profiles.loc[profiles["plane"] == profiles["plane"].max(), [*_KEYS, "percent"]]
    sums = profiles.loc[profiles["plane"].isna(), [*_KEYS, *_FACTS, "percent", "sd", "shuffled_percent"]]
    planes = sums.rename(columns={"sd": "percent_sd"}).merge(
        top.rename(columns={"percent": "top"}), on=_KEYS, how="left"
    )
    table = bits.merge(planes, on=_KEYS, how="outer", suffixes=("", "_planes"), sort=False)
    table = table.assign(**{name: table[name].where(table[name].notna(), table[f"{name}_planes"]) for name in _FACTS})
    table = table.loc[table[["ratio", "percent"]].notna().any(axis=1)]
    order = {model: place for place, model in enumerate(tables.models["model"])}
    table = table.assign(place=table["model"].map(order))
    return table.sort_values(["place", "depth"], kind="stable", ignore_index=True)


def layer_table(tables: SurveyTables, most: int = MOST_ROWS) -> SortableTable | None:
    """Return the table of tensors, at most about ``most`` rows; None if no tensor was compared.

    Where there are more, each model keeps those that changed most, equally many per model.
    """
    table = layer_rows(tables)
    if table.empty:
        return None
    kept = _capped(table, most)
    columns = tuple(column for column in _COLUMNS if column.text is None or table[column.key].notna().any())
    key = "percent" if table["ratio"].isna().all() else "ratio"
    kept = kept.sort_values([key, "model", "depth"], kind="stable", na_position="last", ignore_index=True)
    rows = rows_of(kept.to_dict("records"), columns, ("model", "kind"))
    by_name = sorted(rows, key=lambda row: row.tags["model"])
    return SortableTable(
        name="layer-table",
        label="Table of layers",
        about="Trained against initial weights, tensor by tensor.",
        columns=columns,
        rows=rows,
        sorted_by=key,
        choices=(*choice("model", "Model", by_name), *choice("kind", "Kind", rows)),
        left_out=_left_out(table, kept),
        csv=csv_uri(table[[column.key for column in _COLUMNS]]),
        csv_name="layer_table",
    )


def _capped(table: pd.DataFrame, most: int) -> pd.DataFrame:
    if len(table) <= most:
        return table
    change = pd.concat([(table["ratio"] - 1).abs(), (table["percent"] / 100 - 1).abs()], axis=1).max(axis=1)
    each = max(most // table["model"].nunique(), 1)
    rank = change.groupby(table["model"], sort=False).rank(method="first", ascending=False)
    return table.loc[rank <= each]


def _left_out(table: pd.DataFrame, kept: pd.DataFrame) -> str:
    if len(kept) == len(table):
        return ""
    each = int(kept.groupby("model").size().max())
    return (
        f"{len(table) - len(kept):,} of {len(table):,} tensors are not listed: of each model, the {each} that changed "
        "most are. All are in the survey's table of measurements (scope tensor)."
    )
