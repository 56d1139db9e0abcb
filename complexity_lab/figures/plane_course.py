"""Bit planes over training: a heat map of planes against steps, each plane relative to its shuffled self or start."""

import math
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.step_axis import step_text
from complexity_lab.statistics.trajectory import TrajectoryTables, over_seeds, planes

MOST_PANELS: Final = 6
MOST_WRITTEN: Final = 16  # cells side by side; more have no room for their numbers
_REFERENCES: Final = {"ratio_shuffled": "its shuffled self", "ratio": "its value at the first step"}
_COLOURS: Final = LinearSegmentedColormap.from_list("planes", [theme.DROP, "#8f86c4", "#f7f7f5", "#e3a7b0", theme.RISE])


def prepare(tables: TrajectoryTables) -> pd.DataFrame:
    """Return a row per group, plane and step: mean ratio over runs in percent, and what it is relative to.

    Relative to the shuffled self where it was measured, else to the start. Of more than six groups the first six by
    name are shown.
    """
    found = planes(tables)
    reference = "ratio_shuffled" if found["ratio_shuffled"].notna().any() else "ratio"
    means = over_seeds(found, [reference], ("plane",)).dropna(subset=[reference])
    means = means.rename(columns={reference: "mean", f"{reference}_sd": "sd", f"{reference}_runs": "runs"})
    means = means.assign(mean=100 * means["mean"], sd=100 * means["sd"], reference=reference)
    groups = sorted(means["group"].unique())[:MOST_PANELS]
    order = ["group", "plane", "step"]
    chosen = means.loc[means["group"].isin(groups), [*order, "mean", "sd", "runs", "reference"]]
    return chosen.sort_values(order, kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a heat map per group: steps to the right, the most significant plane on top, 100 % without colour."""
    groups = list(dict.fromkeys(table["group"]))
    columns = min(3, len(groups)) if len(groups) != 4 else 2
    rows = math.ceil(len(groups) / columns)
    count = int(table["plane"].max()) + 1
    figure.set_size_inches(theme.PAGE_WIDTH, rows * (0.7 + 0.22 * max(count, 4)) + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    reach = max(float(np.abs(table["mean"] - 100).max()), 0.01)
    norm = Normalize(100 - reach, 100 + reach)
    image: Any = None
    for place, axes in enumerate(grid.ravel()):
        if place >= len(groups):
            axes.set_axis_off()
            continue
        image = _draw_group(axes, table.loc[table["group"] == groups[place]], norm, columns)
        if len(groups) > 1:
            axes.set_title(groups[place], fontsize=8)
        if place % columns == 0:
            axes.set_ylabel("bit plane")
        if place + columns >= len(groups):
            axes.set_xlabel("training step")
    bar = figure.colorbar(image, ax=list(grid.ravel()), fraction=0.03, pad=0.015)
    bar.set_label(f"% of {_REFERENCES[table['reference'].iloc[0]]}")
    bar.outline.set_visible(False)
    below = float(table["mean"].min()) - 100, float(table["mean"].max()) - 100
    bar.ax.set_ylim(100 + min(below[0], 0), 100 + max(below[1], 0.02 * reach))


def _draw_group(axes: Axes, rows: pd.DataFrame, norm: Normalize, columns: int) -> Any:
    cells = rows.pivot(index="plane", columns="step", values="mean").sort_index()
    image = axes.imshow(
        cells.to_numpy(float), cmap=_COLOURS, norm=norm, aspect="auto", origin="lower", interpolation="nearest"
    )
    steps = cells.columns.to_numpy(int)
    shown = _spread(len(steps), (9, 6, 4)[columns - 1])
    axes.set_xticks(shown, [step_text(int(steps[place])) for place in shown])
    axes.set_yticks(range(len(cells)), [str(plane) for plane in cells.index])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if columns * len(steps) <= MOST_WRITTEN:
        _write(axes, cells.to_numpy(float), norm)
    return image


def _write(axes: Axes, cells: np.ndarray, norm: Normalize) -> None:
    places = 1 if np.nanmin(cells) < 99 else 2
    for (plane, step), value in np.ndenumerate(cells):
        if math.isfinite(value):
            dark = abs(float(norm(value)) - 0.5) > 0.28
            colour = "white" if dark else theme.INK
            axes.text(step, plane, f"{value:.{places}f}", ha="center", va="center", fontsize=5.5, color=colour)


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many places, the first and the last among them, evenly spread."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(most, count))})


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    reference = _REFERENCES[table["reference"].iloc[0]]
    lowest = table.iloc[int(table["mean"].to_numpy(float).argmin())]
    runs = int(table["runs"].max())
    means = f" Means over {runs} runs that differ in their seed." if runs > 1 else ""
    return (
        f"QuBD of every bit plane over training, in percent of {reference}; plane 0 is the least significant, and what "
        f"is not measured stays white.{means} The lowest is plane {int(lowest['plane'])} at step "
        f"{int(lowest['step']):,}, with {numbers.near_hundred(float(lowest['mean']))}."
    )


def _applies(tables: TrajectoryTables) -> str | None:
    found = planes(tables)
    known = found[["ratio", "ratio_shuffled"]].notna().any().any() if len(found) else False
    return None if known else "no bit planes were measured; ask for --preset or --bits"


FIGURE = Figure(
    name="trajectory_planes",
    title="Bit planes over training",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
