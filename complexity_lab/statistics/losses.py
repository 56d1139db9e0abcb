"""Losses of a training whose checkpoints are measured, from a CSV file: what no checkpoint knows of itself."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final

import pandas as pd

from complexity_lab.errors import InputError
from complexity_lab.tables import columns as c

LOSSES: Final = (c.TRAIN_LOSS, c.TRAIN_ACCURACY, c.VALIDATION_LOSS, c.VALIDATION_ACCURACY)
ACCURACIES: Final = (c.TRAIN_ACCURACY, c.VALIDATION_ACCURACY)
NUMBERS: Final = (c.EPOCH, *LOSSES)


def read_losses(file: Path) -> pd.DataFrame:
    """Return one row per step: ``step``, ``epoch``, losses and accuracies; NaN where a cell is empty or absent.

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
    if c.STEP not in names or not set(names) & set(NUMBERS):
        raise InputError(
            f"{file} has columns {', '.join(names) or 'none'}; wanted step and some of {', '.join(NUMBERS)}"
        )
    found: dict[int, dict[str, float]] = {}
    for line, row in enumerate(rows, start=2):
        where = f"{file}, line {line}"
        step = _step(row[c.STEP], where)
        if step in found:
            raise InputError(f"{where}: step {step} was there before, wanted each once")
        found[step] = {name: _number((row.get(name) or "").strip(), name, where) for name in NUMBERS}
    table = pd.DataFrame.from_dict(found, orient="index", columns=list(NUMBERS), dtype=float)
    return table.rename_axis(c.STEP).reset_index().astype({c.STEP: "Int64"})


def _step(text: str | None, where: str) -> int:
    number = (text or "").strip()
    if not number.removesuffix(".0").isdigit():  # a table that once held an empty cell writes 100.0
        raise InputError(f"{where}: step {number!r}, wanted a whole number")
    return int(number.removesuffix(".0"))


def _number(text: str, name: str, where: str) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {name} is {text!r}, wanted a finite number or an empty cell")
    if name in ACCURACIES and not 0 <= value <= 1:
        raise InputError(f"{where}: {name} is {text}, wanted a fraction between 0 and 1")
    return value
