"""Bit planes next to the accuracy of rounded networks: a strip of planes over each model's curve, one x for both.

Column k of a strip is the k-th most significant plane, which the k-th bit of rounding adds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.courses import DASHED
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.rounding.methods import METHODS, SHORT, none_rounded
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables import columns as c

COLUMNS: Final = 4
STEPS: Final = (60.0, 80.0, 90.0, 95.0, 98.0, 99.0, 100.0)  # percent of the reference; most planes are above 99
WHAT: Final = "what"
KEPT_BITS: Final = "kept_bits"
CHOSEN: Final = "chosen"
_UNIFORM, _SUGGESTED = METHODS["uniform"].colour, METHODS["suggested"].colour


def prepare(results: RoundingResults) -> pd.DataFrame:
    """Return planes (``what`` plane: percent of the reference) and accuracies (float, uniform, suggested) per network.

    ``kept_bits`` is on x: of a plane, 1 for the most significant. Suggestions are those of the first reference of the
    study; ``chosen`` marks the margin that validation images ask for.
    """
    profiles = results.model_profiles
    kept = profiles[c.PLANE].max() + 1 - profiles[c.PLANE]
    planes = profiles.assign(**{WHAT: c.PLANE, KEPT_BITS: kept, c.VALUE: profiles[d.PERCENT]})
    first, means = results.references[0], results.means_over_seeds
    suggested = (means[c.METHOD] == "suggested") & (means[c.REFERENCE] == first)
    rows = means.loc[means[c.METHOD].isin(["float", "uniform"]) | suggested]
    rows = rows.rename(columns={c.TEST_ACCURACY: c.VALUE, d.TEST_LOW: d.LOW, d.TEST_HIGH: d.HIGH})
    chosen = (rows[c.METHOD] == "suggested") & (rows[c.MARGIN] == results.margins[first]).fillna(False)
    rows = rows.assign(**{WHAT: rows[c.METHOD], KEPT_BITS: rows[c.MEAN_BITS], CHOSEN: chosen.astype(bool)})
    numbers_of = [KEPT_BITS, c.VALUE, d.LOW, d.HIGH, CHOSEN, d.SEEDS]
    columns = [c.ARCHITECTURE, WHAT, c.REFERENCE, c.PLANE, c.MARGIN, *numbers_of]
    table = pd.concat([planes.assign(**{CHOSEN: False}), rows], ignore_index=True).reindex(columns=columns)
    order = {model: place for place, model in enumerate(results.architectures)}
    known = table.loc[table[c.ARCHITECTURE].isin(list(order))]
    return known.sort_values(c.ARCHITECTURE, key=lambda names: names.map(order), kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a cell per model, four to a row: strip of planes above, accuracy below."""
    models = list(table[c.ARCHITECTURE].unique())
    rows = -(-len(models) // COLUMNS)
    references = table.loc[table[WHAT] == c.PLANE, c.REFERENCE].unique()
    figure.set_size_inches(theme.PAGE_WIDTH, 0.85 + 1.8 * rows)
    figure.get_layout_engine().set(h_pad=0.015, hspace=0.02, w_pad=0.03)  # type: ignore[union-attr, call-arg]
    heights = [0.14 * max(len(references), 1), 1.0] * rows
    grid = figure.subplots(2 * rows, COLUMNS, squeeze=False, height_ratios=heights)
    mesh = None
    for cell in range(rows * COLUMNS):
        row, column = divmod(cell, COLUMNS)
        above, below = grid[2 * row][column], grid[2 * row + 1][column]
        if cell >= len(models):
            above.set_axis_off()
            below.set_axis_off()
            continue
        part = table.loc[table[c.ARCHITECTURE] == models[cell]]
        mesh = _draw_strip(above, part, first=column == 0) or mesh
        above.set_title(models[cell], fontsize=7.5, pad=3)
        _draw_curve(below, part, first=column == 0)
        below.set_xlabel("bits per weight" if row == rows - 1 else "", fontsize=6.5)
    if mesh is not None:
        _colour_bar(figure, mesh, list(grid.ravel()))
    _legend(figure)


def _draw_strip(axes: Axes, part: pd.DataFrame, *, first: bool) -> QuadMesh | None:
    """Draw the planes of one model, a line per reference."""
    axes.tick_params(length=0, labelbottom=False, labelsize=5.5, pad=1.5)
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    planes = part.loc[part[WHAT] == c.PLANE]
    if planes.empty:
        return None
    table = planes.pivot_table(index=c.REFERENCE, columns=KEPT_BITS, values=c.VALUE, sort=False)
    table = table[sorted(table.columns)]
    edges = np.arange(table.shape[1] + 1) + 0.5
    look: dict[str, Any] = {"edgecolor": theme.RULE, "linewidth": 0.4}
    norm = BoundaryNorm(STEPS, len(STEPS) - 1)
    mesh = axes.pcolormesh(edges, np.arange(len(table) + 1), table.to_numpy(float), cmap=_shades(), norm=norm, **look)
    axes.invert_yaxis()
    axes.set_xlim(edges[0], edges[-1])
    if first:
        axes.set_yticks(np.arange(len(table)) + 0.5, [SHORT.get(str(name), str(name)) for name in table.index])
    return mesh


def _shades() -> Colormap:
    """Return a purple per step, white for the last, in which random planes lie, and above 100 %."""
    shades = colormaps["Purples_r"](np.linspace(0.0, 1.0, len(STEPS) - 1))
    shades[-1] = 1.0
    return ListedColormap(shades).with_extremes(under=shades[0], over="white")


def _draw_curve(axes: Axes, part: pd.DataFrame, *, first: bool) -> None:
    """Draw accuracy against bits: float, uniform, and what the planes suggest."""
    of = {what: part.loc[part[WHAT] == what].sort_values(KEPT_BITS) for what in ("float", "uniform", "suggested")}
    uniform, suggested = of["uniform"], of["suggested"].sort_values(c.MARGIN)
    for exact in of["float"][c.VALUE]:
        axes.axhline(exact, color=theme.FAINT, linewidth=0.7, linestyle=DASHED, zorder=1)
    x = uniform[KEPT_BITS]
    axes.fill_between(x, uniform[d.LOW], uniform[d.HIGH], color=_UNIFORM, alpha=0.12, linewidth=0)
    axes.plot(x, uniform[c.VALUE], color=_UNIFORM, marker="o", markersize=2.4, linewidth=0.9, zorder=3)
    look: dict[str, Any] = {"color": _SUGGESTED, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 5}
    axes.plot(suggested[KEPT_BITS], suggested[c.VALUE], marker="o", markersize=2.6, linewidth=0.9, **look)
    chosen = suggested.loc[suggested[CHOSEN].astype(bool)]
    axes.plot(chosen[KEPT_BITS], chosen[c.VALUE], marker="D", markersize=4.2, linestyle="none", **look)
    axes.set_xlim(0.5, float(x.max()) + 0.5)
    axes.set_ylim(0, 104)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.grid(axis="y")
    axes.tick_params(labelsize=6, labelleft=first, length=2)
    axes.set_ylabel("test accuracy (%)" if first else "", fontsize=6.5)


def _colour_bar(figure: Canvas, mesh: QuadMesh, axes: list[Axes]) -> None:
    bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", fraction=0.02, pad=0.015, aspect=60, shrink=0.6)
    bar.ax.minorticks_off()
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_label("BDM of a plane of the whole model, % of the reference", fontsize=6.5, labelpad=2)
    bar.ax.tick_params(labelsize=6, length=2)
    bar.outline.set_linewidth(0.4)


def _legend(figure: Canvas) -> None:
    look: dict[str, Any] = {"markersize": 3.2, "linewidth": 0.9}
    handles = [
        theme.line_handle(METHODS["uniform"].label, _UNIFORM, marker="o", **look),
        theme.line_handle("by planes, margin 0, 1, 2, …", _SUGGESTED, marker="o", **look),
        theme.line_handle("margin that validation asks for", _SUGGESTED, marker="D", **(look | {"linewidth": 0.0})),
        theme.line_handle("not rounded", theme.FAINT, linestyle=DASHED, linewidth=0.7),
    ]
    theme.legend_below(figure, handles)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    planes = table.loc[table[WHAT] == c.PLANE]
    top = planes.loc[planes[KEPT_BITS] == 1, c.VALUE]
    rest = planes.loc[planes[KEPT_BITS] >= 4, c.VALUE]
    chosen = table.loc[table[CHOSEN].eq(True)]
    exact = table.loc[table[WHAT] == "float"].set_index(c.ARCHITECTURE)[c.VALUE]
    lost = exact.loc[chosen[c.ARCHITECTURE]].to_numpy(float) - chosen[c.VALUE].to_numpy(float)
    return (
        f"Bit planes of {numbers.models(table[c.ARCHITECTURE].nunique())} and their accuracy after rounding, means "
        "over seeds with the range of the uniform ones. Strips: BDM of each plane of the whole model in percent of its "
        "reference, the most significant at the left, above the bit that adds it. The most significant plane is at "
        f"{top.min():.0f} to {top.max():.0f}{numbers.NBSP}%, from the fourth on all planes are at {rest.min():.1f} to "
        f"{rest.max():.1f}{numbers.NBSP}%. With the margin that validation images ask for "
        f"({chosen[c.MARGIN].max():.0f}), the suggested bits are {chosen[KEPT_BITS].min():.1f} to "
        f"{chosen[KEPT_BITS].max():.1f} per weight on the mean and cost {numbers.significant(float(lost.mean()))} "
        f"points of test accuracy, at most {numbers.significant(float(lost.max()))}."
    )


FIGURE = Figure(
    name="quantized_accuracy",
    title="Bit planes next to quantized accuracy",
    kinds=("rounding",),
    group="rounding",
    rank=10,
    applies=none_rounded,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
