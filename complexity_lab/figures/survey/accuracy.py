"""Ratio against accuracy, one point per model, and whether they go together once size and family are held fixed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import marks, numbers, theme
from complexity_lab.figures.axes import Axis, percents, signed
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.figures.prepared import CHANGE_PERCENT, RANK, SD_PERCENT, compared
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.correlation import RankCorrelation, partial_spearman, spearman
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

_SEED = 0  # of permutations and bootstrap in the caption: equal tables give equal captions
ACCURACY_PERCENT = "accuracy_percent"
_COLUMNS = [
    *(c.MODEL, c.FAMILY, c.PARAMETERS, c.METRIC, d.RATIO, d.RATIO_SD, d.ACCURACY, d.ORIGIN, d.MATCHED),
    *(CHANGE_PERCENT, SD_PERCENT, ACCURACY_PERCENT),
]
MARKS = marks.Marks(
    x=Axis(ACCURACY_PERCENT, "accuracy", percents),
    y=Axis(CHANGE_PERCENT, "change by training", signed),
    spread=SD_PERCENT,
)
_ORIGINS = {"file": "the file of accuracies", "survey": "the zoo's own test data"}


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return ratio and accuracy of the models of which both are known, of BDM and QuBD, least accurate first."""
    known = results.accuracies.loc[results.accuracies[d.ACCURACY].notna()]
    ratios = compared(results.ratios)
    metrics = main_metrics(ratios[c.METRIC])
    table = ratios.loc[ratios[c.METRIC].isin(metrics)].merge(known, on=c.MODEL)
    table = table.assign(
        **{
            CHANGE_PERCENT: -100 * table[d.EFFECT],
            SD_PERCENT: 100 * table[d.RATIO_SD],
            ACCURACY_PERCENT: 100 * table[d.ACCURACY],
            RANK: table[c.METRIC].map(metrics.index),
        }
    )
    return table.sort_values([RANK, d.ACCURACY, c.MODEL], ignore_index=True)[_COLUMNS]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per metric, points by family."""
    panels = {metric_label(str(metric)): rows for metric, rows in table.groupby(c.METRIC, sort=False)}
    figure.set_size_inches(theme.PAGE_WIDTH, 3.7)
    marks.draw_panels(table, figure, MARKS, panels)
    for axes, title in zip(figure.axes, panels, strict=True):
        axes.axhline(0, color=theme.INK, linewidth=0.8, zorder=1)
        axes.set(ylabel=f"change of {title} by training", title="")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        f"Change by training (ratio − 1) against accuracy on held-out data, {numbers.models(table[c.MODEL].nunique())} "
        "with a known accuracy; logarithmic away from zero, below it is simpler. Error bars: one standard deviation "
        "over seeds."
    ]
    for metric, rows in table.groupby(c.METRIC, sort=False):
        plain, partial = _correlations(rows)
        if math.isnan(plain.p_value):
            parts.append(f"{metric_label(str(metric))}: rank correlation undefined ({plain.reason}).")
            continue
        held = f"undefined ({partial.reason})" if math.isnan(partial.p_value) else _in_words(partial)
        parts.append(
            f"{metric_label(str(metric))}: Spearman {_in_words(plain)}; with parameters and family held fixed {held}."
        )
    origin = table.drop_duplicates(c.MODEL)[d.ORIGIN].value_counts()
    parts.append(f"Accuracies: {', '.join(f'{_ORIGINS[str(name)]} ({n})' for name, n in origin.items())}.")
    return " ".join(parts)


def _correlations(rows: pd.DataFrame) -> tuple[RankCorrelation, RankCorrelation]:
    rows = rows.loc[rows[c.PARAMETERS].notna()]
    ratio, accuracy, size = (rows[name].to_numpy(float) for name in (d.RATIO, d.ACCURACY, c.PARAMETERS))
    rng = np.random.default_rng(_SEED)
    plain = spearman(ratio, accuracy, rng=rng, resamples=1999)
    families = rows[c.FAMILY].astype(str).tolist()
    return plain, partial_spearman(ratio, accuracy, numbers=(size,), groups=families, rng=rng)


def _in_words(found: RankCorrelation) -> str:
    low, middle, high = (
        f"{value:.2f}".replace("-", "−") for value in (found.rho.low, found.rho.estimate, found.rho.high)
    )
    return f"ρ{numbers.NBSP}={numbers.NBSP}{middle} ({low} to {high}; {numbers.p_value(found.p_value)})"


def _applies(results: SurveyResults) -> str | None:
    missing = needs.ratios(results)
    if missing is None and prepare(results).empty:
        return "no accuracy is known of any compared model; put a file accuracy.csv beside the tables"
    return missing


FIGURE = Figure(
    name="accuracy",
    title="Ratio against accuracy",
    kinds=("survey",),
    group="models",
    rank=40,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
