"""Tables that a reader can sort and filter: text for the eye, a key for sorting, tags for filters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from complexity_lab.figures import numbers


@dataclass(frozen=True)
class Column:
    """A column of a table; ``text`` writes its numbers, and is None for words."""

    key: str
    label: str
    meaning: str  # shown as a tooltip and below the table
    text: Callable[[float], str] | None = None

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers, which sort as such."""
        return self.text is not None


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it sorts by: a number or text; None sorts last in both directions."""

    text: str
    key: float | str | None


@dataclass(frozen=True)
class Row:
    """One row with its cells in the order of the table's columns, and what the filters ask for."""

    cells: tuple[Cell, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """A filter: the rows whose tag is the option chosen, or all of them."""

    tag: str
    label: str
    options: tuple[str, ...]
    chosen: str = ""  # at first; all if empty


@dataclass(frozen=True, kw_only=True)
class SortableTable:
    """A table as the page shows it, rows already in the order of ``sorted_by``."""

    name: str  # id of the element
    label: str  # for who hears the page
    about: str  # caption
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sorted_by: str
    descending: bool = False
    choices: tuple[Choice, ...] = ()
    left_out: str = ""  # what is not shown, in a sentence
    csv: str | None = None  # data URI of the whole table; None if too large
    csv_name: str = "table"


def rows_of(records: Sequence[Mapping[Any, Any]], columns: tuple[Column, ...], tags: Sequence[str]) -> tuple[Row, ...]:
    """Return one row per record; ``tags`` are fields that filters ask for."""
    return tuple(
        Row(
            tuple(_cell(column, record[column.key]) for column in columns),
            {tag.replace("_", "-"): str(record[tag]) for tag in tags},
        )
        for record in records
    )


def choice(tag: str, label: str, rows: Sequence[Row], chosen: str = "") -> tuple[Choice, ...]:
    """Return a filter by a tag, none if all rows share it; options in order of appearance."""
    options = tuple(dict.fromkeys(row.tags[tag] for row in rows))
    return (Choice(tag, label, options, chosen if chosen in options else ""),) if len(options) > 1 else ()


def signed(value: float) -> str:
    """Return a number with one decimal, or whole from 100 on; a true minus.

    >>> signed(-3.25), signed(1234.5), signed(0.0)
    ('−3.2', '1,234', '0.0')
    """
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}").replace("-", "−")


def per_mille(value: float) -> str:
    """Return a share in percent with one decimal.

    >>> per_mille(0.49927).replace(numbers.GLUE, " ")
    '49.9 %'
    """
    return f"{100 * value:.1f}{numbers.GLUE}%"


def of_hundred(value: float) -> str:
    """Return a number that is already in percent.

    >>> of_hundred(-0.0412).replace(numbers.GLUE, " ")
    '−0.041 %'
    """
    return numbers.percent(value / 100)


def _cell(column: Column, value: Any) -> Cell:
    if column.text is None:
        return Cell(str(value), str(value))
    if not isinstance(value, (int, float)) or math.isnan(value):
        return Cell(numbers.DASH, None)
    return Cell(column.text(float(value)), float(value))
