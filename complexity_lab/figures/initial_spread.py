"""BDM of initial weights against parameters: how close to fair bits, and how much seeds differ."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import parameter_axis, percent_decades
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics import SurveyTables, initial_weights

_COLUMNS = ["model", "family", "parameters", "n", "mean", "sd", "relative_sd", "fair_mean", "gap", "ones_fraction"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return BDM of initial weights per model, smallest model first: mean, spread over seeds, fair bits."""
    table = initial_weights(tables.models, tables.measurements)
    chosen = table.loc[(table["metric"] == "bdm") & table["parameters"].notna()]
    return chosen[_COLUMNS].sort_values(["parameters", "model"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw BDM with the line of fair bits above, and relative distances from it below."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
    marks = theme.family_marks(table["family"])
    size = 30 if len(table) <= 40 else 16
    fair = table.loc[table["fair_mean"].notna()]
    above.plot(fair["parameters"], fair["fair_mean"] / 1000, color=theme.FAINT, linewidth=1, zorder=1)
    for family, rows in table.groupby("family", sort=False):
        mark = marks[str(family)]
        look = {"color": mark.colour, "marker": mark.marker, "edgecolors": "white", "linewidths": 0.4, "zorder": 3}
        above.scatter(rows["parameters"], rows["mean"] / 1000, s=size, **look)
        gap = rows.loc[rows["gap"] != 0]
        below.scatter(gap["parameters"], 100 * gap["gap"].abs(), s=size, **look)
    spread = table.loc[table["relative_sd"] > 0]
    below.scatter(
        *(spread["parameters"], 100 * spread["relative_sd"]),
        s=34,
        marker="|",
        color=theme.INK,
        linewidths=0.8,
        zorder=2,
    )
    above.set_ylabel("BDM of initial weights (kbit)")
    below.set_ylabel("distance from fair bits")
    percent_decades(below)
    parameter_axis(below, table["parameters"].to_numpy(float))
    handles = [*theme.family_handles(marks), Line2D([], [], color=theme.FAINT, linewidth=1, label="fair bits")]
    tick = theme.Mark(theme.INK, "|")
    handles.append(theme.point_handle("sd over seeds", tick, markersize=6, markeredgecolor=theme.INK))
    theme.legend_below(figure, handles)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    spread, gap = table["relative_sd"].dropna(), table["gap"].dropna()
    parts = [f"BDM of randomly initialized weights, {numbers.models(len(table))}, means over seeds."]
    if len(gap):
        parts.append(
            "The line above is the expectation for as many fair bits; below, points give the distance from it "
            f"(median {numbers.percent(float(np.median(np.abs(gap))))})."
        )
    if len(spread):
        parts.append(
            f"Ticks: standard deviation over seeds (median {numbers.percent(float(spread.median()))} of the BDM)."
        )
    else:
        parts.append("The spread over seeds is unknown (one seed).")
    return " ".join(parts)


def _applies(tables: SurveyTables) -> str | None:
    rows = tables.measurements
    measured = (rows["state"] == "initial") & (rows["metric"] == "bdm") & (rows["scope"] == "model")
    return None if (measured & (rows["status"] == "ok")).any() else "no model has bdm of initial weights"


FIGURE = Figure(
    name="initial_spread",
    title="Initial weights and fair bits",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="controls",
)
