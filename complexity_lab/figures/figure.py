"""What a figure is: numbers first (prepare), then ink (draw), then a sentence with the numbers filled in (caption)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.statistics import SurveyTables

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


def needs_ratios(tables: SurveyTables, metric: str | None = None) -> str | None:
    """Return why there is no comparison of trained with initial weights, or None if there is one."""
    ratios = tables.ratios.loc[tables.ratios["ratio"].notna()]
    if metric is not None:
        ratios = ratios.loc[ratios["metric"] == metric]
    if len(ratios):
        return None
    name = metric or "any metric"
    return f"no model has {name} of both initial and trained weights"
