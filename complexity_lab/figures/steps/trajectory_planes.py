"""Bit planes over training: a heat map of planes against steps, each plane relative to its shuffled self or start."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import NICE
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.heat import change_bar, draw_heat, keys
from complexity_lab.figures.steps.conditions import LINE, QUANTITY
from complexity_lab.figures.steps.trajectory import RUNS, group_names
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.statistics.trajectory import over_seeds
from complexity_lab.tables import columns as c

MOST_PANELS: Final = 6
MOST_WRITTEN: Final = 16  # cells side by side; more have no room for their numbers
_REFERENCES: Final = {d.RATIO_SHUFFLED: "its shuffled self", d.RATIO: "its value at the first step"}


def prepare(results: StepResults) -> pd.DataFrame:
    """Return a row per group, plane and step: mean ratio over runs in percent, and what it is relative to.

    Relative to the shuffled self where it was measured, else to the start. Of more than six groups the first six by
    name are shown.
    """
    planes = _planes(results)
    quantity = d.RATIO_SHUFFLED if planes[d.RATIO_SHUFFLED].notna().any() else d.RATIO
    means = over_seeds(planes, [quantity], [c.PLANE]).dropna(subset=[quantity])
    means = means.rename(columns={quantity: d.MEAN, f"{quantity}_sd": d.SD, f"{quantity}_runs": RUNS})
    percents: dict[str, Any] = {d.MEAN: 100 * means[d.MEAN], d.SD: 100 * means[d.SD].astype(float), QUANTITY: quantity}
    order = [c.GROUP, c.PLANE, c.STEP]
    chosen = means[c.GROUP].isin(sorted(means[c.GROUP].unique())[:MOST_PANELS])
    titles = means[c.GROUP].map(_titles(results.runs.drop_duplicates(c.GROUP)))
    table = means.assign(**percents, **{LINE: titles}).loc[chosen, [*order, d.MEAN, d.SD, RUNS, QUANTITY, LINE]]
    return table.sort_values(order, kind="stable", ignore_index=True)


def _titles(runs: pd.DataFrame) -> dict[str, str]:
    """Return what groups are called: network, and what else tells them apart."""
    names = group_names(runs)
    networks = dict(zip(runs[c.GROUP], runs[c.ARCHITECTURE], strict=True))
    several = runs[c.ARCHITECTURE].nunique() > 1
    return {group: f"{networks[group]}\n{name}" if several else name for group, name in names.items()}


def _planes(results: StepResults) -> pd.DataFrame:
    return results.ratios.loc[results.ratios[c.PLANE].notna()]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a heat map per group: steps to the right, the most significant plane on top, 100 % without colour."""
    groups = list(dict.fromkeys(table[c.GROUP]))
    columns = 2 if len(groups) == 4 else min(3, len(groups))
    rows = math.ceil(len(groups) / columns)
    count = int(table[c.PLANE].max()) + 1
    figure.set_size_inches(theme.PAGE_WIDTH, rows * (0.85 + 0.22 * max(count, 4)) + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    reach = max(float((table[d.MEAN] - 100).abs().max()), 0.01)
    norm = SymLogNorm(linthresh=reach, vmin=-reach, vmax=reach)  # linear: a logarithmic one colours noise
    unknown = False
    for index, axes in enumerate(grid.ravel()):
        if index >= len(groups):
            axes.set_axis_off()
            continue
        own = table.loc[table[c.GROUP] == groups[index]]
        cells = (own.pivot(index=c.PLANE, columns=c.STEP, values=d.MEAN) - 100).sort_index(ascending=False)
        unknown |= bool(cells.isna().any().any())
        draw_heat(axes, cells, norm)
        _label(axes, cells, columns)
        axes.set_title(own[LINE].iloc[0] if len(groups) > 1 else "", fontsize=7.5)
        axes.set_ylabel("bit plane" if index % columns == 0 else "")
        axes.set_xlabel("training step" if index + columns >= len(groups) else "")
    words = f"change to {_REFERENCES[table[QUANTITY].iloc[0]]}"
    bar = change_bar(figure, norm, list(grid.ravel()), words, fraction=0.03, pad=0.015)
    bar.ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=NICE))
    theme.legend_below(figure, keys(quiet=False, unknown="not measured" if unknown else None))


def _label(axes: Axes, cells: pd.DataFrame, columns: int) -> None:
    """Name planes and some of the steps, and write the numbers where there is room."""
    steps = [float(step) for step in cells.columns]
    most = min((9, 6, 4)[columns - 1], len(steps))
    shown = sorted({round(position) for position in np.linspace(0, len(steps) - 1, most)})
    axes.set_xticks([position + 0.5 for position in shown], [numbers.step(steps[it]) for it in shown], rotation=0)
    axes.set_yticks(np.arange(len(cells)) + 0.5, [str(plane) for plane in cells.index], rotation=0)
    axes.spines[:].set_visible(False)
    if columns * len(steps) > MOST_WRITTEN:
        return
    values = cells.to_numpy(float) + 100
    places, far = 1 if np.nanmin(values) < 99 else 2, float(np.nanmax(np.abs(values - 100)))
    for (row, step), value in np.ndenumerate(values):
        if math.isfinite(value):
            ink = "white" if abs(value - 100) > 0.4 * far else theme.INK
            axes.text(step + 0.5, row + 0.5, f"{value:.{places}f}", ha="center", va="center", fontsize=5.5, color=ink)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    lowest = table.iloc[int(table[d.MEAN].to_numpy(float).argmin())]
    runs = int(table[RUNS].max())
    means = f" Means over {runs} runs that differ in their seed." if runs > 1 else ""
    return (
        f"QuBD of every bit plane over training, as change to {_REFERENCES[table[QUANTITY].iloc[0]]}; plane 0 is the "
        f"least significant.{means} The lowest is plane {int(lowest[c.PLANE])} at step {int(lowest[c.STEP]):,}, with "
        f"{numbers.near_hundred(float(lowest[d.MEAN]))}."
    )


def _applies(results: StepResults) -> str | None:
    known = bool(_planes(results)[[d.RATIO, d.RATIO_SHUFFLED]].notna().any().any())
    return None if known else "no bit planes were measured; ask for --preset or --bits"


FIGURE = Figure(
    name="trajectory_planes",
    title="Bit planes over training",
    kinds=("trajectory", "series", "training"),
    group="steps",
    rank=70,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
