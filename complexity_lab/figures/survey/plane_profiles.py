"""QuBD per bit plane against each reference: from the least to the most significant plane, over models and families."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import signed, symlog_threshold
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.prepared import CHANGE_PERCENT, RANK
from complexity_lab.figures.profiles import FEWEST_FOR_BAND, MOST_LINES, Profiles, draw_profiles
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.planes import REFERENCES
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

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
_SAME: Final = 0.005  # percentage points; references that differ less nowhere show one panel
_PROFILES: Final = Profiles(c.PLANE, CHANGE_PERCENT, d.SD)


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return trained in percent of each reference per model and plane."""
    table = results.plane_ratios
    table = table.loc[table[c.PLANE].notna() & table[d.PERCENT].notna()]
    table = table.assign(
        **{
            c.PLANE: table[c.PLANE].astype("int64"),
            CHANGE_PERCENT: table[d.PERCENT] - 100,
            RANK: table[c.REFERENCE].map(REFERENCES.index),
        }
    )
    keys = [RANK, c.MODEL, c.PLANE]
    return table.sort_values(keys, kind="stable", ignore_index=True).drop(columns=RANK)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per reference: lines of models or families, and median and quartiles over models."""
    panels = dict(iter(table.groupby(c.REFERENCE, sort=False)))
    twin = _own_is_initial(table)
    if twin:
        del panels["own"]
    figure.set_size_inches(theme.PAGE_WIDTH, 3.5)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    families = theme.family_marks(table.drop_duplicates(c.MODEL)[c.FAMILY])
    signed(grid[0], "y", table[CHANGE_PERCENT].to_numpy(float), threshold=_threshold(table))
    for axes, (reference, rows) in zip(grid, panels.items(), strict=True):
        axes.axhline(0, color=theme.INK, linewidth=0.8, zorder=1)
        draw_profiles(axes, rows, _PROFILES, families)
        also = " (and own initial weights)" if twin and reference == "initial" else ""
        axes.set_title(f"from {_TITLES[str(reference)]}{also}")
        axes.set_xlabel("bit plane")
        axes.set_xticks(range(int(table[c.PLANE].max()) + 1))
        axes.grid(axis="y")
    grid[0].set_ylabel("change of the plane's QuBD")
    handles = theme.family_handles(families)
    if table[c.MODEL].nunique() >= FEWEST_FOR_BAND:
        handles.append(Line2D([], [], color=theme.INK, linewidth=2.0, label="median, quartiles"))
    theme.legend_below(figure, handles)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    count, last = table[c.MODEL].nunique(), int(table[c.PLANE].max())
    parts = [
        f"QuBD of each bit plane after training, {numbers.models(count)}; 0 is the least significant plane, {last} the "
        "most significant."
    ]
    for reference, rows in table.groupby(c.REFERENCE, sort=False):
        ends = [rows.loc[rows[c.PLANE] == plane, d.PERCENT].median() for plane in (last, 0)]
        top, bottom = (numbers.near_hundred(float(value)) for value in ends)
        few = rows[c.MODEL].nunique()
        who = f" ({numbers.models(few)})" if few < count else ""
        parts.append(
            f"Against {_MEANING[str(reference)]}{who}: {top} of it in plane {last}, {bottom} in plane 0"
            + (" (medians)." if few > 1 else ".")
        )
    if _own_is_initial(table):
        parts.append(
            f"The first two differ by less than {numbers.plain(_SAME)} percentage points everywhere and share a panel."
        )
    lines = "model" if count <= MOST_LINES else "family, the median of its models"
    parts.append(f"Each thin line is a {lines}; the axis is linear near zero and logarithmic beyond.")
    if count >= FEWEST_FOR_BAND:
        parts.append("Black line and band: median and quartiles over models.")
    if count == 1 and table[d.SD].notna().any():
        parts.append("Error bars: one standard deviation over seeds.")
    return " ".join(parts)


def _own_is_initial(table: pd.DataFrame) -> bool:
    """Return whether own initial weights and their mean over seeds are the same reference as far as can be seen."""
    keys = [c.MODEL, c.PLANE]
    first, own = (table.loc[table[c.REFERENCE] == name].set_index(keys)[d.PERCENT] for name in ("initial", "own"))
    return len(own) == len(first) > 0 and bool(np.abs(own - first).max() < _SAME)


def _threshold(table: pd.DataFrame) -> float:
    """Return where the axis turns linear: at the noise of the seeds where it is known, so that it is not magnified."""
    typical = symlog_threshold(table[CHANGE_PERCENT].to_numpy(float))
    noise, reach = float(table[d.SD].median()), float(table[CHANGE_PERCENT].abs().max())
    return max(typical, 10.0 ** math.floor(math.log10(noise))) if 0 < noise < reach else typical


FIGURE = Figure(
    name="plane_profiles",
    title="Change of every bit plane",
    kinds=("survey",),
    group="planes",
    rank=20,
    applies=needs.planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
