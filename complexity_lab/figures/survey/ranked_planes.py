"""Models ranked by what is left of their QuBD, with the change of every bit plane (QuBD paper, zoo of 100 models)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import heat, numbers, theme
from complexity_lab.figures.axes import signed
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.prepared import (
    CHANGE_PERCENT,
    CONSTANT_LAYERS,
    RANK,
    SHOWN_PERCENT,
    WITHIN_NOISE,
    with_noise,
)
from complexity_lab.figures.rows import RowLayout, name_rows, row_layout
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.intervals import wilson
from complexity_lab.statistics.layers import layers
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

_COLUMNS = [
    *(RANK, c.MODEL, c.FAMILY, c.PARAMETERS, c.METRIC, c.PLANE, d.PERCENT, d.SD, CHANGE_PERCENT),
    *(WITHIN_NOISE, SHOWN_PERCENT, CONSTANT_LAYERS),
]


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return trained in percent of initial per model and plane, and for the sum (no plane), simplest model first."""
    table = results.plane_ratios
    table = table.loc[(table[c.REFERENCE] == "initial") & table[d.PERCENT].notna()]
    total = table.loc[table[c.PLANE].isna()].set_index(c.MODEL)[d.PERCENT]
    order = total.sort_index().sort_values(kind="stable").index
    scored = layers(results.tensors, ("matrix", "embedding", "other"))
    constant = scored.loc[(scored[c.METRIC] == PLANE_METRIC) & scored[d.CONSTANT]].groupby(c.MODEL).size()
    table = table.assign(
        **{
            RANK: table[c.MODEL].map({model: rank for rank, model in enumerate(order, 1)}).astype("int64"),
            CHANGE_PERCENT: table[d.PERCENT] - 100,
            CONSTANT_LAYERS: table[c.MODEL].map(constant).fillna(0).astype("int64"),
        }
    )
    table = with_noise(table, d.SD)[_COLUMNS]
    return table.sort_values([RANK, c.PLANE], na_position="first", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a row per model: a cell per plane, and the sum of planes as a point."""
    totals, planes = table.loc[table[c.PLANE].isna()], table.loc[table[c.PLANE].notna()]
    cells = planes.pivot(index=RANK, columns=c.PLANE, values=SHOWN_PERCENT)
    layout = row_layout(len(totals))
    figure.set_size_inches(theme.PAGE_WIDTH, max(2.0, layout.height + 1.5))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.15, 1), wspace=0.03)
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    norm = heat.change_norm(cells.to_numpy(float).ravel())
    heat.draw_heat(left, cells, norm)
    name_rows(left, layout, totals[c.MODEL].astype(str).tolist())
    left.set_xticks(np.arange(cells.shape[1]) + 0.5, [str(plane) for plane in cells.columns])
    left.set_xlabel(f"bit plane, 0 least significant, {max(cells.columns)} most")
    pad = 0.06 / max(layout.height, 1.0)
    heat.change_bar(
        figure, norm, [left], "change of the plane from initial", location="top", aspect=32, pad=pad, shrink=0.9
    )
    _draw_totals(right, totals, layout)
    keys = heat.keys(quiet=bool(planes[WITHIN_NOISE].any()), unknown="unknown" if cells.isna().any().any() else None)
    theme.legend_below(figure, [*theme.family_handles(theme.family_marks(totals[c.FAMILY])), *keys])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    totals, cells = table.loc[table[c.PLANE].isna()], table.loc[table[c.PLANE].notna()]
    planes = cells.groupby(c.PLANE)[d.PERCENT].median()
    medians = (totals[d.PERCENT].median(), planes.iloc[-1], planes.iloc[0])
    whole, top, bottom = (numbers.near_hundred(float(value)) for value in medians)
    who = "the one model" if len(totals) == 1 else f"the median of {numbers.models(len(totals))}"
    return (
        "QuBD after training in percent of that at random initialization (mean over seeds), models ranked by the sum "
        f"over bit planes, at the right.{_counted(totals)} In {who} the sum is {whole}, the most significant plane "
        f"{top} and the least significant {bottom}. Purple: simpler; orange: more complex; the colours are logarithmic "
        f"away from white.{_seeds(table, cells)}{_constant(totals)}"
    )


def _counted(totals: pd.DataFrame) -> str:
    if len(totals) == 1:
        return ""
    below = int((totals[d.PERCENT] < 100).sum())
    share = wilson(below, len(totals))
    return (
        f" {below} of {numbers.models(len(totals))} ({numbers.percent(share.estimate)}; 95 % Wilson interval "
        f"{numbers.share_range(share.low, share.high)}) lie below 100{numbers.NBSP}%."
    )


def _seeds(table: pd.DataFrame, cells: pd.DataFrame) -> str:
    if table[d.SD].isna().all():
        return ""
    return (
        f" White: not resolved, below two standard deviations over seeds ({int(cells[WITHIN_NOISE].sum()):,} of "
        f"{len(cells):,} planes). Error bars: one standard deviation."
    )


def _constant(totals: pd.DataFrame) -> str:
    some = totals.loc[totals[CONSTANT_LAYERS] > 0]
    if some.empty:
        return ""
    named = ", ".join(some[c.MODEL].astype(str).head(3)) + (", ..." if len(some) > 3 else "")
    return (
        f" {numbers.models(len(some))} ({named}) {'has' if len(some) == 1 else 'have'} layers that start constant, "
        "such as heads of zeros, which can only become more complex."
    )


def _draw_totals(axes: Axes, totals: pd.DataFrame, layout: RowLayout) -> None:
    heights, change = np.arange(layout.n) + 0.5, totals[CHANGE_PERCENT].to_numpy(float)
    spread = totals[d.SD].fillna(0).to_numpy(float)
    name_rows(axes, layout, None)
    signed(axes, "x", np.concatenate([change - spread, change + spread]), most=6)
    axes.tick_params(axis="x", labelsize=6)
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    axes.hlines(heights, change, 0, color=theme.RULE, linewidth=min(1.2, 20 * layout.row), zorder=1)
    axes.errorbar(change, heights, xerr=spread, fmt="none", ecolor=theme.INK, elinewidth=0.6, zorder=2)
    for family, mark in theme.family_marks(totals[c.FAMILY]).items():
        chosen = (totals[c.FAMILY] == family).to_numpy()
        axes.scatter(
            *(change[chosen], heights[chosen]),
            s=layout.mark,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.3,
            zorder=3,
        )
    axes.set_xlabel("sum of planes, change from initial")


FIGURE = Figure(
    name="ranked_planes",
    title="Models ranked by QuBD, plane by plane",
    kinds=("survey",),
    group="planes",
    rank=10,
    applies=needs.planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
