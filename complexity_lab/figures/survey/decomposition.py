"""Each drop in its parts, of BDM and of QuBD: stacked bars for a few models, a strip per part for many."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from complexity_lab.figures import bars, numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import metric_label, null_label
from complexity_lab.figures.prepared import DROP_PERCENT
from complexity_lab.figures.strips import Strip, draw_strips
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.decomposition import PARTS, THREE, percent_of, share_of
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

MOST_BARS: Final = 40
_BAR: Final = 0.19  # inches per model
_NAMES: Final = {
    d.SIGN_BIAS: "sign bias",
    d.LOCATION_SCALE: "location and scale",
    d.DISTRIBUTION: "value distribution",
    d.ARRANGEMENT: "arrangement",
}
_SHORT: Final = {
    d.SIGN_BIAS: "sign bias",
    d.LOCATION_SCALE: "location,\nscale",
    d.DISTRIBUTION: "value\ndistr.",
    d.ARRANGEMENT: "arrange-\nment",
}
_COLOURS: Final = {
    d.SIGN_BIAS: theme.SIGN_BIAS,
    d.LOCATION_SCALE: theme.SIGN_BIAS,
    d.DISTRIBUTION: theme.DISTRIBUTION,
    d.ARRANGEMENT: theme.ARRANGEMENT,
}
_MEANING: Final = {
    d.SIGN_BIAS: "sign bias is what independent bits with the trained share of ones would lose as well",
    d.LOCATION_SCALE: "location and scale is what normal values with each trained tensor's mean and deviation would "
    "lose as well",
    d.DISTRIBUTION: "value distribution what the trained values, shuffled within each tensor, lose beyond that",
    d.ARRANGEMENT: "arrangement is the rest",
}


def prepare(results: SurveyResults, metric: str) -> pd.DataFrame:
    """Return the split of each model's drop, largest drop first."""
    parts = results.decomposition
    chosen = (parts[c.METRIC] == metric) & parts[c.PLANE].isna() & (parts[d.INITIAL_MEAN] > 0)
    parts = parts.loc[chosen].drop(columns=c.PLANE)
    parts = parts.assign(**{DROP_PERCENT: 100 * parts[d.DROP] / parts[d.INITIAL_MEAN]})
    return parts.sort_values([DROP_PERCENT, c.MODEL], ascending=[False, True], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one stacked bar per model up to MOST_BARS models, and strips of points beyond."""
    if len(table) <= MOST_BARS:
        _draw_bars(table, figure)
    else:
        _draw_strips(table, figure)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts, name = parts_of(table), metric_label(str(table[c.METRIC].iloc[0]))
    count = {1: "one", 2: "two", 3: "three"}[len(parts)]
    sentences = [
        f"The drop of {name} split in {count}, in percent of the initial {name}: "
        f"{', '.join(_MEANING[part] for part in parts)}; the {count} add up to the drop.",
        _shares(table, parts),
        _merged(table, parts),
        _negative(table, parts),
    ]
    if len(table) > 1 and table[d.BELOW_NULL].notna().any():
        known = table[d.BELOW_NULL].dropna()
        null = (
            "independent bits with their share of ones"
            if d.SIGN_BIAS in parts
            else "normal values with their mean and deviation"
        )
        sentences.append(f"{int((known > 0).sum())} of {numbers.models(len(known))} are simpler than {null}.")
    return " ".join(sentence for sentence in sentences if sentence)


def parts_of(table: pd.DataFrame) -> list[str]:
    """Return the parts that any model has, in order."""
    return [part for part in PARTS if table[part].notna().any()]


def _shares(table: pd.DataFrame, parts: list[str]) -> str:
    """Return how much of the drop each part makes up, in the median over models that dropped."""
    found = []
    for part in parts:
        shares = table[share_of(part)].dropna()
        if len(shares):
            share = float(shares.median())
            made = f"makes up {numbers.percent(share)} of" if share > 0 else "explains none of"
            found.append((f"{_NAMES[part]} {made} the drop", len(shares)))
        if len(parts) == 2:
            break  # the other part is the rest
    if not found:
        return ""
    most = max(count for _, count in found)
    who = f" in the median of {numbers.models(most)} that dropped" if most > 1 else ""
    text = "; ".join(text for text, _ in found)
    return f"{text[0].upper()}{text[1:]}{who}."


def _merged(table: pd.DataFrame, parts: list[str]) -> str:
    """Return which parts hold others because a null model is missing, where models differ in that."""
    merged = int((table[d.PARTS] != THREE).sum())
    if d.DISTRIBUTION not in parts or merged == 0:
        return ""
    return (
        f"Of {numbers.models(merged)} a null model was not stored; there, one part holds its neighbour: arrangement "
        "the value distribution without shuffles, value distribution what comes before it otherwise."
    )


def _negative(table: pd.DataFrame, parts: list[str]) -> str:
    if d.SIGN_BIAS in parts and (table[d.SIGN_BIAS] < 0).any():
        return (
            "Sign bias is negative where such bits would be more complex than the initial weights, which are "
            "simpler than fair bits to begin with (constant norms and biases make them so)."
        )
    if d.LOCATION_SCALE in parts and (table[d.LOCATION_SCALE] < 0).any():
        return (
            "Location and scale is negative where normal values would be more complex than the initial weights, whose "
            "distribution may be another one (uniform, truncated, or constant)."
        )
    return ""


def _draw_bars(table: pd.DataFrame, figure: Canvas) -> None:
    figure.set_size_inches(theme.PAGE_WIDTH, max(1.6, 0.9 + _BAR * len(table)))
    parts, count = parts_of(table), len(table)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.9 if len(parts) < 3 else 1.35, 1), wspace=0)
    axes = figure.add_subplot(grid[0, 0])
    rows = np.arange(count, dtype=float)[::-1]
    bars.draw_parts(axes, table, {percent_of(part): _COLOURS[part] for part in parts}, rows)
    diamond: dict[str, Any] = {
        "marker": "D",
        "s": 14,
        "color": "white",
        "edgecolors": theme.INK,
        "linewidths": 0.8,
        "zorder": 3,
    }
    axes.scatter(table[DROP_PERCENT], rows, **diamond)
    axes.set_yticks(rows, table[c.MODEL].astype(str).tolist())
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    name = metric_label(str(table[c.METRIC].iloc[0]))
    axes.set_xlabel(f"drop of {name} by training (% of initial {name})")
    axes.set_ylim(-0.7 if count > 2 else -1.2, count - (0.3 if count > 2 else -0.2))
    columns = {"drop": DROP_PERCENT} | {_SHORT[part]: percent_of(part) for part in parts}
    cells = {heading: [_cell(float(value)) for value in table[column]] for heading, column in columns.items()}
    bars.write_columns(figure.add_subplot(grid[0, 1], sharey=axes), cells, rows, 0.3 if len(parts) < 3 else 0.22)
    net = theme.point_handle("drop", theme.Mark("white", "D"), markeredgecolor=theme.INK, markeredgewidth=0.8)
    theme.legend_below(figure, [*(Patch(color=_COLOURS[part], label=_NAMES[part]) for part in parts), net])


def _cell(percent: float) -> str:
    """Return a percentage that fits its column.

    >>> [_cell(value).replace(numbers.NBSP, " ") for value in (-1.234, -0.00062, 0.0)]
    ['−1.2 %', '> −0.001 %', '0 %']
    """
    if 0 < abs(percent) < 0.001:
        return f"{'<' if percent > 0 else '>'}{numbers.NBSP}{numbers.percent(float(np.sign(percent)) * 1e-5, 1)}"
    return numbers.percent(percent / 100)


def _draw_strips(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a strip of points per part and one of the drop, with a box."""
    strips = []
    columns = {"drop": DROP_PERCENT} | {_NAMES[part]: percent_of(part) for part in parts_of(table)}
    for label, column in columns.items():
        rows = table.loc[table[column].notna()]
        above = int((rows[column] > 0).sum())
        words = f"{numbers.percent(float(rows[column].median()) / 100)}\n{above} of {len(rows)} > 0"
        strips.append(Strip(label, rows, column, words))
    name = metric_label(str(table[c.METRIC].iloc[0]))
    label = f"drop of {name} by training (% of initial {name}, logarithmic away from zero); right: medians"
    draw_strips(figure, strips, label, 0.78)


def _applies(results: SurveyResults, metric: str, null: str) -> str | None:
    missing = needs.ratios(results, metric)
    if missing is None and prepare(results, metric).empty:
        return f"the survey holds no null model of {metric_label(metric)} ({null_label(null)})"
    return missing


def _figure(name: str, title: str, metric: str, null: str, rank: int) -> Figure[SurveyResults]:
    return Figure(
        name=name,
        title=title,
        kinds=("survey",),
        group="controls",
        rank=rank,
        applies=partial(_applies, metric=metric, null=null),
        prepare=partial(prepare, metric=metric),
        draw=draw,
        caption=caption,
    )


FIGURES = (
    _figure("decomposition", "The drop in its parts", "bdm", "iid", 20),
    _figure("decomposition_planes", "The drop of QuBD in its parts", PLANE_METRIC, "shuffle", 30),
)
