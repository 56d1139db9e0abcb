"""Tables that a reader can sort and filter: text for the eye, a key for sorting."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from complexity_lab.figures import numbers

Record = Any
"""A row of a frame as a mapping, or a record of statistics."""

Value = str | Callable[[Record], object]
"""Where a cell's value is found: the name of a column, or what reads it off a record."""

LARGEST_CSV: Final = 300_000  # bytes; a page has some twenty tables, and should stay below a few megabytes
FEWEST_FILTERED: Final = 8  # rows from which on searching and choosing are of use


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        label: in its head.
        value: of a record.
        meaning: shown as a tooltip and below the table.
        text: writes its numbers; None for words.
        sd: spread that is written behind the number, in the same unit.
        low: lower end of an interval that is written behind the number, in the same unit.
        high: its upper end.
        filtered: whether rows can be chosen by it.
    """

    label: str
    value: Value
    meaning: str
    text: Callable[[float], str] | None = None
    sd: Value | None = None
    low: Value | None = None
    high: Value | None = None
    filtered: bool = False

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
class Filter:
    """A choice of the rows that show an option in one column, or of all of them."""

    column: int
    label: str
    options: tuple[str, ...]
    chosen: str = ""  # at first; all if empty


@dataclass(frozen=True, kw_only=True)
class SortableTable:
    """A table as the page shows it, rows in their first order.

    Attributes:
        name: id of the element, and name of the CSV.
        label: what screen readers announce.
        about: caption.
        columns: those that hold anything.
        rows: cells in the order of the columns.
        sorted_by: number of the column that the rows are sorted by; None if by none.
        filters: above the table.
        searched: whether there is a field to search in.
        note: what is not shown, or how to read it; below the table.
        csv: data URI of what the rows were made of; None if it is too large, or none was given.
    """

    name: str
    label: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sorted_by: int | None = None
    filters: tuple[Filter, ...] = ()
    searched: bool = False
    note: str = ""
    csv: str | None = None


def sortable(
    records: pd.DataFrame | Iterable[Record],
    columns: Sequence[Column],
    *,
    name: str,
    about: str,
    label: str = "",
    sorted_by: str = "",
    chosen: Mapping[str, str] | None = None,
    note: str = "",
    csv: pd.DataFrame | None = None,
) -> SortableTable:
    """Return records as a table; columns of numbers that are all unknown, and of words that are all empty, go.

    Args:
        records: rows of a frame, or any objects.
        columns: of the table.
        name: see ``SortableTable``.
        about: see ``SortableTable``.
        label: see ``SortableTable``; ``about`` if empty.
        sorted_by: label of a column, ascending; as given if empty.
        chosen: options of filters that are set at first, by label of their column.
        note: see ``SortableTable``.
        csv: what the rows were made of.
    """
    found = records.to_dict("records") if isinstance(records, pd.DataFrame) else list(records)
    cells = [[_cell(column, record) for column in columns] for record in found]
    kept = [place for place in range(len(columns)) if any(row[place].key not in (None, "") for row in cells)]
    shown = tuple(columns[place] for place in kept)
    rows = [tuple(row[place] for place in kept) for row in cells]
    order = next((place for place, column in enumerate(shown) if column.label == sorted_by), None)
    if order is not None:
        rows.sort(key=lambda row: _rank(row[order], numeric=shown[order].numeric))
    many = len(rows) >= FEWEST_FILTERED
    filters = [
        _filter(place, column.label, rows, chosen or {}) for place, column in enumerate(shown) if column.filtered
    ]
    return SortableTable(
        name=name,
        label=label or about,
        about=about,
        columns=shown,
        rows=tuple(rows),
        sorted_by=order,
        filters=tuple(each for each in filters if many and len(each.options) > 1),
        searched=many,
        note=note,
        csv=None if csv is None else csv_uri(csv),
    )


def _filter(place: int, label: str, rows: Sequence[tuple[Cell, ...]], chosen: Mapping[str, str]) -> Filter:
    options = tuple(dict.fromkeys(row[place].text for row in rows))
    first = chosen.get(label, "")
    return Filter(place, label, options, first if first in options else "")


def _rank(cell: Cell, *, numeric: bool) -> tuple[bool, float, str]:
    number = float(cell.key) if numeric and cell.key is not None else 0.0
    return (cell.key is None, number, "" if numeric else str(cell.key))


def _read(value: Value, record: Record) -> object:
    return value(record) if callable(value) else record[value]


def number_of(value: object) -> float:
    """Return a number as a float, and NaN for what is missing in any of its ways."""
    if value is None or value is pd.NA or isinstance(value, str):
        return math.nan
    return float(value)  # type: ignore[arg-type]  # what is no number is a mistake in a column


def _cell(column: Column, record: Record) -> Cell:
    value = _read(column.value, record)
    if column.text is None:
        missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
        return Cell(numbers.DASH, None) if missing else Cell(str(value), str(value))
    number = number_of(value)
    if not math.isfinite(number):
        return Cell(numbers.DASH, None)
    text = column.text(number)
    if column.sd is not None and math.isfinite(sd := number_of(_read(column.sd, record))):
        text += f" ±{numbers.NBSP}{column.text(sd)}"
    if column.low is not None and column.high is not None:
        low, high = (number_of(_read(end, record)) for end in (column.low, column.high))
        text += f" ({column.text(low)} to {column.text(high)})" if math.isfinite(low) and math.isfinite(high) else ""
    return Cell(text, number)


def csv_uri(table: pd.DataFrame) -> str | None:
    """Return a table as a link, or None if it would make the page heavy; tables and figures are files as well."""
    data = table.to_csv(index=False).encode()
    return data_uri("text/csv", data) if len(data) <= LARGEST_CSV else None


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as a link that needs no file.

    >>> data_uri("text/csv", b"a,b")
    'data:text/csv;base64,YSxi'
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def signed(value: float) -> str:
    """Return a number with one decimal, or whole from 100 on; a true minus.

    >>> signed(-3.25), signed(1234.5), signed(0.0), signed(-0.01)
    ('−3.2', '1,234', '0.0', '0.0')
    """
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
    return text.replace("-0.0", "0.0").replace("-", "−")


def hundredths(value: float) -> str:
    """Return a number with two decimals; a true minus.

    >>> hundredths(-0.125), hundredths(-0.001)
    ('−0.12', '0.00')
    """
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def one_decimal(fraction: float) -> str:
    """Return a fraction in percent with one decimal.

    >>> one_decimal(0.49927).replace(numbers.NBSP, " ")
    '49.9 %'
    """
    return f"{signed(100 * fraction)}{numbers.NBSP}%"


def of_hundred(percent: float) -> str:
    """Return a number that is already in percent.

    >>> of_hundred(-0.0412).replace(numbers.NBSP, " ")
    '−0.041 %'
    """
    return numbers.percent(percent / 100)


def whole(value: float) -> str:
    """Return a whole number, thousands apart.

    >>> whole(12500.0)
    '12,500'
    """
    return f"{value:,.0f}"
