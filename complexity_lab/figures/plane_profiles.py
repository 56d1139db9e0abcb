"""QuBD per bit plane against each reference: from the least to the most significant plane, over models and families."""

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_planes
from complexity_lab.statistics import SurveyTables, plane_ratios
from complexity_lab.statistics.planes import REFERENCES

_TITLES: Final = {
    "initial": "random initialization",
    "own": "own initial weights",
    "shuffled": "own values, shuffled",
}
_MEANING: Final = {
    "initial": "the mean over initial seeds of the same architecture",
    "own": "the initial weights that training started from",
    "shuffled": "the trained weights with the values of each tensor permuted, which leaves arrangement alone to differ",
}
MOST_LINES: Final = 14
"""Models with a line of their own; of more, each family has one, the median of its models."""


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return trained in percent of each reference per model and plane."""
    table = plane_ratios(tables.models, tables.measurements)
    table = table.loc[table["plane"].notna() & table["percent"].notna()]
    order = table["reference"].map({name: place for place, name in enumerate(REFERENCES)})
    table = table.assign(plane=table["plane"].astype("int64"), change_percent=table["percent"] - 100, order=order)
    return table.sort_values(["order", "model", "plane"], kind="stable", ignore_index=True).drop(columns="order")


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per reference: lines of models or families, and median and quartiles over models."""
    references = [name for name in REFERENCES if (table["reference"] == name).any()]
    figure.set_size_inches(theme.PAGE_WIDTH, 3.5)
    panels = figure.subplots(1, len(references), squeeze=False, sharey=True)[0]
    marks = theme.family_marks(table.drop_duplicates("model")["family"])
    change = table["change_percent"].to_numpy(float)
    symlog_axis(panels[0], "y", change, _threshold(table), most=9)
    for axes, reference in zip(panels, references, strict=True):
        rows = table.loc[table["reference"] == reference]
        axes.axhline(0, color=theme.INK, linewidth=0.8, zorder=1)
        _draw_lines(axes, rows, marks)
        if rows["model"].nunique() > 2:
            _draw_spread(axes, rows)
        axes.set_title(f"from {_TITLES[reference]}", fontsize=8)
        axes.set_xlabel("bit plane")
        axes.set_xticks(range(int(table["plane"].max()) + 1))
        axes.grid(axis="y")
    panels[0].set_ylabel("change of the plane's QuBD")
    handles = theme.family_handles(marks)
    if table["model"].nunique() > 2:
        handles.append(Line2D([], [], color=theme.INK, linewidth=1.8, label="median, quartiles"))
    theme.legend_below(figure, handles)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    count, last = table["model"].nunique(), int(table["plane"].max())
    parts = [
        f"QuBD of each bit plane after training, {numbers.models(count)}; 0 is the least significant plane, {last} the "
        "most significant."
    ]
    for reference, rows in table.groupby("reference", sort=False):
        ends = [rows.loc[rows["plane"] == plane, "percent"].median() for plane in (last, 0)]
        top, bottom = (numbers.near_hundred(float(value)) for value in ends)
        few = rows["model"].nunique()
        who = f" ({numbers.models(few)})" if few < count else ""
        parts.append(
            f"Against {_MEANING[str(reference)]}{who}: {top} of it in plane {last}, {bottom} in plane 0"
            + (" (medians)." if few > 1 else ".")
        )
    lines = "model" if count <= MOST_LINES else "family, the median of its models"
    parts.append(f"Each thin line is a {lines}; the axis is linear near zero and logarithmic beyond.")
    if count > 2:
        parts.append("Black line and band: median and quartiles over models.")
    if count == 1 and table["sd"].notna().any():
        parts.append("Error bars: one standard deviation over seeds.")
    return " ".join(parts)


def _threshold(table: pd.DataFrame) -> float:
    """Return where the axis turns linear: at the noise of the seeds where it is known, so that it is not magnified."""
    typical = symlog_threshold(table["change_percent"].to_numpy(float))
    noise = float(table["sd"].median())
    reach = float(table["change_percent"].abs().max())
    return max(typical, 10.0 ** math.floor(math.log10(noise))) if 0 < noise < reach else typical


def _draw_lines(axes: Axes, rows: pd.DataFrame, marks: dict[str, theme.Mark]) -> None:
    alone = rows["model"].nunique() == 1
    by = "model" if rows["model"].nunique() <= MOST_LINES else "family"
    for _, line in rows.groupby(by, sort=False):
        mark = marks[str(line["family"].iloc[0])]
        values = line.groupby("plane")[["change_percent", "sd"]].median()
        axes.errorbar(
            *(values.index, values["change_percent"]),
            yerr=values["sd"].fillna(0) if alone else None,
            color=mark.colour,
            marker=mark.marker,
            markersize=3.2,
            markeredgecolor="white",
            markeredgewidth=0.3,
            linewidth=1.2 if alone else 0.7,
            elinewidth=0.7,
            alpha=0.9,
            zorder=3,
        )


def _draw_spread(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw median and quartiles over models, each model counting once."""
    grid = rows.pivot(index="model", columns="plane", values="change_percent")
    low, middle, high = np.nanquantile(grid.to_numpy(float), [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(grid.columns, low, high, color=theme.INK, alpha=0.12, linewidth=0, zorder=2)
    axes.plot(grid.columns, middle, color=theme.INK, linewidth=1.8, zorder=4)


FIGURE = Figure(
    name="plane_profiles",
    title="Change of every bit plane",
    applies=needs_planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
