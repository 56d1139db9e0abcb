"""Grokking: accuracy and complexity against steps, with the controls next to the run that generalizes."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.courses import mark_step
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import (
    Grid,
    PanelRow,
    accuracy,
    around_hundred,
    colour_handles,
    draw_grid,
    landmark_handle,
)
from complexity_lab.figures.steps.learning import BDM_SHUFFLED, QUBD_SHUFFLED, QUBD_START
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

CONDITION: Final = "condition"
BDM_START: Final = Number(d.RATIO, "bdm")
ROWS: Final = (
    PanelRow("accuracy (%)", (Number(c.TRAIN_ACCURACY), Number(c.VALIDATION_ACCURACY)), accuracy),
    PanelRow("complexity,\n% of shuffled self", (QUBD_SHUFFLED, BDM_SHUFFLED), around_hundred),
    PanelRow("complexity,\n% of step 0", (QUBD_START, BDM_START), around_hundred),
)
COLOURS: Final = {"training": theme.FAINT, "validation": "#117733", "QuBD": "#332288", "BDM": "#DDAA33"}
LANDMARKS: Final = {  # label in the legend, word in the caption, the same if it never came, colour
    d.MEMORIZED: ("memorized", "memorized", "never memorized", theme.FAINT),
    d.GENERALIZED: ("generalized", "generalized", "never generalized", "#117733"),
    d.FELL: ("QuBD below its shuffled self for good", "QuBD fell", "QuBD never fell", "#332288"),
}
_ACCURACIES: Final = {c.TRAIN_ACCURACY: "training", c.VALIDATION_ACCURACY: "validation"}


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and range over seeds of accuracies and ratios (percent) per condition and step, and landmarks.

    Landmarks are rows with the quantity ``memorized``, ``generalized`` or ``fell`` (of QuBD) and their step; mean is
    the median over the seeds that reached it, ``seeds`` their number.
    """
    lines = conditions.over_steps(results, [number for row in ROWS for number in row.numbers])
    table = pd.concat([lines, conditions.landmark_steps(results, list(LANDMARKS))], ignore_index=True)
    named = conditions.with_lines(table).rename(columns={LINE: CONDITION})
    metrics = named[c.METRIC].map(metric_label).where(named[c.METRIC] != "")
    return named.assign(**{LINE: metrics.fillna(named[QUANTITY].map(_ACCURACIES)).fillna("")})


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per condition: accuracy, complexity relative to the shuffled self and to step 0."""
    columns = _columns(table)
    panels = draw_grid(figure, columns, Grid(rows=ROWS, colours=COLOURS, height=1.4))
    for title, rows in columns.items():
        for axes in panels[title]:
            for name, (*_, colour) in LANDMARKS.items():
                mark_step(axes, float(rows.loc[rows[QUANTITY] == name, c.STEP].median()), colour)
    seen = [name for name in LANDMARKS if table.loc[table[QUANTITY] == name, c.STEP].notna().any()]
    marks = [landmark_handle(LANDMARKS[name][0], LANDMARKS[name][-1]) for name in seen]
    theme.legend_below(figure, [*colour_handles(COLOURS), *marks], 7)


def _columns(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each condition: true labels and the most weight decay first."""
    order = table.sort_values([c.LABELS, c.WEIGHT_DECAY], ascending=[False, False], kind="stable")
    return {str(title): rows for title, rows in order.groupby(CONDITION, sort=False)}


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = []
    for condition, rows in _columns(table).items():
        found = rows.loc[rows[QUANTITY].isin(LANDMARKS)].set_index(QUANTITY)
        words = [
            f"{word} at step {float(str(found.loc[name, c.STEP])):,.0f}" if found.loc[name, d.SEEDS] else never
            for name, (_, word, never, _) in LANDMARKS.items()
        ]
        parts.append(f"{condition}: {', '.join(words)}")
    return (
        f"Accuracy and complexity of the weights, {conditions.seeds_of(table)}; dashed lines are medians of the first "
        "step with 99 % of the training or validation examples right, and of the step from which on QuBD stays more "
        f"than three standard deviations below the shuffled weights. {'; '.join(parts)}."
    )


FIGURE = Figure(
    name="grokking",
    title="Memory first, understanding later, and complexity",
    kinds=("trajectory",),
    group="steps",
    rank=40,
    applies=lambda results: conditions.why_not(
        results, "grokking", (QUBD_SHUFFLED, BDM_SHUFFLED, QUBD_START, BDM_START)
    ),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
