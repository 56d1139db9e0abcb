"""Archetype: numbers against training steps, a line per condition, with the spread over seeds behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from complexity_lab.figures import theme
from complexity_lab.figures.axes import Axis

SOLID: Final = "-"
DASHED: Final[Any] = (0, (4, 1.5))
DOTTED: Final[Any] = (0, (1, 1.2))
_SPARSE: Final = 20  # steps up to which every one has a dot


@dataclass(frozen=True, kw_only=True)
class Courses:
    """What is on which axis: a line per combination of ``lines``, one row per step.

    Attributes:
        x: axis along.
        y: axis up.
        lines: columns that tell lines apart.
        colour: the column whose values have colours.
        colours: a colour of each; ink if it has none.
        dashes: the column whose values have dashes, and the dashes of each.
        low: column of the lower edge of the band.
        high: column of its upper edge; no band where the two are equal or unknown.
    """

    x: Axis
    y: Axis
    lines: tuple[str, ...]
    colour: str
    colours: Mapping[Any, str]
    low: str
    high: str
    dashes: tuple[str, Mapping[Any, Any]] | None = None


def draw_courses(axes: Axes, table: pd.DataFrame, spec: Courses) -> None:
    """Draw the lines of a panel, then lay out its axes for what they hold, bands included."""
    for _, line in table.groupby(list(spec.lines), sort=False, dropna=False):
        _draw_line(axes, line.sort_values(spec.x.column), spec)
    spec.x.scale(axes, "x", table[spec.x.column].to_numpy(float))
    spec.y.scale(axes, "y", table[[spec.y.column, spec.low, spec.high]].to_numpy(float).ravel())
    axes.set(xlabel=spec.x.label, ylabel=spec.y.label)


def _draw_line(axes: Axes, line: pd.DataFrame, spec: Courses) -> None:
    colour = spec.colours.get(line[spec.colour].iloc[0], theme.INK)
    column, kinds = spec.dashes or (spec.colour, {})
    look: dict[str, Any] = {"marker": "o" if len(line) <= _SPARSE else None, "markersize": 2.2, "linewidth": 1.1}
    x = line[spec.x.column]
    axes.plot(x, line[spec.y.column], color=colour, linestyle=kinds.get(line[column].iloc[0], SOLID), **look)
    if (line[spec.high] > line[spec.low]).any():
        axes.fill_between(x, line[spec.low], line[spec.high], color=colour, alpha=0.15, linewidth=0)


def mark_step(axes: Axes, step: float, colour: str) -> None:
    """Draw a thin vertical line at a step; nothing for one that was never reached (NaN)."""
    if step == step:
        axes.axvline(step, color=colour, linewidth=0.7, linestyle=(0, (2.5, 2)), zorder=0.5)
