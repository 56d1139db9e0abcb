"""How large each change is, on a logarithmic axis, next to the noise of the seeds and the effect of sign bias alone."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import parameter_axis, percent_decades
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.statistics import SurveyTables

_COLUMNS = ["model", "family", "parameters", "effect", "effect_percent", "noise_percent", "null_percent", "q_value"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return the size of each model's change in percent of its initial BDM, of the seeds' spread, and of sign bias."""
    ratios = tables.ratios
    chosen = ratios.loc[(ratios["metric"] == "bdm") & ratios["ratio"].notna() & ratios["parameters"].notna()]
    table = chosen.assign(
        effect_percent=100 * chosen["effect"].abs(),
        noise_percent=100 * chosen["ratio_sd"],
        null_percent=100 * (1 - chosen["iid_ratio"]).abs(),
    )
    return table[_COLUMNS].sort_values(["parameters", "model"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw filled points for drops and hollow ones for rises; ticks for noise and null."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    axes = figure.add_subplot()
    marks = theme.family_marks(table["family"])
    size = 34 if len(table) <= 40 else 18
    _draw_ticks(axes, table, "noise_percent", "|")
    _draw_ticks(axes, table, "null_percent", "_")
    for family, rows in table.loc[table["effect"] != 0].groupby("family", sort=False):
        mark = marks[str(family)]
        fill = np.where(rows["effect"] > 0, mark.colour, "white").tolist()
        axes.scatter(
            *(rows["parameters"], rows["effect_percent"]),
            s=size,
            c=fill,
            marker=mark.marker,
            edgecolors=mark.colour,
            linewidths=0.8,
            zorder=3,
        )
    percent_decades(axes)
    axes.set_ylabel("size of the change of BDM by training")
    parameter_axis(axes, table["parameters"].to_numpy(float))
    theme.legend_below(figure, [*theme.family_handles(marks), *_handles(table)])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    change = table["effect_percent"]
    above = int((change > 2 * table["noise_percent"]).sum())
    known = int(table["noise_percent"].notna().sum())
    parts = [
        f"Size of the change of BDM by training in percent of the initial BDM, {numbers.models(len(table))}: "
        f"median {numbers.percent(float(change.median()) / 100)}, largest "
        f"{numbers.percent(float(change.max()) / 100)}. "
        "Filled: simpler after training; hollow: more complex."
    ]
    if known:
        parts.append(
            f"Vertical ticks: standard deviation of the ratio over seeds; {above} of {known} exceed twice that. "
            "A change can stand far above the noise of the seeds and still be tiny."
        )
    if table["null_percent"].notna().any():
        parts.append("Dashes: the change that the share of ones alone would make.")
    unchanged = int((change == 0).sum())
    if unchanged:
        parts.append(f"{numbers.models(unchanged)} did not change and cannot be drawn on this axis.")
    return " ".join(parts)


def _draw_ticks(axes: Axes, table: pd.DataFrame, column: str, marker: str) -> None:
    known = table.loc[table[column] > 0]
    axes.scatter(known["parameters"], known[column], marker=marker, s=30, color=theme.FAINT, linewidths=0.8, zorder=2)


def _handles(table: pd.DataFrame) -> list[Line2D]:
    grey = {"markersize": 6, "markeredgecolor": theme.FAINT, "markeredgewidth": 0.8}
    handles = []
    if (table["effect"] < 0).any():
        hollow = theme.Mark("white", "o")
        handles.append(
            theme.point_handle("more complex (hollow)", hollow, markeredgecolor=theme.INK, markeredgewidth=0.8)
        )
    if (table["null_percent"] > 0).any():
        handles.append(theme.point_handle("null: same share of ones", theme.Mark(theme.FAINT, "_"), **grey))
    if (table["noise_percent"] > 0).any():
        handles.append(theme.point_handle("sd over seeds", theme.Mark(theme.FAINT, "|"), **grey))
    return handles


FIGURE = Figure(
    name="effect_size",
    title="Size of the change against the noise of the seeds",
    applies=lambda tables: needs_ratios(tables, "bdm"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
