"""The table of models as the report shows it: text for the eye, a key for sorting."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.statistics import SurveyTables, decompose, initial_weights


@dataclass(frozen=True)
class Column:
    """A column of the table of models."""

    key: str
    label: str
    meaning: str  # shown as a tooltip and below the table
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it sorts by: a number or text; None sorts last in both directions."""

    text: str
    key: float | str | None


@dataclass(frozen=True)
class ModelRow:
    """One model with its cells in the order of the table's columns."""

    model: str
    family: str
    status: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ModelTable:
    """Every model of a survey, sorted by ``sorted_by``, unknown last."""

    columns: tuple[Column, ...]
    rows: tuple[ModelRow, ...]
    sorted_by: str


_FACTS = (
    Column("model", "model", "id in the zoo", numeric=False),
    Column("family", "family", "family of architectures", numeric=False),
    Column("parameters", "parameters", "trainable parameters"),
)
_STATUS = Column("status", "status", "ok, failed or skipped", numeric=False)
_SATURATION = "blocks over possible blocks; saturated from 8.3 on (12-bit blocks) or 11.1 (4×4)"

COMPARED: Final[tuple[Column, ...]] = (
    *_FACTS,
    Column("ratio", "ratio", "trained over initial, means over seeds; below 1 is simpler"),
    Column(
        "ratio_sd",
        "± sd",
        "spread of the ratio over seeds (over pairs where states share seeds), one standard deviation",
    ),
    Column("effect", "drop", "1 − ratio"),
    Column("z", "z", "(trained − initial mean) / sd over initial seeds"),
    Column("q_value", "q", "p-value of the model against its own seeds, Benjamini-Hochberg over the models"),
    Column("ones_fraction_trained", "ones", "share of trained weights above zero"),
    Column("saturation", "saturation", _SATURATION),
    Column(
        "sign_bias_share",
        "sign bias",
        "share of the drop that the share of ones alone explains; below 0 or above 100 % if the parts oppose",
    ),
    Column("test_accuracy", "accuracy", "on held-out data, mean over trained seeds"),
    _STATUS,
)
INITIAL_ONLY: Final[tuple[Column, ...]] = (
    *_FACTS,
    Column("mean", "initial", "mean over initial seeds"),
    Column("relative_sd", "sd / mean", "standard deviation over initial seeds, relative"),
    Column("gap", "below fair bits", "1 − mean / expectation of as many fair bits"),
    Column("ones_fraction", "ones", "share of initial weights above zero"),
    Column("saturation", "saturation", _SATURATION),
    _STATUS,
)


def model_table(tables: SurveyTables, metric: str) -> ModelTable:
    """Return every model of the survey: compared ones by ratio, or by size where nothing could be compared.

    Columns in which no model has a value are left out, and the status where every model is ok.
    """
    facts = tables.models[["model", "family", "parameters", "test_accuracy", "status"]]
    compared = tables.ratios.loc[tables.ratios["metric"] == metric]
    if len(compared):
        measured, columns, order = compared.merge(_shares(compared), on="model", how="left"), COMPARED, "ratio"
    else:
        initial = initial_weights(tables.models, tables.measurements)
        measured, columns, order = initial.loc[initial["metric"] == metric], INITIAL_ONLY, "parameters"
    new = ["model", *(name for name in measured.columns if name not in facts.columns)]
    table = facts.merge(measured[new], on="model", how="left").sort_values([order, "model"], na_position="last")
    shown = tuple(column for column in columns if column in _FACTS or _tells(column, table))
    return ModelTable(shown, tuple(_row(fields, shown) for fields in table.to_dict("records")), order)


def _tells(column: Column, table: pd.DataFrame) -> bool:
    """Tell whether a column says something in this survey."""
    return bool((table["status"] != "ok").any() if column is _STATUS else table[column.key].notna().any())


def _shares(compared: pd.DataFrame) -> pd.DataFrame:
    return decompose(compared)[["model", "sign_bias_share"]]


def _row(fields: dict[Hashable, Any], columns: tuple[Column, ...]) -> ModelRow:
    return ModelRow(
        model=str(fields["model"]),
        family=str(fields["family"]),
        status=str(fields["status"]),
        cells=tuple(_cell(column, fields[column.key]) for column in columns),
    )


def _cell(column: Column, value: Any) -> Cell:
    if not column.numeric:
        return Cell(str(value), str(value))
    if not isinstance(value, (int, float)) or math.isnan(value):
        return Cell(numbers.DASH, None)
    return Cell(_text(column.key, float(value)), float(value))


def _text(key: str, value: float) -> str:
    match key:
        case "parameters":
            return numbers.count(value)
        case "ratio":
            return numbers.ratio(value)
        case "effect" | "sign_bias_share" | "gap":
            return numbers.percent(value)
        case "ones_fraction_trained" | "ones_fraction" | "test_accuracy":
            return f"{100 * value:.1f}{numbers.GLUE}%"
        case "q_value" | "ratio_sd" | "relative_sd":
            return numbers.power(value)
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}").replace("-", "−")
