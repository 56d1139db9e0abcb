"""BDM of initial weights against parameters: how close to fair bits, and how much seeds differ."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import marks, numbers, theme
from complexity_lab.figures.axes import Axis, decades, parameters, plain
from complexity_lab.figures.figure import Figure, unless_empty
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

MEAN_KBIT, FAIR_KBIT, GAP_PERCENT, SD_PERCENT = "mean_kbit", "fair_kbit", "gap_percent", "relative_sd_percent"
_COLUMNS: Final = [
    *(c.MODEL, c.FAMILY, c.PARAMETERS, d.N, d.MEAN, d.SD, d.RELATIVE_SD, d.FAIR_MEAN, d.GAP, d.ONES_FRACTION),
    *(MEAN_KBIT, FAIR_KBIT, GAP_PERCENT, SD_PERCENT),
]
_SIZE: Final = Axis(c.PARAMETERS, "parameters", parameters)
ABOVE: Final = marks.Marks(
    x=_SIZE,
    y=Axis(MEAN_KBIT, "BDM of initial weights (kbit)", plain),
    companions=(marks.Companion(FAIR_KBIT, "_", "fair bits", size=170),),
)
BELOW: Final = marks.Marks(
    x=_SIZE,
    y=Axis(GAP_PERCENT, "distance from fair bits", decades),
    companions=(marks.Companion(SD_PERCENT, "|", "sd over seeds"),),
)


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return BDM of initial weights per model, smallest model first: mean, spread over seeds, fair bits."""
    table = results.initial
    table = table.loc[(table[c.METRIC] == "bdm") & table[c.PARAMETERS].notna()]
    table = table.assign(
        **{
            MEAN_KBIT: table[d.MEAN] / 1000,
            FAIR_KBIT: table[d.FAIR_MEAN] / 1000,
            GAP_PERCENT: 100 * table[d.GAP].abs(),
            SD_PERCENT: 100 * table[d.RELATIVE_SD],
        }
    )
    return table[_COLUMNS].sort_values([c.PARAMETERS, c.MODEL], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw BDM with that of fair bits above, and relative distances from it below."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
    families = theme.family_marks(table[c.FAMILY])
    marks.draw_marks(above, table, ABOVE, families)
    marks.draw_marks(below, table, BELOW, families)
    above.set_xlabel("")
    found = marks.handles(table, ABOVE, families)
    theme.legend_below(figure, [*found, *marks.handles(table, BELOW, {})])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    spread, gap = table[d.RELATIVE_SD].dropna(), table[d.GAP].dropna()
    parts = [f"BDM of randomly initialized weights, {numbers.models(len(table))}, means over seeds."]
    if len(gap):
        parts.append(
            "The dashes above are the expectation for as many fair bits; below, points give the distance from it "
            f"(median {numbers.percent(float(np.median(np.abs(gap))))})."
        )
    if len(spread):
        parts.append(
            f"Ticks: standard deviation over seeds (median {numbers.percent(float(spread.median()))} of the BDM)."
        )
    else:
        parts.append("The spread over seeds is unknown (one seed).")
    return " ".join(parts)


FIGURE = Figure(
    name="initial_spread",
    title="Initial weights and fair bits",
    kinds=("survey",),
    group="controls",
    rank=50,
    applies=unless_empty(prepare, "no model has BDM of initial weights"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
