"""Losses and complexity while networks of several sizes learn, a column per network."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.courses import DOTTED, SOLID, mark_step
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.numbers import count, near_hundred
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import (
    Grid,
    PanelRow,
    around_hundred,
    colour_handles,
    dash_handles,
    draw_grid,
    landmark_handle,
    loss,
)
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

LOSSES: Final = (Number(c.VALIDATION_LOSS), Number(c.TRAIN_LOSS))
QUBD_SHUFFLED: Final = Number(d.RATIO_SHUFFLED, "qubd")
BDM_SHUFFLED: Final = Number(d.RATIO_SHUFFLED, "bdm")
QUBD_START: Final = Number(d.RATIO, "qubd")
DASHES: Final = {c.VALIDATION_LOSS: SOLID, c.TRAIN_LOSS: DOTTED}
LOSS_ROW: Final = PanelRow("loss", LOSSES, loss)
ROWS: Final = (
    LOSS_ROW,
    PanelRow("QuBD,\n% of shuffled self", (QUBD_SHUFFLED,), around_hundred),
    PanelRow("BDM,\n% of shuffled self", (BDM_SHUFFLED,), around_hundred),
    PanelRow("QuBD,\n% of step 0", (QUBD_START,), around_hundred),
)


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and range over seeds of losses and ratios (percent), per network, condition and step.

    Rows with the quantity ``best`` have the step of the lowest validation loss, median over seeds.
    """
    lines = conditions.over_steps(results, [number for row in ROWS for number in row.numbers])
    best = conditions.landmark_steps(results, [d.BEST])
    return conditions.with_lines(pd.concat([lines, best], ignore_index=True))


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per network: losses on top, then each ratio, a colour per condition."""
    colours = conditions.line_colours(table)
    panels = draw_grid(figure, network_columns(table), Grid(rows=ROWS, colours=colours, dashes=(QUANTITY, DASHES)))
    for title, rows in network_columns(table).items():
        for best in rows.loc[rows[QUANTITY] == d.BEST].to_dict("records"):
            for axes in panels[title]:
                mark_step(axes, best[c.STEP], colours[best[LINE]])
    meanings = dash_handles({"validation loss": SOLID, "training loss": DOTTED})
    theme.legend_below(figure, [*colour_handles(colours), *meanings, landmark_handle("lowest validation loss")], 5)


def network_columns(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each network, the smallest first, under its name and size."""
    found = {}
    for network, rows in table.sort_values(c.PARAMETERS, kind="stable").groupby(c.ARCHITECTURE, sort=False):
        size = rows[c.PARAMETERS].iloc[0]
        found[str(network) if pd.isna(size) else f"{network}\n{count(float(size))} parameters"] = rows
    return found


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    rows = table.loc[(table[QUANTITY] == d.RATIO_SHUFFLED) & (table[c.METRIC] == "qubd")]
    parts = []
    for line, own in rows.loc[rows[c.STEP] == rows[c.STEP].max()].groupby(LINE, sort=False):
        low, high = near_hundred(float(own[d.MEAN].min())), near_hundred(float(own[d.MEAN].max()))
        parts.append(f"{line}: {low}" + (f" to {high}" if high != low else ""))
    return (
        "Losses, and complexity of the weights relative to the same weights shuffled within each tensor and to step 0; "
        f"{conditions.seeds_of(table)}, dashed the median step of the lowest validation loss. QuBD ends at, in percent "
        f"of its shuffled self, over the networks: {'; '.join(parts)}."
    )


FIGURE = Figure(
    name="learning",
    title="Loss and complexity while learning",
    kinds=("trajectory",),
    group="steps",
    rank=10,
    applies=lambda results: conditions.why_not(results, "learning", (QUBD_SHUFFLED, BDM_SHUFFLED, QUBD_START)),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
