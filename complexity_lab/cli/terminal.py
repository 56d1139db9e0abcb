"""What is printed: tables that no terminal cuts, notes below them, and output that outlives its reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from complexity_lab.cli.pipe_safe import PipeSafeConsole

WIDTH = 160  # columns where there is no terminal
NARROWEST = 16  # columns of a folded name
MANY = 9  # columns of a table that stand close
SHOWN = 6  # names after a note that many share


def console(file: IO[str] | None = None) -> PipeSafeConsole:
    """Return a console for what is on standard output, or on another stream, now."""
    from complexity_lab.cli.pipe_safe import PipeSafeConsole

    stream = sys.stdout if file is None else file
    wide = not stream.isatty() and "COLUMNS" not in os.environ
    return PipeSafeConsole(file=stream, highlight=False, markup=False, emoji=False, width=WIDTH if wide else None)


def say(text: str) -> None:
    """Print a line as it is; nobody has to be there to read it."""
    console().print(text, soft_wrap=True)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        label: above it.
        right: numbers, which stand at the right.
        folds: names or sentences, which are folded where the terminal is narrow.
    """

    label: str
    right: bool = False
    folds: bool = False


def print_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    styles: Mapping[int, str] | None = None,
) -> None:
    """Print rows below labels. Folded columns give way on narrow terminals; no number is ever cut.

    Args:
        columns: of the table.
        rows: cells as text.
        title: above the table.
        styles: of rows by index, in the words of rich.
    """
    from rich.table import Table
    from rich.text import Text

    gap = 1 if len(columns) > MANY else 2
    table = Table(box=None, pad_edge=False, collapse_padding=gap == 1)
    out = console()
    if title:
        out.print(Text(title, style="italic"))
    needed = 0
    for index, column in enumerate(columns):
        width = max((len(row[index]) for row in rows), default=0)
        narrowest = max(len(column.label), min(width, NARROWEST) if column.folds else width)
        needed += narrowest + gap
        table.add_column(
            column.label,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.folds,
            min_width=narrowest,
        )
    for index, row in enumerate(rows):
        table.add_row(*map(Text, row), style=(styles or {}).get(index))
    out.print(table, width=max(out.width, needed), crop=False, no_wrap=False)


def print_notes(notes: Mapping[tuple[str, ...], Sequence[str]], labels: Sequence[str] = ("metric", "note")) -> None:
    """Print what is to be known of tensors: a line per note, what it is of before it, and after it the tensors."""
    if not notes:
        return
    rows = []
    for note, names in notes.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        rows.append((*note, ", ".join(names[:SHOWN]) + more))
    say("")
    *before, note_label = labels
    columns = [*map(Column, before), Column(note_label, folds=True), Column("tensors", folds=True)]
    print_table(columns, rows, title="Notes")
