"""Distortion and validation loss against epochs, for every mosaic (paper, Figures 3 and B.1)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator

from complexity_lab.figures import theme
from complexity_lab.figures.axes import Axis, Floats, Side, plain_decades, ruler
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.momos import mosaics, names
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import Grid, PanelRow, colour_handles, draw_grid, loss
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.tables import columns as c

KEYS: Final = [c.DATASET, c.ARCHITECTURE, c.METHOD, c.S, c.CAPACITY, c.EPOCH]


def epochs(axes: Axes, side: Side, values: Floats) -> None:
    """Make it an axis of whole epochs."""
    del values
    ruler(axes, side).set_major_locator(MaxNLocator(nbins=5, integer=True))


def decades(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a logarithmic axis of sums of squares, or a plain one if nothing is above zero."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive):
        plain_decades(axes, side, positive)
        narrow = positive.max() < 60 * positive.min()
        ruler(axes, side).set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
        axes.set(**{f"{side}lim": (float(positive.min()) / 1.5, float(positive.max()) * 1.5)})


ROWS: Final = (
    PanelRow("distortion", (Number(c.DISTORTION),), decades, 1.2),
    PanelRow("validation loss", (Number(c.VALIDATION_LOSS),), loss),
)


def prepare(results: TrainingResults) -> pd.DataFrame:
    """Return mean, lowest and highest value over seeds per network, method and epoch, of distortion and loss."""
    curves = _curves(results)
    parts = []
    for quantity in (c.DISTORTION, c.VALIDATION_LOSS):
        means = curves.groupby(KEYS, dropna=False)[quantity].agg(["mean", "min", "max", "count"]).reset_index()
        means = means.set_axis([*KEYS, d.MEAN, d.LOW, d.HIGH, d.SEEDS], axis="columns")
        parts.append(means.assign(**{QUANTITY: quantity, c.METRIC: ""}))
    table = pd.concat(parts, ignore_index=True)
    lines = [f"{100 * capacity:g} %" for capacity in table[c.CAPACITY]]
    order = [*KEYS, QUANTITY]
    derived: dict[str, Any] = {LINE: lines, c.GROUP: table[c.METHOD]}
    return table.assign(**derived).sort_values(order, ignore_index=True)


def _curves(results: TrainingResults) -> pd.DataFrame:
    curves = results.method_curves
    return curves.loc[(curves[c.METHOD_KIND] == "momos") & (curves[c.EPOCH] > 0)]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per network and block size, distortion above validation loss, a line per capacity."""
    networks = names.in_paper_order(table[c.ARCHITECTURE])
    sizes = sorted(table[c.S].unique())
    columns: dict[str, pd.DataFrame] = {}
    for s in sizes:
        for network in networks:
            rows = mosaics.of_network(table.loc[table[c.S] == s], network)
            columns |= {f"{names.network_label(network)}, s = {s:g}": rows} if len(rows) else {}
    colours = _colours(table)
    wrap = len(networks) if len(networks) > 1 else min(4, len(sizes))
    draw_grid(figure, columns, Grid(rows=ROWS, colours=colours, x=Axis(c.EPOCH, "epoch", epochs), wrap=min(wrap, 4)))
    theme.legend_below(figure, colour_handles({f"capacity {name}": colour for name, colour in colours.items()}))


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour per capacity, the largest darkest."""
    lines = list(table.sort_values(c.CAPACITY, ascending=False)[LINE].drop_duplicates())
    shades = np.linspace(0.0, 0.85, len(lines)) if len(lines) > 1 else [0.3]
    return {line: to_hex(colormaps["viridis"](shade)) for line, shade in zip(lines, shades, strict=True)}


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    rows = table.loc[(table[QUANTITY] == c.DISTORTION) & table[d.MEAN].notna()].sort_values(c.EPOCH)
    groups = [group[d.MEAN] for _, group in rows.groupby([c.ARCHITECTURE, c.METHOD])]
    falls = sum(means.iloc[-1] < means.iloc[0] for means in groups)
    seeds = int(table[d.SEEDS].max())
    spread = f"means of {seeds} seeds with the range as a band" if seeds > 1 else "1 seed"
    return (
        f"Distortion of the last projection of each epoch, and validation loss, {spread}. Between the first and the "
        f"last epoch the distortion fell in {falls} of {len(groups)} mosaics."
    )


FIGURE = Figure(
    name="distortion",
    title="Distortion and validation loss",
    kinds=("training",),
    group="trainings",
    rank=30,
    applies=lambda results: None if _curves(results)[c.DISTORTION].notna().any() else "no run trained with motifs",
    prepare=prepare,
    draw=draw,
    caption=caption,
)
