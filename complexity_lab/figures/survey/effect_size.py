"""How large each change is, on a logarithmic axis, next to the noise of the seeds and the effect of sign bias alone."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import marks, numbers, theme
from complexity_lab.figures.axes import Axis, decades, parameters
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.prepared import EFFECT_PERCENT, NOISE_PERCENT, NULL_PERCENT, compared
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

RISES = "rises"
_COLUMNS = [c.MODEL, c.FAMILY, c.PARAMETERS, d.EFFECT, EFFECT_PERCENT, NOISE_PERCENT, NULL_PERCENT, d.Q_VALUE, RISES]
MARKS = marks.Marks(
    x=Axis(c.PARAMETERS, "parameters", parameters),
    y=Axis(EFFECT_PERCENT, "size of the change of BDM by training", decades),
    hollow=RISES,
    companions=(
        marks.Companion(NULL_PERCENT, "_", "null: same share of ones"),
        marks.Companion(NOISE_PERCENT, "|", "sd over seeds"),
    ),
)


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return the size of each model's change in percent of its initial BDM, of the seeds' spread, and of sign bias."""
    chosen = compared(results.ratios, "bdm")
    chosen = chosen.loc[chosen[c.PARAMETERS].notna()]
    percents = {
        EFFECT_PERCENT: 100 * chosen[d.EFFECT].abs(),
        NOISE_PERCENT: 100 * chosen[d.RATIO_SD],
        NULL_PERCENT: 100 * (1 - chosen[d.IID_RATIO]).abs(),
        RISES: chosen[d.EFFECT] < 0,
    }
    return chosen.assign(**percents)[_COLUMNS].sort_values([c.PARAMETERS, c.MODEL], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw filled points for drops and hollow ones for rises; ticks for noise and null."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    marks.draw_panels(table, figure, MARKS, {"": table})


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    change = table[EFFECT_PERCENT]
    above, known = int((change > 2 * table[NOISE_PERCENT]).sum()), int(table[NOISE_PERCENT].notna().sum())
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
    if table[NULL_PERCENT].notna().any():
        parts.append("Dashes: the change that the share of ones alone would make.")
    parts.append("Hairlines join what belongs to one model.")
    unchanged = int((change == 0).sum())
    if unchanged:
        parts.append(f"{numbers.models(unchanged)} did not change and cannot be drawn on this axis.")
    return " ".join(parts)


FIGURE = Figure(
    name="effect_size",
    title="Size of the change against the noise of the seeds",
    kinds=("survey",),
    group="models",
    rank=20,
    applies=lambda results: needs.ratios(results, "bdm"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
