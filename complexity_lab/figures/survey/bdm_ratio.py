"""BDM ratio against parameters, one point per model (MoMos paper, Figure 2), with error bars and a null model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from complexity_lab.figures import marks, numbers, theme
from complexity_lab.figures.axes import Axis, Floats, parameters, signed
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.prepared import CHANGE_PERCENT, SD_PERCENT, compared
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.intervals import wilson
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

IID_PERCENT, P45_PERCENT = "iid_percent", "p45_percent"
_COLUMNS = [
    *(c.MODEL, c.FAMILY, c.PARAMETERS, d.RATIO, d.RATIO_SD, d.SPREAD, d.Q_VALUE, d.IID_RATIO, d.RATIO_P45),
    *(d.SATURATION, d.SATURATED, d.ONES_FRACTION_TRAINED),
]
MARKS = marks.Marks(
    x=Axis(c.PARAMETERS, "parameters", parameters),
    y=Axis(CHANGE_PERCENT, "BDM, trained against initial", signed),
    spread=SD_PERCENT,
    companions=(
        marks.Companion(IID_PERCENT, "_", "null: same share of ones"),
        marks.Companion(P45_PERCENT, "x", "null: 45 % ones", joined=False, size=10),
    ),
)


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return the compared models, smallest first: ratio, its spread over seeds, and the ratio of the null model."""
    chosen = compared(results.ratios, "bdm")
    table = chosen.loc[chosen[c.PARAMETERS].notna(), _COLUMNS]
    percents = {CHANGE_PERCENT: d.RATIO, IID_PERCENT: d.IID_RATIO, P45_PERCENT: d.RATIO_P45}
    table = table.assign(**{name: 100 * (table[column] - 1) for name, column in percents.items()})
    table = table.assign(**{SD_PERCENT: 100 * table[d.RATIO_SD]})
    return table.sort_values([c.PARAMETERS, c.MODEL], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw points over parameters and a histogram of the ratios at the side."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    grid = figure.add_gridspec(1, 2, width_ratios=(5, 1), wspace=0.02)
    points = figure.add_subplot(grid[0, 0])
    families = theme.family_marks(table[c.FAMILY])
    marks.draw_marks(points, table, MARKS, families)
    points.axhline(0, color=theme.INK, linewidth=0.8, zorder=1)
    _draw_histogram(figure.add_subplot(grid[0, 1], sharey=points), table[CHANGE_PERCENT].to_numpy(float))
    theme.legend_below(figure, marks.handles(table, MARKS, families))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "BDM of the sign bits of trained weights against the mean BDM of initial weights, by number of parameters, as "
        "change in percent; the axis is logarithmic away from zero.",
        _result_sentence(table),
        "Spread over seeds is unknown (one seed each)."
        if table[d.RATIO_SD].isna().all()
        else "Error bars show one standard deviation over seeds, often less than the point's size.",
    ]
    if table[d.IID_RATIO].notna().any():
        parts.append(
            "Each dash is the change that independent bits with the model's own share of ones would have; what lies "
            "between a dash and its point is due to the arrangement of the bits."
        )
    if table[d.RATIO_P45].notna().any():
        parts.append("Crosses are the changes of independent bits with 45 % ones.")
    return " ".join(parts)


def _result_sentence(table: pd.DataFrame) -> str:
    median = numbers.ratio(float(table[d.RATIO].median()))
    if len(table) == 1:
        return f"The one model has a ratio of {median}."
    count = int((table[d.RATIO] < 1).sum())
    below = wilson(count, len(table))
    return (
        f"{count} of {numbers.models(len(table))} ({numbers.percent(below.estimate)}; 95 % Wilson interval "
        f"{numbers.share_range(below.low, below.high)}) lie below a ratio of 1; the median is {median}."
    )


def _draw_histogram(axes: Axes, change: Floats) -> None:
    """Draw how many models lie where, in bins that are equally high on the axis of the points."""
    scale = axes.yaxis.get_transform()
    edges = scale.inverted().transform(bin_edges(np.asarray(scale.transform(change))))
    counts, _ = np.histogram(change, edges)
    colours = np.where(edges[1:] <= 1e-9, theme.DROP, theme.RISE).tolist()
    axes.barh(edges[:-1], counts, height=np.diff(edges), align="edge", color=colours, edgecolor="white", linewidth=0.3)
    axes.axhline(0, color=theme.INK, linewidth=0.8)
    axes.tick_params(axis="y", which="both", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("models")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    below = wilson(int((change < 0).sum()), len(change))
    share = f"{100 * below.estimate:.0f} % simpler\n[{100 * below.low:.0f}, {100 * below.high:.0f}]"
    axes.set_title(share, fontsize=7, loc="left")


def bin_edges(values: Floats) -> Floats:
    """Return about 20 equal bins over the values with an edge at exactly 0, so that no bin mixes the two sides."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    width = max((high - low) / 20, 1e-6)
    first, last = np.floor(low / width - 1e-9), np.ceil(high / width + 1e-9)
    return np.asarray(width * np.arange(first, last + 1), dtype=np.float64)


FIGURE = Figure(
    name="bdm_ratio",
    title="BDM ratio against size",
    kinds=("survey",),
    group="models",
    rank=10,
    applies=lambda results: needs.ratios(results, "bdm"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
