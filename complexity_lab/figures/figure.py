"""What a figure is: numbers first (prepare), then ink (draw), then a sentence with the numbers filled in (caption)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from complexity_lab.statistics.results import Results

R = TypeVar("R", bound="Results")

GROUPS: Final = {
    "models": "Models",
    "planes": "Bit planes",
    "layers": "Layers",
    "controls": "Null models and noise",
    "steps": "Over training",
    "trainings": "Trainings",
    "rounding": "Rounding",
}
"""What a figure is about, and its heading, in the order of a report."""


@dataclass(frozen=True, kw_only=True)
class Figure(Generic[R]):
    """One figure. To add one, write a file with these functions in the folder of its kind of study.

    Attributes:
        name: file name and key.
        title: a few words.
        kinds: of studies that it is for.
        applies: why results have no such figure; None if they have.
        prepare: every number that is drawn, one table; saved next to the figure.
        draw: paints that table on an empty figure, inside ``theme.style()``.
        caption: plain text, from the prepared table alone.
        group: a key of GROUPS.
        rank: the lower, the earlier within its group.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    applies: Callable[[R], str | None]
    prepare: Callable[[R], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Canvas], None]
    caption: Callable[[pd.DataFrame], str]
    group: str
    rank: int = 100


def unless_empty(prepare: Callable[[R], pd.DataFrame], reason: str) -> Callable[[R], str | None]:
    """Return ``applies`` of a figure that can be drawn whenever its table has rows."""
    return lambda results: None if len(prepare(results)) else reason
