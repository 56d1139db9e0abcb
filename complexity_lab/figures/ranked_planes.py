"""Models ranked by what is left of their QuBD, with the change of every bit plane (QuBD paper, zoo of 100 models)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.change_scale import change_bar, change_norm, draw_changes
from complexity_lab.figures.figure import Figure, needs_planes
from complexity_lab.figures.model_rows import RowLayout, name_rows, row_layout
from complexity_lab.statistics import SurveyTables, compare_layers, plane_ratios, wilson

_COLUMNS = [
    *("rank", "model", "family", "parameters", "metric", "plane", "percent", "sd", "change_percent"),
    *("within_noise", "shown_percent", "constant_layers"),
]


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
        constant_layers=table["model"].map(_constant_layers(tables)).fillna(0).astype("int64"),
    )
    quiet = table["change_percent"].abs() < 2 * table["sd"]
    table = table.assign(within_noise=quiet, shown_percent=table["change_percent"].where(~quiet, 0.0))
    return table[_COLUMNS].sort_values(["rank", "plane"], ignore_index=True)


def _constant_layers(tables: SurveyTables) -> "pd.Series[int]":
    """Return how many scored tensors of each model start constant, such as heads of zeros; they can only rise."""
    layers = compare_layers(tables.models, tables.measurements, metric="qubd", kinds=("matrix", "embedding", "other"))
    return layers.loc[layers["constant"]].groupby("model").size()


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a row per model: a cell per plane, and the sum of planes as a point."""
    totals = table.loc[table["plane"] < 0]
    grid = table.loc[table["plane"] >= 0].pivot(index="rank", columns="plane", values="shown_percent")
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
    change_bar(figure, mesh, [cells], "change of the plane from initial", **bar)
    _draw_totals(points, totals, layout)
    theme.legend_below(figure, theme.family_handles(theme.family_marks(totals["family"])))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    totals = table.loc[table["plane"] < 0]
    planes = table.loc[table["plane"] >= 0].groupby("plane")["percent"].median()
    medians = (totals["percent"].median(), planes.iloc[-1], planes.iloc[0])
    whole, top, bottom = (numbers.near_hundred(float(value)) for value in medians)
    who = "the one model" if len(totals) == 1 else f"the median of {numbers.models(len(totals))}"
    return (
        "QuBD after training in percent of that at random initialization (mean over seeds), models ranked by the sum "
        f"over bit planes, at the right.{_counted(totals)} In {who} the sum is {whole}, the most significant plane "
        f"{top} and the least significant {bottom}. Purple: simpler; orange: more complex; the colours are logarithmic "
        f"away from white.{_seeds(table)}{_constant(totals)}"
    )


def _counted(totals: pd.DataFrame) -> str:
    if len(totals) == 1:
        return ""
    below = int((totals["percent"] < 100).sum())
    share = wilson(below, len(totals))
    return (
        f" {below} of {numbers.models(len(totals))} ({numbers.percent(share.estimate)}; 95 % Wilson interval "
        f"{numbers.share_range(share.low, share.high)}) lie below 100{numbers.GLUE}%."
    )


def _seeds(table: pd.DataFrame) -> str:
    if table["sd"].isna().all():
        return ""
    quiet, cells = int(table.loc[table["plane"] >= 0, "within_noise"].sum()), int((table["plane"] >= 0).sum())
    return (
        f" White: below two standard deviations over seeds ({quiet:,} of {cells:,} planes). Error bars: one standard "
        "deviation."
    )


def _constant(totals: pd.DataFrame) -> str:
    some = totals.loc[totals["constant_layers"] > 0]
    if some.empty:
        return ""
    named = ", ".join(some["model"].astype(str).head(3)) + (", ..." if len(some) > 3 else "")
    return (
        f" {numbers.models(len(some))} ({named}) {'has' if len(some) == 1 else 'have'} layers that start constant, "
        "such as heads of zeros, which can only become more complex."
    )


def _draw_totals(axes: Axes, totals: pd.DataFrame, layout: RowLayout) -> None:
    marks = theme.family_marks(totals["family"])
    places = layout.places
    change = totals["change_percent"].to_numpy(float)
    symlog_axis(axes, "x", change, symlog_threshold(change), most=6)
    axes.tick_params(axis="x", labelsize=6)
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    axes.hlines(places, change, 0, color=theme.RULE, linewidth=min(1.2, 20 * layout.row), zorder=1)
    axes.errorbar(
        *(change, places),
        xerr=totals["sd"].fillna(0),
        fmt="none",
        ecolor=theme.INK,
        elinewidth=0.6,
        zorder=2,
    )
    for family, mark in marks.items():
        chosen = (totals["family"] == family).to_numpy()
        axes.scatter(
            *(change[chosen], places[chosen]),
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
    axes.grid(axis="x")
    axes.set_xlabel("sum of planes, change from initial")


FIGURE = Figure(
    name="ranked_planes",
    title="Models ranked by QuBD, plane by plane",
    applies=needs_planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
