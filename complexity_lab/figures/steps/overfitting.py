"""Losses and complexity over training, for training sets of several sizes with true and with random labels."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.courses import DOTTED, SOLID
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import QUANTITY
from complexity_lab.figures.steps.grid import Grid, colour_handles, dash_handles, draw_grid
from complexity_lab.figures.steps.learning import BDM_SHUFFLED, DASHES, QUBD_SHUFFLED, ROWS
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

SHOWN: Final = ROWS[:3]


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and range over seeds of losses and ratios (percent), per training set, condition and step."""
    found = conditions.over_steps(results, [number for row in SHOWN for number in row.numbers])
    return conditions.with_lines(found)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per size of the training set: losses, then each ratio; a colour per condition."""
    columns = {f"{int(str(size)):,} examples": rows for size, rows in table.groupby(c.EXAMPLES)}
    colours = conditions.line_colours(table)
    draw_grid(figure, columns, Grid(rows=SHOWN, colours=colours, dashes=(QUANTITY, DASHES)))
    meanings = dash_handles({"validation loss": SOLID, "training loss": DOTTED})
    theme.legend_below(figure, [*colour_handles(colours), *meanings], 4)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    loss = table.loc[table[QUANTITY] == c.VALIDATION_LOSS]
    groups = [group.sort_values(c.STEP)[d.MEAN] for _, group in loss.groupby(c.GROUP)]
    risen = sum(means.iloc[-1] > 1.1 * means.min() for means in groups)
    return (
        "Losses, and complexity of the weights relative to the same weights shuffled within each tensor; "
        f"{conditions.seeds_of(table)}. In {risen} of {len(groups)} lines the mean validation loss ends more than a "
        "tenth above its lowest point."
    )


FIGURE = Figure(
    name="overfitting",
    title="Overfitting and complexity over training",
    kinds=("trajectory",),
    group="steps",
    rank=20,
    applies=lambda results: conditions.why_not(results, "overfitting", (QUBD_SHUFFLED, BDM_SHUFFLED)),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
