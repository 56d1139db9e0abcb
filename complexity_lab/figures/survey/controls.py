"""Each model's trained weights between their null models: what keeps less of the weights lies further right."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme
from complexity_lab.figures.axes import signed
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import main_metrics, metric_label, null_label
from complexity_lab.figures.prepared import CHANGE_PERCENT, RANK, SD_PERCENT, compared, ranked
from complexity_lab.figures.rows import RowLayout, name_rows, row_layout
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import null_labels, null_values
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

TRAINED: Final = "trained"
_SCALES: Final = ("fair", "share_45")  # what a size or a bias is worth: no null model of these weights
_ROOM: Final = 0.32  # inches per model in which null models lie one below the other
_FEW: Final = 24  # models that have so much room
# Paul Tol's bright scheme with a shape each; a null model that is not here takes the next of the theme.
_MARKS: Final = {
    "iid": theme.Mark("#CCBB44", "s"),
    "gaussian": theme.Mark("#EE6677", "D"),
    "shuffle": theme.Mark("#4477AA", "o"),
    "shuffle_channel": theme.Mark("#66CCEE", "^"),
    "shuffle_row": theme.Mark("#228833", "v"),
    "permutation": theme.Mark("#AA3377", "|"),
}
_COLUMNS: Final = [c.MODEL, c.FAMILY, c.METRIC, c.NULL, d.MEAN, d.SD, CHANGE_PERCENT, SD_PERCENT, RANK]


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return each null model's change from the initial mean in percent, one row per model, metric and null."""
    ratios = compared(results.ratios)
    stored = set(results.nulls[c.NULL]) - set(_SCALES)
    parts: list[pd.DataFrame] = []
    for metric in main_metrics(ratios[c.METRIC], most=3):
        rows = ratios.loc[ratios[c.METRIC] == metric]
        nulls = [_change(rows, null) for null in _in_order(stored) if null_values(rows, null, "mean").notna().any()]
        if nulls and len(parts) < 2:
            parts.append(pd.concat([_change(rows, TRAINED), *nulls], ignore_index=True))
    if not parts:
        return pd.DataFrame(columns=_COLUMNS)
    first = parts[0].loc[parts[0][c.NULL] == TRAINED].sort_values([CHANGE_PERCENT, c.MODEL])[c.MODEL].tolist()
    table = pd.concat(parts, ignore_index=True)
    order = first + sorted(set(table[c.MODEL]) - set(first))
    table = table.assign(**{RANK: ranked(table, order).astype("int64")})
    return table.sort_values(RANK, kind="stable", ignore_index=True)


def _change(rows: pd.DataFrame, null: str) -> pd.DataFrame:
    """Return the rows of one null model, or of the trained weights themselves."""
    if null == TRAINED:
        mean, sd = rows[d.TRAINED_MEAN], rows[d.TRAINED_SD]
    else:
        mean, sd = null_values(rows, null, "mean"), null_values(rows, null, "sd")
    initial = rows[d.INITIAL_MEAN]
    facts: dict[str, Any] = {
        c.NULL: null,
        d.MEAN: mean,
        d.SD: sd,
        CHANGE_PERCENT: 100 * (mean / initial - 1),
        SD_PERCENT: 100 * sd / initial,
    }
    return rows[[c.MODEL, c.FAMILY, c.METRIC]].assign(**facts).loc[mean.notna()]


