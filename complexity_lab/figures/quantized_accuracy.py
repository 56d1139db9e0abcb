"""Bit planes next to the accuracy of rounded networks: a strip of planes over each model's curve, one x for both.

Column k of a strip is the k-th most significant plane, which the k-th bit of rounding adds.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.quantization import (
    QuantizationTables,
    margin_by_validation,
    means_over_seeds,
    model_profiles,
)

COLUMNS: Final = 4
STEPS: Final = (60.0, 80.0, 90.0, 95.0, 98.0, 99.0, 100.0)  # percent of the reference; most planes are above 99
NAMES: Final = {"shuffle": "shuffled", "initial": "initial", "random": "random"}
_UNIFORM, _SUGGESTED = theme.INK, theme.RISE


def prepare(tables: QuantizationTables) -> pd.DataFrame:
    """Return planes (``what`` plane: percent of the reference) and accuracies (float, uniform, suggested) per model.

    ``x`` is the bits that are kept: of a plane, 1 for the most significant. Suggestions are those of the first
    reference of the study; ``chosen`` marks the margin that validation images ask for.
    """
    planes = model_profiles(tables)
    most = int(planes["plane"].max()) + 1
    planes = planes.assign(what="plane", x=most - planes["plane"], value=planes["percent"])
    means = means_over_seeds(tables)
    first = tables.references[0]
    wanted = means["method"].isin(["float", "uniform"])
    wanted |= (means["method"] == "suggested") & (means["reference"] == first)
    rows = means.loc[wanted].rename(columns={"test_accuracy": "value", "test_low": "low", "test_high": "high"})
    chosen = (rows["method"] == "suggested") & (rows["margin"] == margin_by_validation(tables, first))
    rows = rows.assign(what=rows["method"], x=rows["mean_bits"], chosen=chosen)
    columns = ["model", "what", "reference", "plane", "margin", "x", "value", "low", "high", "chosen", "seeds"]
    table = pd.concat([planes, rows], ignore_index=True).reindex(columns=columns)
    order = {model: place for place, model in enumerate(tables.models)}
    return table.sort_values("model", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a cell per model, four to a row: strip of planes above, accuracy below."""
    models = list(table["model"].unique())
    rows = -(-(len(models) + 1) // COLUMNS)  # one cell for the legend
    references = table.loc[table["what"] == "plane", "reference"].unique()
    figure.set_size_inches(theme.PAGE_WIDTH, 0.5 + 1.75 * rows)
    figure.set_layout_engine("constrained", h_pad=0.015, hspace=0.02, w_pad=0.03)
    grid = figure.subplots(
        2 * rows, COLUMNS, squeeze=False, gridspec_kw={"height_ratios": [0.14 * len(references), 1.0] * rows}
    )
    mesh = None
    for cell in range(rows * COLUMNS):
        above, below = grid[2 * (cell // COLUMNS)][cell % COLUMNS], grid[2 * (cell // COLUMNS) + 1][cell % COLUMNS]
        if cell >= len(models):
            above.axis("off")
            below.axis("off")
            continue
        part = table.loc[table["model"] == models[cell]]
        mesh = _strip(above, part, first=cell % COLUMNS == 0)
        above.set_title(models[cell], fontsize=7.5, pad=3)
        _curve(below, part, first=cell % COLUMNS == 0, last=cell + COLUMNS >= len(models))
    free = grid[2 * rows - 1][len(models) % COLUMNS]
    _key(figure, free, mesh, wide=COLUMNS - len(models) % COLUMNS)


def _strip(axes: Axes, part: pd.DataFrame, *, first: bool) -> QuadMesh:
    """Draw the planes of one model, a line per reference."""
    planes = part.loc[part["what"] == "plane"]
    table = planes.pivot_table(index="reference", columns="x", values="value", sort=False)
    table = table[sorted(table.columns)]
    edges = np.arange(table.shape[1] + 1) + 0.5
    mesh = axes.pcolormesh(
        *(edges, np.arange(len(table) + 1), table.to_numpy(float)),
        cmap=_shades(),
        norm=BoundaryNorm(STEPS, len(STEPS) - 1),
        edgecolor=theme.RULE,
        linewidth=0.4,
    )
    axes.invert_yaxis()
    axes.set_xlim(edges[0], edges[-1])
    axes.tick_params(length=0, labelbottom=False, labelsize=5.5, pad=1.5)
    axes.spines[:].set_visible(False)
    axes.set_yticks(np.arange(len(table)) + 0.5, [NAMES[name] for name in table.index] if first else [])
    return mesh


def _shades() -> Colormap:
    """Return a purple per step, white for the last, in which random planes lie, and above 100 %."""
    shades = colormaps["Purples_r"](np.linspace(0.0, 1.0, len(STEPS) - 1))
    shades[-1] = 1.0
    return ListedColormap(shades).with_extremes(under=shades[0], over="white")


def _curve(axes: Axes, part: pd.DataFrame, *, first: bool, last: bool) -> None:
    """Draw accuracy against bits: float, uniform, and what the planes suggest."""
    uniform = part.loc[part["what"] == "uniform"].sort_values("x")
    exact = part.loc[part["what"] == "float", "value"].iloc[0]
    axes.axhline(exact, color=theme.FAINT, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    axes.fill_between(uniform["x"], uniform["low"], uniform["high"], color=_UNIFORM, alpha=0.12, linewidth=0)
    axes.plot(uniform["x"], uniform["value"], color=_UNIFORM, marker="o", markersize=2.4, linewidth=0.9, zorder=3)
    suggested = part.loc[part["what"] == "suggested"].sort_values("margin")
    axes.plot(suggested["x"], suggested["value"], color=_SUGGESTED, linewidth=0.9, zorder=4)
    for _, row in suggested.iterrows():
        big = bool(row["chosen"])
        axes.plot(
            *(row["x"], row["value"]),
            marker="D" if big else "o",
            markersize=4.2 if big else 2.6,
            color=_SUGGESTED,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=5,
        )
    axes.set_xlim(0.5, float(uniform["x"].max()) + 0.5)
    axes.set_ylim(0, 104)
    axes.xaxis.set_major_locator(FixedLocator(list(uniform["x"])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.grid(axis="y")
    axes.tick_params(labelsize=6, labelleft=first, labelbottom=last, length=2)
    if first:
        axes.set_ylabel("test accuracy (%)", fontsize=6.5)
    if last:
        axes.set_xlabel("bits per weight", fontsize=6.5)


def _key(figure: Canvas, free: Axes, mesh: QuadMesh | ScalarMappable | None, *, wide: int) -> None:
    """Put legend and colour bar into the free cell."""
    look = {"markersize": 3.2, "linewidth": 0.9}
    handles = [
        Line2D([], [], color=_UNIFORM, marker="o", label="the same bits for all", **look),  # type: ignore[arg-type]
        Line2D([], [], color=_SUGGESTED, marker="o", label="by planes, margin 0, 1, 2, …", **look),  # type: ignore[arg-type]
        Line2D([], [], color=_SUGGESTED, marker="D", label="margin that validation asks for", **look),  # type: ignore[arg-type]
        Line2D([], [], color=theme.FAINT, linestyle=(0, (4, 2)), linewidth=0.7, label="not rounded"),
    ]
    legend = free.legend(handles=handles, fontsize=6, loc="upper left", borderaxespad=0.0, bbox_to_anchor=(0.0, 1.3))
    legend.set_in_layout(False)
    if mesh is None:
        return
    inset = free.inset_axes((0.02, 0.16, 0.94 * min(wide, 2), 0.08))
    inset.set_in_layout(False)  # it may reach into the next cell, which is free
    bar = figure.colorbar(mesh, cax=inset, orientation="horizontal")
    bar.ax.minorticks_off()
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_label("plane, % of the reference", fontsize=6, labelpad=2)
    bar.ax.xaxis.set_label_position("top")
    bar.ax.tick_params(labelsize=5.5, length=2)
    bar.outline.set_linewidth(0.4)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    planes = table.loc[table["what"] == "plane"]
    top = planes.loc[planes["x"] == 1, "value"]
    rest = planes.loc[planes["x"] >= 4, "value"]
    chosen = table.loc[table["chosen"].eq(True)]
    exact = table.loc[table["what"] == "float"].set_index("model")["value"]
    lost = exact.loc[chosen["model"]].to_numpy(float) - chosen["value"].to_numpy(float)
    return (
        f"Bit planes of {numbers.models(table['model'].nunique())} and their accuracy after rounding, means over seeds "
        "with the range of the uniform ones. Strips: BDM of each plane of the whole model in percent of its reference, "
        "the most significant at the left, above the bit that adds it. The most significant plane is at "
        f"{top.min():.0f} to {top.max():.0f}{numbers.GLUE}%, from the fourth on all planes are at {rest.min():.1f} to "
        f"{rest.max():.1f}{numbers.GLUE}%. With the margin that validation images ask for "
        f"({chosen['margin'].max():.0f}), the suggested bits are {chosen['x'].min():.1f} to {chosen['x'].max():.1f} "
        f"per weight on the mean and cost {numbers.significant(float(lost.mean()))} points of test accuracy, at most "
        f"{numbers.significant(float(lost.max()))}."
    )


def _applies(tables: QuantizationTables) -> str | None:
    return None if len(tables.models) else "no network has been rounded yet"


FIGURE = Figure(
    name="quantized_accuracy",
    title="Bit planes next to quantized accuracy",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
