"""What is left at the end of training against the number of training examples: accuracy and complexity."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from complexity_lab.figures import theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.numbers import near_hundred
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import PanelRow, accuracy, around_hundred, colour_handles
from complexity_lab.figures.steps.learning import BDM_SHUFFLED, QUBD_SHUFFLED, QUBD_START
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

PANELS: Final = (
    PanelRow("test accuracy (%)", (Number(c.TEST_ACCURACY_FINAL),), accuracy),
    PanelRow("QuBD, % of shuffled self", (QUBD_SHUFFLED,), around_hundred),
    PanelRow("BDM, % of shuffled self", (BDM_SHUFFLED,), around_hundred),
    PanelRow("QuBD, % of step 0", (QUBD_START,), around_hundred),
)


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and range over seeds of the final numbers (percent), per training set and condition."""
    parts = []
    for number in (number for panel in PANELS for number in panel.numbers):
        rows = conditions.whole(results.last, number.metric) if number.metric else results.last_losses
        found = conditions.over_seeds(rows, number.quantity, [])
        parts.append(found.assign(**{QUANTITY: number.quantity, c.METRIC: number.metric}))
    return conditions.with_lines(conditions.in_order(pd.concat(parts, ignore_index=True)))


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per number, a line per condition, a bar from the lowest to the highest seed."""
    colours = conditions.line_colours(table)
    figure.set_size_inches(theme.PAGE_WIDTH, 2.6)
    grid = figure.subplots(1, len(PANELS), squeeze=False)[0]
    for axes, panel in zip(grid, PANELS, strict=True):
        rows = panel.of(table)
        for shift, (line, colour) in zip(_shifts(len(colours)), colours.items(), strict=True):
            _draw_line(axes, rows.loc[rows[LINE] == line].sort_values(c.EXAMPLES), colour, shift)
        axes.set_title(panel.label, fontsize=7.5)
        panel.scale(axes, "y", rows[[d.LOW, d.HIGH]].to_numpy(float).ravel())
        axes.grid(axis="y")
        _examples(axes, sorted(table[c.EXAMPLES].unique()))
    theme.legend_below(figure, colour_handles(colours), 4)


def _shifts(count: int) -> list[float]:
    """Return by what each condition is moved along, so that bars of one training set lie next to each other."""
    return [1.05 ** (2 * index - count + 1) for index in range(count)]


def _draw_line(axes: Axes, rows: pd.DataFrame, colour: str, shift: float) -> None:
    mean = rows[d.MEAN]
    lengths = [(mean - rows[d.LOW]).clip(lower=0), (rows[d.HIGH] - mean).clip(lower=0)]
    axes.errorbar(
        *(shift * rows[c.EXAMPLES].to_numpy(float), mean, lengths),
        color=colour,
        marker="o",
        markersize=3.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
        elinewidth=0.8,
        linewidth=1.1,
    )


def _examples(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("training examples")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    ends = table.loc[(table[QUANTITY] == d.RATIO_SHUFFLED) & (table[c.METRIC] == "qubd")]
    lowest = ends.iloc[int(ends[d.MEAN].to_numpy(float).argmin())]
    return (
        f"The last weights against the number of training examples, {conditions.seeds_of(table)}. QuBD is lowest, at "
        f"{near_hundred(float(lowest[d.MEAN]))} of its shuffled self, with {int(lowest[c.EXAMPLES]):,} examples "
        f"({lowest[LINE]})."
    ).replace("bands from", "bars from")


def _applies(results: StepResults) -> str | None:
    reason = conditions.why_not(results, "overfitting", (QUBD_SHUFFLED, BDM_SHUFFLED))
    if reason is None and results.last[c.EXAMPLES].nunique() < 2:
        return "training sets of one size only"
    return reason


FIGURE = Figure(
    name="memory",
    title="Complexity at the end against training examples",
    kinds=("trajectory",),
    group="steps",
    rank=30,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