def _in_order(nulls: set[str]) -> list[str]:
    known = [null for null in null_labels() if null in nulls]
    return known + sorted(nulls - set(known))


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a row per model and a panel per metric; of few models, null models lie one below the other."""
    metrics = list(dict.fromkeys(table[c.METRIC]))
    names = table.drop_duplicates(RANK).sort_values(RANK)[c.MODEL].astype(str).tolist()
    nulls = _in_order(set(table[c.NULL]) - {TRAINED})
    layout = row_layout(len(names), _ROOM) if len(names) <= _FEW else row_layout(len(names))
    figure.set_size_inches(theme.PAGE_WIDTH, max(2.0, layout.height + 1.2))
    for panel, (axes, metric) in enumerate(
        zip(figure.subplots(1, len(metrics), squeeze=False)[0], main_metrics(metrics, most=3), strict=True)
    ):
        name_rows(axes, layout, None if panel else names)
        _draw_metric(axes, table.loc[table[c.METRIC] == metric], layout, nulls)
        axes.set_xlabel(f"{metric_label(metric)}, change from initial")
    theme.legend_below(figure, [_handle(null, nulls) for null in (TRAINED, *nulls)])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "Trained weights and their null models, as change from the mean over initial seeds (logarithmic away from "
        "zero); models ordered by the first panel. Nulls keep, of each tensor, its share of ones (independent bits, "
        "over the whole model), its mean and sd (normal values), or all its values (shuffled, anywhere in the tensor "
        "or within channels or rows)."
    ]
    for metric, rows in table.groupby(c.METRIC, sort=False):
        grid = rows.pivot(index=c.MODEL, columns=c.NULL, values=CHANGE_PERCENT)
        counted = []
        for null in [name for name in _in_order({str(null) for null in grid} - {TRAINED}) if name != "permutation"]:
            both = grid[[TRAINED, null]].dropna()
            counted.append(f"{null_label(null)} {int((both[TRAINED] < both[null]).sum())} of {len(both)}")
        if counted:
            parts.append(f"{metric_label(str(metric))} of trained weights is below its null: {', '.join(counted)}.")
    if (table[c.NULL] == "permutation").any():
        parts.append("Neurons permuted: the same function in another order, so any difference is no property of it.")
    if table[SD_PERCENT].notna().any():
        parts.append("Error bars, in the colour of their mark: one standard deviation over seeds or draws.")
    return " ".join(parts)


def _draw_metric(axes: Axes, rows: pd.DataFrame, layout: RowLayout, nulls: list[str]) -> None:
    change, spread = rows[CHANGE_PERCENT].to_numpy(float), rows[SD_PERCENT].fillna(0).to_numpy(float)
    signed(axes, "x", np.concatenate([change - spread, change + spread]), most=5)
    axes.tick_params(axis="x", labelsize=6.5)
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    for edge in range(1, layout.n):
        axes.axhline(edge, color=theme.RULE, linewidth=0.3, zorder=0)
    apart = layout.row > 0.9 * _ROOM
    for place, null in enumerate((TRAINED, *nulls)):
        chosen = (rows[c.NULL] == null).to_numpy()
        shift = (place + 0.5) / (len(nulls) + 1) if apart else 0.5
        heights = rows[RANK].to_numpy(float)[chosen] + 0.06 + 0.88 * shift
        mark, look = _look(null, nulls)
        line: dict[str, Any] = {"fmt": "none", "ecolor": mark.colour, "elinewidth": 0.7, "alpha": 0.8, "zorder": 2}
        axes.errorbar(change[chosen], heights, xerr=spread[chosen], **line)
        size = 11.0 if apart else layout.mark * 0.8
        axes.scatter(change[chosen], heights, s=size, marker=mark.marker, zorder=3, **look)


def _look(null: str, nulls: list[str]) -> tuple[theme.Mark, dict[str, Any]]:
    if null == TRAINED:
        return theme.Mark(theme.INK, "o"), {"color": theme.INK, "linewidths": 0}
    spare = theme.Mark(theme.COLOURS[nulls.index(null) % len(theme.COLOURS)], "h")
    mark = _MARKS.get(null, spare)
    if mark.marker == "|":
        return mark, {"color": mark.colour, "linewidths": 1.1}
    return mark, {"facecolors": "white", "edgecolors": mark.colour, "linewidths": 1.0}


def _handle(null: str, nulls: list[str]) -> Line2D:
    mark, _ = _look(null, nulls)
    if null == TRAINED:
        return theme.point_handle("trained", mark)
    look = {"markerfacecolor": "white", "markeredgecolor": mark.colour, "markeredgewidth": 1.0}
    return theme.point_handle(null_label(null), mark, **look)


def _applies(results: SurveyResults) -> str | None:
    missing = needs.ratios(results)
    if missing is None and prepare(results).empty:
        return "the survey holds no null models"
    return missing


FIGURE = Figure(
    name="controls",
    title="Trained weights and their null models",
    kinds=("survey",),
    group="controls",
    rank=10,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
