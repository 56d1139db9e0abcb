"""A grid of panels over steps or epochs: a column per network or training set, a row per kind of number.

Panels of one row share their scale, whatever column they are in; panels of one column share their steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import NICE, Axis, Floats, Scale, Side, plain_decades, ruler, steps
from complexity_lab.figures.courses import DASHED, Courses, draw_courses
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

Panels = npt.NDArray[np.object_]
STEPS: Final = Axis(c.STEP, "training step", steps)
LOWEST_LOSS: Final = 1e-3  # of an axis; the loss of a memorized training set goes on falling below it
_DECADES: Final = 20  # largest over smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class PanelRow:
    """One row of panels: the numbers in it, what they are called, and their scale."""

    label: str
    numbers: tuple[Number, ...]
    scale: Scale
    height: float = 1.0

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a table that belong here."""
        pairs = pd.MultiIndex.from_arrays([table[QUANTITY], table[c.METRIC]])
        return table.loc[pairs.isin([tuple(number) for number in self.numbers])]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How the lines of a grid look: colours by the column ``line``, dashes by another column."""

    rows: Sequence[PanelRow]
    colours: Mapping[str, str]
    dashes: tuple[str, Mapping[Any, Any]] | None = None
    x: Axis = STEPS
    wrap: int = 6  # columns side by side
    height: float = 1.25  # of a row of panels, inches

    def courses(self, row: PanelRow) -> Courses:
        """Return the declaration of the panels of a row."""
        dashed = (self.dashes[0],) if self.dashes else ()
        y = Axis(d.MEAN, "", row.scale)
        lines = (c.GROUP, QUANTITY, c.METRIC, LINE, *dashed)
        return Courses(
            x=self.x, y=y, lines=lines, colour=LINE, colours=self.colours, low=d.LOW, high=d.HIGH, dashes=self.dashes
        )


def draw_grid(canvas: Canvas, columns: Mapping[str, pd.DataFrame], grid: Grid) -> dict[str, list[Axes]]:
    """Draw a column of panels per title, in as many blocks as fit next to each other; return the panels by title."""
    wrap = min(grid.wrap, len(columns))
    blocks = math.ceil(len(columns) / wrap)
    heights = [row.height for row in grid.rows] * blocks
    canvas.set_size_inches(theme.PAGE_WIDTH, grid.height * sum(heights) + 0.35 * blocks + 0.45)
    panels: Panels = canvas.subplots(len(heights), wrap, squeeze=False, height_ratios=heights)
    for spare in range(len(columns), blocks * wrap):
        for axes in _column(panels, spare, wrap, len(grid.rows)):
            axes.set_axis_off()
    every = pd.concat(list(columns.values()), ignore_index=True)
    found = {}
    for index, (title, rows) in enumerate(columns.items()):
        found[title] = _column(panels, index, wrap, len(grid.rows))
        found[title][0].set_title(title, fontsize=7.5)
        _draw_column(found[title], rows, every, grid, first=index % wrap == 0)
    canvas.align_ylabels(list(panels[:, 0]))
    return found


def _column(panels: Panels, index: int, wrap: int, rows: int) -> list[Axes]:
    top = index // wrap * rows
    return list(panels[top : top + rows, index % wrap])


def _draw_column(panels: list[Axes], rows: pd.DataFrame, every: pd.DataFrame, grid: Grid, *, first: bool) -> None:
    along = pd.concat([row.of(rows) for row in grid.rows])[grid.x.column].to_numpy(float)
    for axes, row in zip(panels, grid.rows, strict=True):
        draw_courses(axes, row.of(rows), grid.courses(row))
        grid.x.scale(axes, "x", along)
        row.scale(axes, "y", row.of(every)[[d.MEAN, d.LOW, d.HIGH]].to_numpy(float).ravel())
        axes.grid(axis="y")
        axes.set_ylabel(row.label if first else "")
        if not first:
            axes.tick_params(axis="y", which="both", labelleft=False)
        if axes is not panels[-1]:
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")


def loss(axes: Axes, side: Side, values: Floats) -> None:
    """Make it an axis of losses: logarithmic where they span decades, down to LOWEST_LOSS; else from zero on."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if not len(positive) or positive.max() <= _DECADES * positive.min():
        axes.set(**{f"{side}lim": (0.0, 1.06 * float(finite.max(initial=1e-9)))})
        ruler(axes, side).set_major_locator(MaxNLocator(nbins=4, steps=NICE))
        return
    plain_decades(axes, side, positive)
    axes.set(**{f"{side}lim": (max(LOWEST_LOSS, float(positive.min()) / 1.3), 1.6 * float(positive.max()))})


def accuracy(axes: Axes, side: Side, values: Floats) -> None:
    """Make it an axis of accuracies from 0 to 100 percent, whatever they are: panels can be compared."""
    del values
    axes.set(**{f"{side}lim": (-3.0, 104.0)})
    ruler(axes, side).set_major_locator(MaxNLocator(nbins=5, steps=NICE))


def around_hundred(axes: Axes, side: Side, values: Floats) -> None:
    """Make it an axis of percentages of a reference, which is a line at 100; it never shows less than half a point."""
    finite = values[np.isfinite(values)]
    low, high = min(float(finite.min(initial=99.7)), 99.7), max(float(finite.max(initial=100.2)), 100.2)
    margin = 0.06 * (high - low)
    axes.set(**{f"{side}lim": (low - margin, high + margin)})
    (axes.axvline if side == "x" else axes.axhline)(100, color=theme.FAINT, linewidth=0.7, zorder=0)
    ruler(axes, side).set_major_locator(MaxNLocator(nbins=5, steps=NICE))
    ruler(axes, side).set_major_formatter(FuncFormatter(lambda value, _: numbers.plain(round(value, 6))))


def colour_handles(colours: Mapping[str, str]) -> list[Line2D]:
    """Return a legend handle per line; none if there is only one."""
    return [theme.line_handle(label, colour) for label, colour in colours.items()] if len(colours) > 1 else []


def dash_handles(meanings: Mapping[str, Any]) -> list[Line2D]:
    """Return a grey legend handle per meaning of dashes."""
    return [theme.line_handle(label, linestyle=dashes, linewidth=1.1) for label, dashes in meanings.items()]


def landmark_handle(label: str, colour: str = theme.SOFT) -> Line2D:
    """Return the legend handle of a thin vertical line."""
    return theme.line_handle(label, colour, linestyle=DASHED, linewidth=0.8)
