"""Effect against size, with what can be told at each size: the null model, seeds, and permutations of neurons."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import marks, numbers, theme
from complexity_lab.figures.axes import Axis, decades, parameters
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.figures.prepared import EFFECT_PERCENT, RANK
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.resolution import Z
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

DETECTABLE_PERCENT, SEEDS_PERCENT = "detectable_percent", "seeds_percent"
PERMUTATIONS_PERCENT, LIMIT_PERCENT = "permutations_percent", "limit_percent"
UNRESOLVED = "unresolved"
_PERCENTS: Final = {
    EFFECT_PERCENT: d.EFFECT,
    DETECTABLE_PERCENT: d.DETECTABLE,
    SEEDS_PERCENT: d.SEEDS,
    PERMUTATIONS_PERCENT: d.PERMUTATIONS,
    LIMIT_PERCENT: d.LIMIT,
}
_COLUMNS: Final = [
    *(c.MODEL, c.FAMILY, c.PARAMETERS, c.METRIC, d.RATIO, c.NULL, d.LIMITED_BY, d.RESOLVED, UNRESOLVED),
    *_PERCENTS,
]
MARKS: Final = marks.Marks(
    x=Axis(c.PARAMETERS, "parameters", parameters),
    y=Axis(EFFECT_PERCENT, "size of the change by training", decades),
    pale=UNRESOLVED,
    companions=(
        marks.Companion(DETECTABLE_PERCENT, "_", f"null model, {Z:g} sd"),
        marks.Companion(SEEDS_PERCENT, "|", f"seeds, {Z:g} sd"),
        marks.Companion(PERMUTATIONS_PERCENT, "x", f"neuron permutations, {Z:g} sd"),
    ),
)
_LIMITS: Final = {"null": "the null model sets", "seeds": "seeds set", "permutations": "permutations set"}


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return effect and limits in percent per model, of BDM and QuBD, smallest model first."""
    table = results.resolution
    metrics = main_metrics(table[c.METRIC])
    table = table.loc[table[c.METRIC].isin(metrics) & table[c.PLANE].isna() & table[c.PARAMETERS].notna()]
    table = table.assign(
        **{name: 100 * table[column] for name, column in _PERCENTS.items()},
        **{UNRESOLVED: ~table[d.RESOLVED].astype(bool), RANK: table[c.METRIC].map(metrics.index)},
    )
    return table.sort_values([RANK, c.PARAMETERS, c.MODEL], ignore_index=True)[_COLUMNS]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per metric: filled points above every limit, pale ones below one of them."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    panels = {metric_label(str(metric)): rows for metric, rows in table.groupby(c.METRIC, sort=False)}
    marks.draw_panels(table, figure, MARKS, panels, sharey=True)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "Size of the change by training, next to what can be told at all: "
        f"{Z:g} standard deviations of the null model at that size (dashes), of the ratio over seeds (ticks), and over "
        "permutations of neurons that leave the function as it is (crosses), as far as each is known."
    ]
    for metric, rows in table.groupby(c.METRIC, sort=False):
        known = rows.loc[rows[LIMIT_PERCENT].notna()]
        if len(known):
            most = f"; most often {_LIMITS[str(known[d.LIMITED_BY].value_counts().index[0])]} the limit"
            parts.append(
                f"{metric_label(str(metric))}: {int(known[d.RESOLVED].sum())} of {numbers.models(len(known))} changed "
                f"by more than each of them{most if len(known) > 1 else ''}."
            )
    parts.append("Filled points are above every known limit, pale ones are not; hairlines join what belongs together.")
    unchanged = int((table[EFFECT_PERCENT] == 0).sum())
    if unchanged:
        parts.append(f"{unchanged} did not change and cannot be drawn on this axis.")
    return " ".join(parts)


def _applies(results: SurveyResults) -> str | None:
    missing = needs.ratios(results)
    if missing is not None:
        return missing
    table = prepare(results)
    if table.empty:
        return "no model has BDM or QuBD of both initial and trained weights"
    if table[LIMIT_PERCENT].isna().all():
        return "the survey knows no spread: one seed, no null model and no permutations"
    return None


FIGURE = Figure(
    name="resolution",
    title="What can be told at each size",
    kinds=("survey",),
    group="controls",
    rank=40,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
