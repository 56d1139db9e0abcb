"""What a figure is: numbers first (prepare), then ink (draw), then a sentence with the numbers filled in (caption)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.statistics import SurveyTables
from complexity_lab.statistics.rows import plane_of

GROUPS: Final = ("zoo", "planes", "layers", "controls")
"""What a figure is about, in the order of a report; figures of other studies leave it at the first."""

Tables = TypeVar("Tables")  # of a survey, or of a training experiment


@dataclass(frozen=True)
class Figure(Generic[Tables]):
    """One figure. To add one: write a file with these functions and list it in ``FIGURES``."""

    name: str  # file name and key
    title: str  # a few words
    applies: Callable[[Tables], str | None]  # why the tables have no such figure; None if they have
    prepare: Callable[[Tables], pd.DataFrame]  # every number that is drawn; saved next to the figure
    draw: Callable[[pd.DataFrame, Canvas], None]  # on an empty figure, inside theme.style()
    caption: Callable[[pd.DataFrame], str]  # plain text, from the prepared table alone
    group: str = GROUPS[0]


def needs_ratios(tables: SurveyTables, metric: str | None = None) -> str | None:
    """Return why there is no comparison of trained with initial weights, or None if there is one."""
    ratios = tables.ratios.loc[tables.ratios["ratio"].notna()]
    if metric is not None:
        ratios = ratios.loc[ratios["metric"] == metric]
    if len(ratios):
        return None
    name = metric or "any metric"
    return f"no model has {name} of both initial and trained weights"


def needs_planes(tables: SurveyTables) -> str | None:
    """Return why there are no bit planes of both states, or None if there are."""
    metrics = tables.measurements["metric"].unique()
    if not any(plane_of(str(metric)) is not None for metric in metrics):
        return "the survey holds no bit planes (metric qubd); survey with a preset or with bits"
    missing = needs_ratios(tables, "qubd")
    return missing and "no model has bit planes (metric qubd) of both initial and trained weights"
