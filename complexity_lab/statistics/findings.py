"""What a table of runs says about the orderings that the MoMos paper reports: found, not found, or too close."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import Any, Literal

import numpy as np
import pandas as pd

Verdict = Literal["found", "found between the ends", "not found", "too close to tell", "neither learns"]
LEARNS = 3.0  # times the accuracy of guessing; below, a network has not learned, and its order means nothing


@dataclass(frozen=True)
class Finding:
    """One expectation for one model, with the numbers that decide it."""

    model: str
    expected: str
    verdict: Verdict
    numbers: str

    @property
    def sentence(self) -> str:
        """The finding in a sentence."""
        return f"{self.model}: {self.expected}: {self.verdict} ({self.numbers})."


def findings(table: pd.DataFrame) -> list[Finding]:
    """Return the paper's orderings checked in a table of ``means_over_seeds``.

    A difference of two means counts if it is above two standard errors of the difference (``sqrt(sd^2 + sd^2) /
    sqrt(seeds)``); three seeds make this a rough rule, and below two seeds nothing counts. Networks that both stay
    below three times the accuracy of guessing are not compared.
    """
    found = []
    for model, rows in table.groupby("model", sort=False):
        for s, group in rows.loc[rows["kind"] == "momos"].groupby("s"):
            found += _falls_with_capacity(str(model), int(float(str(s))), group)
        found += _smaller_blocks_are_better(str(model), rows)
        found += _pair(str(model), rows, {"kind": "qat", "bits": 8}, {"kind": "qat", "bits": 4}, "QAT 4 below QAT 8")
    return found


def _falls_with_capacity(model: str, s: int, group: pd.DataFrame) -> list[Finding]:
    ordered = group.sort_values("capacity", ascending=False)
    if len(ordered) < 2:
        return []
    steps = [_compare(high, low) for (_, high), (_, low) in pairwise(ordered.iterrows())]
    whole = _compare(ordered.iloc[0], ordered.iloc[-1])
    verdict = whole
    if whole == "found":
        verdict = (
            "not found" if "not found" in steps else whole if set(steps) == {"found"} else "found between the ends"
        )
    values = ", ".join(f"{100 * float(row['capacity']):g} %: {_shown(row)}" for _, row in ordered.iterrows())
    return [Finding(model, f"accuracy falls as capacity falls at s = {s}", verdict, values)]


def _smaller_blocks_are_better(model: str, rows: pd.DataFrame) -> list[Finding]:
    motifs = rows.loc[rows["kind"] == "momos"]
    if motifs.empty:
        return []
    capacity = motifs["capacity"].min()
    small, large = {"kind": "momos", "s": 2, "capacity": capacity}, {"kind": "momos", "s": 4, "capacity": capacity}
    return _pair(model, rows, small, large, f"s = 2 above s = 4 at {100 * capacity:g} %")


def _pair(
    model: str, rows: pd.DataFrame, better: dict[str, object], worse: dict[str, object], expected: str
) -> list[Finding]:
    first, second = _select(rows, better), _select(rows, worse)
    if first is None or second is None:
        return []
    return [Finding(model, expected, _compare(first, second), f"{_shown(first)} and {_shown(second)}")]


def _select(rows: pd.DataFrame, wanted: dict[str, object]) -> pd.Series | None:
    chosen = rows
    for column, value in wanted.items():
        chosen = chosen.loc[chosen[column] == value]
    return None if chosen.empty or np.isnan(chosen.iloc[0]["accuracy"]) else chosen.iloc[0]


def _compare(higher: pd.Series, lower: pd.Series) -> Verdict:
    """Tell whether the first mean lies above the second by more than chance would explain."""
    if max(higher["accuracy"], lower["accuracy"]) < LEARNS * guessing(higher):
        return "neither learns"
    seeds = min(int(higher["seeds"]), int(lower["seeds"]))
    difference = higher["accuracy"] - lower["accuracy"]
    if seeds < 2 or np.isnan(difference):
        return "too close to tell"
    error = hypot(higher["accuracy_sd"], lower["accuracy_sd"]) / np.sqrt(seeds)
    if abs(difference) <= 2 * error:
        return "too close to tell"
    return "found" if difference > 0 else "not found"


def guessing(rows: Any) -> Any:
    """Return the accuracy of guessing, percent, of one row or of a table of them."""
    return 100 / rows["classes"]


def _shown(row: pd.Series) -> str:
    accuracy, sd = float(row["accuracy"]), float(row["accuracy_sd"])
    return f"{accuracy:.2f}" if np.isnan(sd) else f"{accuracy:.2f} ± {sd:.2f}"
