"""Archetype: marks of models on two axes, with error bars, and what belongs to the same model joined by a hairline.

One vocabulary for all figures: a mark is filled; hollow is what became more complex; pale is what is not resolved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme
from complexity_lab.figures.axes import Axis
from complexity_lab.tables import columns as c

MANY: Final = 40  # marks, from which on they are small
_PALE: Final = 0.25


@dataclass(frozen=True)
class Companion:
    """Another number of the same model at the same place along the axis: a tick of noise, a null model.

    Attributes:
        column: percentages above zero, or signed, as the axis is.
        marker: of matplotlib.
        label: in the legend.
        joined: whether a hairline joins it to the mark of its model.
        size: points squared.
    """

    column: str
    marker: str
    label: str
    joined: bool = True
    size: float = 30


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is on which axis: one mark per row.

    Attributes:
        x: axis along.
        y: axis up.
        spread: column of the length of error bars on each side, in the unit of y.
        hollow: boolean column: more complex after training.
        pale: boolean column: not resolved.
        companions: further numbers of the same models.
    """

    x: Axis
    y: Axis
    spread: str | None = None
    hollow: str | None = None
    pale: str | None = None
    companions: tuple[Companion, ...] = ()

    def reach(self, table: pd.DataFrame) -> np.ndarray:
        """Return all that the axis up has to hold, error bars and companions among it, float64."""
        y = table[self.y.column].to_numpy(float)
        spread = table[self.spread].fillna(0).to_numpy(float) if self.spread else np.zeros(len(table))
        return np.concatenate([y - spread, y + spread, *(table[it.column].to_numpy(float) for it in self.companions)])


def draw_marks(axes: Axes, table: pd.DataFrame, spec: Marks, marks: dict[str, theme.Mark]) -> None:
    """Draw marks by family on one panel, and lay out its axes."""
    spec.x.scale(axes, "x", table[spec.x.column].to_numpy(float))
    spec.y.scale(axes, "y", spec.reach(table))
    axes.set(xlabel=spec.x.label, ylabel=spec.y.label)
    for companion in spec.companions:
        _draw_companion(axes, table, spec, companion)
    if spec.spread:
        lengths = table[spec.spread].fillna(0)
        look: dict[str, Any] = {"fmt": "none", "ecolor": theme.SOFT, "elinewidth": 0.7, "zorder": 2}
        axes.errorbar(table[spec.x.column], table[spec.y.column], yerr=lengths, **look)
    shown = table.loc[table[spec.y.column] != 0] if axes.get_yscale() == "log" else table
    for family, rows in shown.groupby(c.FAMILY, sort=False):
        axes.scatter(
            *(rows[spec.x.column], rows[spec.y.column]),
            s=34 if len(table) <= MANY else 18,
            marker=marks[str(family)].marker,
            zorder=3,
            **_ink(rows, spec, marks[str(family)].colour),
        )


def draw_panels(
    table: pd.DataFrame, figure: Canvas, spec: Marks, panels: dict[str, pd.DataFrame], **layout: Any
) -> None:
    """Draw a panel per title, one of them without its title, and one legend below."""
    grid = figure.subplots(1, len(panels), squeeze=False, **layout)[0]
    families = theme.family_marks(table.drop_duplicates(c.MODEL)[c.FAMILY])
    for axes, (title, rows) in zip(grid, panels.items(), strict=True):
        draw_marks(axes, rows, spec, families)
        if len(panels) > 1:
            axes.set_title(title)
    if layout.get("sharey"):
        spec.y.scale(grid[0], "y", spec.reach(table))
        for axes in grid[1:]:
            axes.set_ylabel("")
            axes.grid(axis="y")
    theme.legend_below(figure, handles(table, spec, families))


def handles(table: pd.DataFrame, spec: Marks, marks: dict[str, theme.Mark]) -> list[Line2D]:
    """Return the handles of families, of hollow and pale marks if there are any, and of companions."""
    found = theme.family_handles(marks)
    look: dict[str, Any] = {"markeredgecolor": theme.INK, "markeredgewidth": 0.8}
    if spec.hollow and table[spec.hollow].any():
        found.append(theme.point_handle("hollow: more complex", theme.Mark("white", "o"), **look))
    if spec.pale and table[spec.pale].any():
        pale = theme.point_handle("pale: not resolved", theme.Mark("#c7c8c9", "o"), **look)
        found.append(pale)
    grey: dict[str, Any] = {"markeredgecolor": theme.SOFT, "markeredgewidth": 0.9}
    for it in spec.companions:
        if _drawable(table, spec, it).any():
            mark = theme.Mark(theme.SOFT, it.marker)
            found.append(theme.point_handle(it.label, mark, markersize=min(it.size**0.5, 6), **grey))
    return found


def _drawable(table: pd.DataFrame, spec: Marks, companion: Companion) -> pd.Series[bool]:
    low = float(np.nanmin(table[spec.y.column])) if len(table) else 0.0
    return table[companion.column].notna() & ((table[companion.column] > 0) | (low < 0))


def _draw_companion(axes: Axes, table: pd.DataFrame, spec: Marks, companion: Companion) -> None:
    known = table.loc[_drawable(table, spec, companion)]
    x, other = known[spec.x.column], known[companion.column]
    if companion.joined:
        axes.vlines(x, other, known[spec.y.column], color=theme.RULE, linewidth=0.7, zorder=1)
    size, width = (companion.size, 0.9) if len(table) <= MANY else (companion.size / 3, 0.6)
    axes.scatter(x, other, marker=companion.marker, s=size, color=theme.SOFT, linewidths=width, zorder=2)


def _ink(rows: pd.DataFrame, spec: Marks, colour: str) -> dict[str, Any]:
    """Return edges and fills of the marks of one family."""
    if spec.hollow is None and spec.pale is None:
        return {"facecolors": colour, "edgecolors": "white", "linewidths": 0.4}
    faces = np.tile(to_rgba(colour), (len(rows), 1))
    if spec.pale:
        pale = rows[spec.pale].to_numpy(bool)
        faces[pale, :3] = 1 - _PALE * (1 - faces[pale, :3])
    if spec.hollow:
        faces[rows[spec.hollow].to_numpy(bool)] = 1.0
    return {"facecolors": faces, "edgecolors": colour, "linewidths": 0.8}
