"""Do general-purpose compressors agree with the BDM? Change of size by training, one strip per metric."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import numbers
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import main_first, metric_label
from complexity_lab.figures.prepared import CHANGE_PERCENT, RANK, compared
from complexity_lab.figures.strips import FEWEST_FOR_BOX, Strip, draw_strips
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.intervals import wilson
from complexity_lab.statistics.ratios import metrics_of
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

_COLUMNS = [c.MODEL, c.FAMILY, c.PARAMETERS, c.METRIC, c.UNIT, d.RATIO, d.RATIO_SD, CHANGE_PERCENT, d.Q_VALUE]


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return every compared model and metric but single planes, BDM first: change in percent (negative: simpler)."""
    chosen = compared(results.ratios)
    order = main_first(chosen[c.METRIC])
    table = chosen.assign(**{CHANGE_PERCENT: -100 * chosen[d.EFFECT], RANK: chosen[c.METRIC].map(order.index)})
    return table.sort_values(RANK, kind="stable", ignore_index=True)[_COLUMNS]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one strip of points per metric, and the share that became simpler."""
    strips = []
    for metric in metrics_of(table):
        rows = table.loc[table[c.METRIC] == metric]
        below = wilson(int((rows[CHANGE_PERCENT] < 0).sum()), len(rows))
        words = f"{100 * below.estimate:.0f} % [{100 * below.low:.0f}, {100 * below.high:.0f}]"
        strips.append(Strip(metric_label(metric), rows, CHANGE_PERCENT, words))
    row_height = 0.62 if len(table) / len(strips) > 40 else 0.42
    draw_strips(figure, strips, "change of size by training (logarithmic away from zero)", row_height)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    shares = []
    for metric in metrics_of(table):
        ratio = table.loc[table[c.METRIC] == metric, d.RATIO]
        same = int((ratio == 1).sum())
        unchanged = f" ({same} unchanged)" if same else ""
        shares.append(f"{metric_label(metric)} {int((ratio < 1).sum())} of {len(ratio)}{unchanged}")
    boxes = table[c.MODEL].nunique() >= FEWEST_FOR_BOX
    return (
        "Change of size by training per metric, one point per model; left of zero is simpler. Compressors: compressed "
        "bytes of the packed sign bits, unless the name gives another payload. Models that became simpler: "
        + ", ".join(shares)
        + (". Boxes: quartiles; whiskers: 5 to 95 %." if boxes else ".")
        + f" At the right: share that became simpler, with its 95{numbers.NBSP}% Wilson interval."
    )


FIGURE = Figure(
    name="compressor_ratios",
    title="BDM and compressors compared",
    kinds=("survey",),
    group="models",
    rank=30,
    applies=needs.ratios,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
