"""The table of models: compared ones by ratio, or by size where nothing could be compared."""

from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.names import metric_name
from complexity_lab.report.plates import csv_uri
from complexity_lab.report.sortable import Column, SortableTable, choice, per_mille, rows_of, signed
from complexity_lab.statistics import SurveyTables, decompose, initial_weights

_FACTS = (
    Column("model", "model", "id in the zoo"),
    Column("family", "family", "family of architectures"),
    Column("parameters", "parameters", "trainable parameters", numbers.count),
)
_STATUS = Column("status", "status", "ok, failed or skipped")
_SATURATION = "blocks over possible blocks; saturated from 8.3 on (12-bit blocks) or 11.1 (4×4)"

COMPARED: Final[tuple[Column, ...]] = (
    *_FACTS,
    Column("ratio", "ratio", "trained over initial, means over seeds; below 1 is simpler", numbers.ratio),
    Column(
        "ratio_sd",
        "± sd",
        "spread of the ratio over seeds (over pairs where states share seeds), one standard deviation",
        numbers.power,
    ),
    Column("effect", "drop", "1 − ratio", numbers.percent),
    Column("z", "z", "(trained − initial mean) / sd over initial seeds", signed),
    Column(
        "q_value",
        "q",
        "p-value of the model against its own seeds, Benjamini-Hochberg over the models",
        numbers.power,
    ),
    Column("ones_fraction_trained", "ones", "share of trained weights above zero", per_mille),
    Column("saturation", "saturation", _SATURATION, signed),
    Column(
        "sign_bias_share",
        "sign bias",
        "share of the drop that the share of ones alone explains; below 0 or above 100 % if the parts oppose",
        numbers.percent,
    ),
    Column(
        "accuracy",
        "accuracy",
        "on held-out data: of the file of accuracies, else of the zoo itself, mean over trained seeds",
        per_mille,
    ),
    _STATUS,
)
INITIAL_ONLY: Final[tuple[Column, ...]] = (
    *_FACTS,
    Column("mean", "initial", "mean over initial seeds", signed),
    Column("relative_sd", "sd / mean", "standard deviation over initial seeds, relative", numbers.power),
    Column("gap", "below fair bits", "1 − mean / expectation of as many fair bits", numbers.percent),
    Column("ones_fraction", "ones", "share of initial weights above zero", per_mille),
    Column("saturation", "saturation", _SATURATION, signed),
    _STATUS,
)


def model_table(tables: SurveyTables, metric: str) -> SortableTable:
    """Return every model of the survey; columns without any value are left out, and the status where all are ok."""
    facts = tables.models[["model", "family", "parameters", "status"]]
    compared = tables.ratios.loc[tables.ratios["metric"] == metric]
    if len(compared):
        shares = decompose(compared)[["model", "sign_bias_share"]]
        measured = compared.merge(shares, on="model", how="left")
        measured = measured.merge(tables.accuracies[["model", "accuracy"]], on="model", how="left")
        columns, order, what = COMPARED, "ratio", "trained against initial weights"
    else:
        initial = initial_weights(tables.models, tables.measurements)
        measured, columns = initial.loc[initial["metric"] == metric], INITIAL_ONLY
        order, what = "parameters", "initial weights"
    new = ["model", *(name for name in measured.columns if name not in facts.columns)]
    table = facts.merge(measured[new], on="model", how="left").sort_values([order, "model"], na_position="last")
    shown = tuple(column for column in columns if column in _FACTS or _tells(column, table))
    rows = rows_of(table.to_dict("records"), shown, ("family", "status"))
    return SortableTable(
        name="model-table",
        label="Table of models",
        about=f"{metric_name(metric)} of {what}.",
        columns=shown,
        rows=rows,
        sorted_by=order,
        choices=(*choice("family", "Family", rows), *choice("status", "Status", rows)),
        csv=csv_uri(tables.ratios),
        csv_name="ratios",
    )


def _tells(column: Column, table: pd.DataFrame) -> bool:
    """Tell whether a column says something in this survey."""
    return bool((table["status"] != "ok").any() if column is _STATUS else table[column.key].notna().any())
