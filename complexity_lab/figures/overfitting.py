"""Losses and complexity over training, for training sets of several sizes with true and with random labels."""

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme, watched
from complexity_lab.figures.axes import plain_decades
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.learning import StudyTables

RATIOS: Final = ("qubd_self", "bdm_self")
LOSSES: Final = ("validation_loss", "train_loss")
_LOWEST_LOSS: Final = 1e-3  # of the axis; a memorized training set goes on falling below it


def prepare(tables: StudyTables) -> pd.DataFrame:
    """Return mean and range over seeds of losses and ratios (percent), per training set, arm and step."""
    return watched.over_time(tables, (*LOSSES, *RATIOS))


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per size of the training set: losses, then each ratio; a colour per arm."""
    sizes = sorted(table["examples"].unique())
    arms = watched.arms_of(table)
    figure.set_size_inches(theme.PAGE_WIDTH, 5.2)
    grid = figure.subplots(3, len(sizes), squeeze=False, sharex=True, sharey="row")
    for place, size in enumerate(sizes):
        rows = table.loc[table["examples"] == size]
        grid[0, place].set_title(f"{size:,} examples", fontsize=7.5)
        for arm in arms:
            own = rows.loc[(rows["labels"] == arm[0]) & (rows["weight_decay"] == arm[1])]
            colour = watched.colour_of(arm)
            for name in LOSSES:
                dashes = watched.DOTTED if name == "train_loss" else watched.SOLID
                shown = own.loc[own["quantity"] == name]
                watched.line(grid[0, place], shown, colour, dashes, band=name != "train_loss")
            for axes, name in zip(grid[1:, place], RATIOS, strict=True):
                watched.line(axes, own.loc[own["quantity"] == name], colour)
    grid[0, 0].set_ylabel("loss")
    plain_decades(grid[0, 0])
    grid[0, 0].set_ylim(_LOWEST_LOSS, 1.6 * float(table.loc[table["quantity"] == "validation_loss", "high"].max()))
    for row, name in zip(grid[1:], RATIOS, strict=True):
        row[0].set_ylabel(watched.NAMES[name])
        for axes in row:
            watched.percent_axis(axes, watched.ends_of(table.loc[table["quantity"] == name]))
    for axes in grid[-1]:
        watched.step_axis(axes, float(table["step"].max()))
    handles = [
        Line2D([], [], color=theme.SOFT, label="validation loss"),
        Line2D([], [], color=theme.SOFT, linestyle=watched.DOTTED, label="training loss"),
    ]
    figure.align_ylabels(grid[:, 0])
    watched.legend(figure, [*watched.arm_handles(arms), *handles], 4 if len(arms) < 3 else 3)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    loss = table.loc[table["quantity"] == "validation_loss"]
    groups = [group.sort_values("step") for _, group in loss.groupby(["examples", "labels", "weight_decay"])]
    risen = sum(group["mean"].iloc[-1] > 1.1 * group["mean"].min() for group in groups)
    seeds = int(table["seeds"].max())
    return (
        "Losses, and complexity of the weights relative to the same weights shuffled within each tensor; means of "
        f"{seeds} seed{'s' if seeds > 1 else ''}, bands from the lowest to the highest. In {risen} of {len(groups)} "
        "lines the mean validation loss ends more than a tenth above its lowest point."
    )


def _applies(tables: StudyTables) -> str | None:
    return watched.why_not(tables, "overfitting", RATIOS)


FIGURE = Figure(
    name="overfitting",
    title="Overfitting and complexity over training",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
