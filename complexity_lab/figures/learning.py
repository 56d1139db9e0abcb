"""Losses and complexity of networks that learn, and the list of the figures of such studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import grokking, memory, overfitting, parts, theme, watched
from complexity_lab.figures.axes import plain_decades
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.numbers import count, near_hundred
from complexity_lab.figures.render import RenderedFigure, write_figures
from complexity_lab.statistics.learning import StudyTables

RATIOS: Final = ("qubd_self", "bdm_self", "qubd_start")
LOSSES: Final = ("validation_loss", "train_loss")


def prepare(tables: StudyTables) -> pd.DataFrame:
    """Return mean and range over seeds of losses and ratios (percent), per network, arm and step.

    Rows with the quantity ``best`` have the step of the lowest validation loss, median over seeds.
    """
    lines = watched.over_time(tables, (*LOSSES, *RATIOS))
    return pd.concat([lines, watched.marked_steps(tables, ["best"])], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per network: losses on top, then each ratio, a colour per arm."""
    networks = list(dict.fromkeys(table.sort_values("parameters")["hidden"]))
    arms = watched.arms_of(table)
    figure.set_size_inches(theme.PAGE_WIDTH, 6.4)
    grid = figure.subplots(4, len(networks), squeeze=False, sharex=True, sharey="row")
    for place, network in enumerate(networks):
        rows = table.loc[table["hidden"] == network]
        panels = grid[:, place]
        size = count(float(rows["parameters"].iloc[0]))
        panels[0].set_title(f"{network}\n{size} parameters", fontsize=7.5)
        for arm in arms:
            own = rows.loc[(rows["labels"] == arm[0]) & (rows["weight_decay"] == arm[1])]
            best = own.loc[own["quantity"] == "best", "step"]
            for axes, names in zip(panels, ((*LOSSES,), *((name,) for name in RATIOS)), strict=True):
                watched.mark_step(axes, float(best.iloc[0]), watched.colour_of(arm))
                for name in names:
                    dashes = watched.DOTTED if name == "train_loss" else watched.SOLID
                    watched.line(axes, own.loc[own["quantity"] == name], watched.colour_of(arm), dashes)
    for row, name in zip(grid, ("loss", *RATIOS), strict=True):
        row[0].set_ylabel(watched.NAMES.get(name, name))
        if name == "loss":
            plain_decades(row[0])
            row[0].set_ylim(bottom=max(1e-4, float(table.loc[table["quantity"].isin(LOSSES), "low"].min())))
        else:
            for axes in row:
                watched.percent_axis(axes, watched.ends_of(table.loc[table["quantity"] == name]))
    for axes in grid[-1]:
        watched.step_axis(axes, float(table["step"].max()))
    figure.align_ylabels(grid[:, 0])
    watched.legend(figure, [*watched.arm_handles(arms), *_other_handles()], 5)


def _other_handles() -> list[Line2D]:
    return [
        Line2D([], [], color=theme.SOFT, label="validation loss"),
        Line2D([], [], color=theme.SOFT, linestyle=watched.DOTTED, label="training loss"),
        Line2D([], [], color=theme.SOFT, linestyle=watched.DASHED, linewidth=0.9, label="lowest validation loss"),
    ]


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    arms = watched.arms_of(table)
    ends = table.loc[(table["quantity"] == "qubd_self") & (table["step"] == table["step"].max())]
    parts_of = []
    for arm in arms:
        own = ends.loc[(ends["labels"] == arm[0]) & (ends["weight_decay"] == arm[1]), "mean"]
        low, high = near_hundred(float(own.min())), near_hundred(float(own.max()))
        label = watched.arm_label(arm, arms) or "all runs"
        parts_of.append(f"{label}: {low}" + (f" to {high}" if high != low else ""))
    seeds = int(table["seeds"].max())
    return (
        "Losses, and complexity of the weights relative to the same weights shuffled within each tensor and to step 0; "
        f"means of {seeds} seed{'s' if seeds > 1 else ''}, bands from the lowest to the highest, dashed "
        "the median step of the lowest validation loss. QuBD ends at, in percent of its shuffled self, over the "
        f"networks: {'; '.join(parts_of)}."
    )


def _applies(tables: StudyTables) -> str | None:
    return watched.why_not(tables, "learning", RATIOS)


FIGURE = Figure(
    name="learning",
    title="Loss and complexity while learning",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)

STUDY_FIGURES: Final[dict[str, Figure[StudyTables]]] = {
    figure.name: figure for figure in (FIGURE, overfitting.FIGURE, memory.FIGURE, grokking.FIGURE, parts.FIGURE)
}


def render_study(directory: Path, out: Path | None = None, names: Sequence[str] | None = None) -> list[RenderedFigure]:
    """Write the figures of a study of networks in training: those that apply, or those named.

    Raises:
        InputError: no such study, or a figure named does not apply to it.
        UnknownNameError: there is no figure of that name.
        OutputError: ``out`` cannot be written.
    """
    folder = out if out is not None else directory / "figures"
    return write_figures(StudyTables.read(directory), STUDY_FIGURES, folder, names)
