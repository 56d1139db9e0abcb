"""Grokking: accuracy and complexity against steps, with the controls beside the run that generalizes."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme, watched
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.learning import StudyTables

ACCURACIES: Final = ("train_accuracy", "validation_accuracy")
RATIOS: Final = (("qubd_self", "bdm_self"), ("qubd_start", "bdm_start"))
COLOURS: Final = {
    "train_accuracy": theme.FAINT,
    "validation_accuracy": "#117733",
    "qubd_self": "#332288",
    "bdm_self": "#DDAA33",
    "qubd_start": "#332288",
    "bdm_start": "#DDAA33",
}
MARKS: Final = {"memorized": theme.FAINT, "generalized": "#117733", "fell": "#332288"}


def prepare(tables: StudyTables) -> pd.DataFrame:
    """Return mean and range over seeds of accuracies and ratios (percent) per arm and step, and the mean landmarks.

    Landmarks are rows with the quantity ``memorized``, ``generalized`` or ``fell`` (of QuBD) and their step; mean is
    the median over the seeds that got there, ``seeds`` their number.
    """
    lines = watched.over_time(tables, (*ACCURACIES, *RATIOS[0], *RATIOS[1]))
    return pd.concat([lines, watched.marked_steps(tables, list(MARKS))], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per arm: accuracy, complexity relative to the shuffled self, complexity relative to step 0."""
    arms = sorted(watched.arms_of(table), key=lambda arm: (arm[0] != "true", -arm[1]))
    figure.set_size_inches(theme.PAGE_WIDTH, 4.9)
    grid = figure.subplots(3, len(arms), squeeze=False, sharex=True, sharey="row")
    last = float(table["step"].max())
    for place, arm in enumerate(arms):
        rows = table.loc[(table["labels"] == arm[0]) & (table["weight_decay"] == arm[1])]
        grid[0, place].set_title(watched.arm_label(arm, arms), fontsize=8)
        for axes, names in zip(grid[:, place], (ACCURACIES, *RATIOS), strict=True):
            for name in names:
                watched.line(axes, rows.loc[rows["quantity"] == name], COLOURS[name])
            for name, colour in MARKS.items():
                for step in rows.loc[rows["quantity"] == name, "step"]:
                    watched.mark_step(axes, float(step), colour)
    _axes(grid, table, last)
    figure.align_ylabels(grid[:, 0])
    watched.legend(figure, _handles(), 7)


def _axes(grid: np.ndarray, table: pd.DataFrame, last: float) -> None:
    grid[0, 0].set_ylabel("accuracy (%)")
    grid[0, 0].set_ylim(-3, 104)
    for axes in grid[0]:
        axes.grid(axis="y")
    for row, names, label in zip(grid[1:], RATIOS, ("% of shuffled self", "% of step 0"), strict=True):
        row[0].set_ylabel(f"complexity,\n{label}")
        values = watched.ends_of(table.loc[table["quantity"].isin(names)])
        for axes in row:
            watched.percent_axis(axes, values)
    for axes in grid[-1]:
        watched.step_axis(axes, last)


def _handles() -> list[Line2D]:
    look: dict[str, Any] = {"linewidth": 1.6}
    lines = (("train_accuracy", "training"), ("validation_accuracy", "validation"), ("qubd_self", "QuBD"))
    handles = [Line2D([], [], color=COLOURS[name], label=label, **look) for name, label in lines]
    handles.append(Line2D([], [], color=COLOURS["bdm_self"], label="BDM", **look))
    words = {"memorized": "memorized", "generalized": "generalized", "fell": "QuBD below its shuffled self for good"}
    return handles + [
        Line2D([], [], color=colour, linestyle=watched.DASHED, linewidth=0.9, label=words[name])
        for name, colour in MARKS.items()
    ]


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    marks = table.loc[table["quantity"].isin(MARKS)]
    arms = sorted(watched.arms_of(table), key=lambda arm: (arm[0] != "true", -arm[1]))
    told = []
    for arm in arms:
        own = marks.loc[(marks["labels"] == arm[0]) & (marks["weight_decay"] == arm[1])]
        found = {row["quantity"]: row for row in own.to_dict("records")}
        steps = [_step(found[name], word) for name, word in _WORDS.items()]
        told.append(f"{watched.arm_label(arm, arms) or 'all runs'}: {', '.join(steps)}")
    seeds = int(table["seeds"].max())
    return (
        f"Accuracy and complexity of the weights, means of {seeds} seed{'s' if seeds > 1 else ''}, bands from the "
        "lowest to the highest; dashed lines are medians of the first step with 99 % of the training or validation "
        "examples right, and of the step from which on QuBD stays more than three standard deviations below the "
        f"shuffled weights. {'; '.join(told)}."
    )


_WORDS: Final = {"memorized": "memorized", "generalized": "generalized", "fell": "QuBD fell"}
_NEVER: Final = {"memorized": "never memorized", "generalized": "never generalized", "QuBD fell": "QuBD never fell"}


def _step(row: dict[Any, Any], word: str) -> str:
    return f"{word} at step {row['mean']:,.0f}" if row["seeds"] else _NEVER[word]


def _applies(tables: StudyTables) -> str | None:
    return watched.why_not(tables, "grokking", (*RATIOS[0], *RATIOS[1]))


FIGURE = Figure(
    name="grokking",
    title="Memory first, understanding later, and complexity",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
