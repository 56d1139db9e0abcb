"""Losses of a training whose checkpoints are measured, from a CSV file: what no checkpoint knows of itself."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from complexity_lab.errors import InputError
from complexity_lab.tables.steps import LOSSES

COLUMNS = ("epoch", *LOSSES)


def read_losses(file: Path) -> dict[int, dict[str, float]]:
    """Return the numbers of every step: epoch, losses and accuracies, without the cells that are empty.

    Args:
        file: CSV with a column ``step`` and any of ``epoch``, ``train_loss``, ``validation_loss`` (mean over examples)
            and ``train_accuracy``, ``validation_accuracy`` (fractions); further columns are ignored.

    Raises:
        InputError: it cannot be read, lacks these columns, names a step twice, or holds what is no such number.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            rows, names = list(reader), tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    if "step" not in names or not set(names) & set(COLUMNS):
        raise InputError(
            f"{file} has columns {', '.join(names) or 'none'}; wanted step and some of {', '.join(COLUMNS)}"
        )
    found: dict[int, dict[str, float]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{file}, line {line}"
        step = _step(row["step"], where)
        if step in found:
            raise InputError(f"{where}: step {step} was there before, wanted each once")
        cells = {name: (row[name] or "").strip() for name in COLUMNS if name in names}
        found[step] = {name: _number(text, name, where) for name, text in cells.items() if text}
    return found


def _step(text: str | None, where: str) -> int:
    number = (text or "").strip()
    if not number.removesuffix(".0").isdigit():  # a table that once held an empty cell writes 100.0
        raise InputError(f"{where}: step {number!r}, wanted a whole number")
    return int(number.removesuffix(".0"))


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {name} is {text!r}, wanted a finite number or an empty cell")
    if name.endswith("accuracy") and not 0 <= value <= 1:
        raise InputError(f"{where}: {name} is {text}, wanted a fraction between 0 and 1")
    return value


def without_checkpoint(losses: Mapping[int, object], steps: set[int]) -> list[int]:
    """Return the steps that have losses and no checkpoint, in their order."""
    return sorted(set(losses) - steps)
