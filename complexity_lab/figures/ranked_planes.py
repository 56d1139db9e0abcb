"""Models ranked by what is left of their QuBD, with the change of every bit plane (QuBD paper, zoo of 100 models)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.change_scale import change_bar, change_norm, draw_changes
from complexity_lab.figures.figure import Figure, needs_planes
from complexity_lab.figures.model_rows import RowLayout, name_rows, row_layout
from complexity_lab.statistics import SurveyTables, plane_ratios, wilson

_COLUMNS = ["rank", "model", "family", "parameters", "metric", "plane", "percent", "sd", "change_percent"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return trained in percent of initial per model and plane, and for the sum (plane -1), simplest model first."""
    table = plane_ratios(tables.models, tables.measurements)
    table = table.loc[(table["reference"] == "initial") & table["percent"].notna()]
    total = table.loc[table["metric"] == "qubd"].set_index("model")["percent"]
    order = {model: rank for rank, model in enumerate(total.sort_index().sort_values(kind="stable").index, 1)}
    table = table.assign(
        rank=table["model"].map(order).astype("int64"),
        plane=table["plane"].fillna(-1).astype("int64"),
        change_percent=table["percent"] - 100,
    )
    return table[_COLUMNS].sort_values(["rank", "plane"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a row per model: a cell per plane, and the sum of planes as a point."""
    totals = table.loc[table["plane"] < 0]
    grid = table.loc[table["plane"] >= 0].pivot(index="rank", columns="plane", values="change_percent")
    layout = row_layout(len(totals))
    figure.set_size_inches(theme.PAGE_WIDTH, max(2.0, layout.height + 1.5))
    places = figure.add_gridspec(1, 2, width_ratios=(1.15, 1), wspace=0.03)
    cells, points = figure.add_subplot(places[0, 0]), figure.add_subplot(places[0, 1])
    change = grid.to_numpy(float)[::-1]
    planes = np.arange(grid.shape[1] + 1) - 0.5
    mesh = draw_changes(cells, planes, np.arange(len(totals) + 1) - 0.5, change, change_norm(change.ravel()))
    name_rows(cells, layout, totals["model"].astype(str).tolist())
    cells.set_xticks(grid.columns.to_numpy(int))
    cells.tick_params(axis="x", length=0)
    cells.spines["bottom"].set_visible(False)
    cells.set_xlabel(f"bit plane, 0 least significant, {grid.columns.max()} most")
    bar = {"location": "top", "aspect": 32, "pad": 0.06 / max(layout.height, 1.0), "shrink": 0.9}
    change_bar(figure, mesh, [cells], "change of the plane by training", **bar)
    _draw_totals(points, totals, layout)
    theme.legend_below(figure, theme.family_handles(theme.family_marks(totals["family"])))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    totals = table.loc[table["plane"] < 0]
    below = int((totals["percent"] < 100).sum())
    planes = table.loc[table["plane"] >= 0].groupby("plane")["percent"].median()
    share = wilson(below, len(totals))
    top, bottom = float(planes.iloc[-1]), float(planes.iloc[0])
    who = "the one model" if len(totals) == 1 else f"the median of {numbers.models(len(totals))}"
    counted = (
        ""
        if len(totals) == 1
        else f" {below} of {numbers.models(len(totals))} ({numbers.percent(share.estimate)}; 95 % Wilson interval "
        f"{numbers.share_range(share.low, share.high)}) lie below 100{numbers.GLUE}%."
    )
    return (
        "QuBD after training in percent of that at random initialization (mean over seeds), models ranked by the sum "
        f"over bit planes, at the right.{counted} In {who} the sum is "
        f"{numbers.near_hundred(float(totals['percent'].median()))}, the most significant plane {numbers.near_hundred(top)} and the least "
        f"significant {numbers.near_hundred(bottom)}. Purple: simpler; orange: more complex; the colours are logarithmic away from "
        "white. Error bars: one standard deviation over seeds, where known."
    )


def _draw_totals(axes: Axes, totals: pd.DataFrame, layout: RowLayout) -> None:
    marks = theme.family_marks(totals["family"])
    places = layout.places
    axes.axvline(100, color=theme.INK, linewidth=0.8, zorder=1)
    axes.hlines(places, totals["percent"], 100, color=theme.RULE, linewidth=min(1.2, 20 * layout.row), zorder=1)
    axes.errorbar(
        *(totals["percent"], places),
        xerr=totals["sd"].fillna(0),
        fmt="none",
        ecolor=theme.INK,
        elinewidth=0.6,
        zorder=2,
    )
    for family, mark in marks.items():
        chosen = (totals["family"] == family).to_numpy()
        axes.scatter(
            *(totals["percent"][chosen], places[chosen]),
            s=layout.mark,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.3,
            zorder=3,
        )
    axes.set_ylim(-0.5, layout.n - 0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(axis="x")
    axes.set_xlabel("sum of planes, % of initial")


FIGURE = Figure(
    name="ranked_planes",
    title="Models ranked by QuBD, plane by plane",
    applies=needs_planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
