"""Each drop in its parts: stacked bars for a few models, a strip per part for many."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.strips import draw_strip
from complexity_lab.statistics import SurveyTables, decompose
from complexity_lab.statistics.decomposition import PARTS, THREE

Floats = npt.NDArray[np.float64]
MOST_BARS: Final = 40
_BAR: Final = 0.19  # inches per model
_NAMES: Final = {
    "sign_bias": "sign bias",
    "location_scale": "location and scale",
    "distribution": "value distribution",
    "arrangement": "arrangement",
}
_COLOURS: Final = {
    "sign_bias": theme.SIGN_BIAS,
    "location_scale": theme.SIGN_BIAS,
    "distribution": theme.DISTRIBUTION,
    "arrangement": theme.ARRANGEMENT,
}
_MEANING: Final = {
    "sign_bias": "sign bias is what independent bits with the trained share of ones would lose as well",
    "location_scale": "location and scale is what normal values with each trained tensor's mean and deviation would "
    "lose as well",
    "distribution": "value distribution what the trained values, shuffled within each tensor, lose beyond that",
    "arrangement": "arrangement is the rest",
}


def prepare(tables: SurveyTables, metric: str = "bdm") -> pd.DataFrame:
    """Return the split of each model's drop, largest drop first."""
    ratios = tables.ratios
    parts = decompose(ratios.loc[(ratios["metric"] == metric) & ratios["ratio"].notna()])
    parts = parts.assign(drop_percent=100 * parts["drop"] / parts["initial_mean"])
    return parts.sort_values(["drop_percent", "model"], ascending=[False, True], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one stacked bar per model up to MOST_BARS models, and strips of points beyond."""
    if len(table) <= MOST_BARS:
        _draw_bars(table, figure)
    else:
        _draw_strips(table, figure)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts, name = parts_of(table), metric_label(str(table["metric"].iloc[0]))
    count = {1: "one", 2: "two", 3: "three"}[len(parts)]
    sentences = [
        f"The drop of {name} split in {count}, in percent of the initial {name}: "
        f"{', '.join(_MEANING[part] for part in parts)}; the {count} add up to the drop.",
        _shares(table, parts),
        _merged(table, parts),
        _negative(table, parts),
    ]
    if len(table) > 1 and table["below_null"].notna().any():
        known = table["below_null"].dropna()
        null = (
            "independent bits with their share of ones"
            if "sign_bias" in parts
            else "normal values with their mean and deviation"
        )
        sentences.append(f"{int((known > 0).sum())} of {numbers.models(len(known))} are simpler than {null}.")
    return " ".join(sentence for sentence in sentences if sentence)


def parts_of(table: pd.DataFrame) -> list[str]:
    """Return the parts that any model has, in order."""
    return [part for part in PARTS if table[part].notna().any()]


def _shares(table: pd.DataFrame, parts: list[str]) -> str:
    """Return how much of the drop each part makes up, in the median over models that dropped."""
    told = []
    for part in parts:
        shares = table[f"{part}_share"].dropna()
        if len(shares):
            share = float(shares.median())
            made = f"makes up {numbers.percent(share)} of" if share > 0 else "explains none of"
            told.append((f"{_NAMES[part]} {made} the drop", len(shares)))
        if len(parts) == 2:
            break  # the other part is the rest
    if not told:
        return ""
    most = max(count for _, count in told)
    who = f" in the median of {numbers.models(most)} that dropped" if most > 1 else ""
    text = "; ".join(text for text, _ in told)
    return f"{text[0].upper()}{text[1:]}{who}."


def _merged(table: pd.DataFrame, parts: list[str]) -> str:
    """Return which parts hold others because a null model is missing, where models differ in that."""
    merged = int((table["parts"] != THREE).sum())
    if "distribution" not in parts or merged == 0:
        return ""
    return (
        f"Of {numbers.models(merged)} a null model was not stored; there, one part holds its neighbour: arrangement "
        "the value distribution without shuffles, value distribution what comes before it otherwise."
    )


def _negative(table: pd.DataFrame, parts: list[str]) -> str:
    if "sign_bias" in parts and (table["sign_bias"] < 0).any():
        return (
            "Sign bias is negative where such bits would be more complex than the initial weights, which are "
            "simpler than fair bits to begin with (constant norms and biases make them so)."
        )
    if "location_scale" in parts and (table["location_scale"] < 0).any():
        return (
            "Location and scale is negative where normal values would be more complex than the initial weights, whose "
            "distribution may be another one (uniform, truncated, or constant)."
        )
    return ""


def _draw_bars(table: pd.DataFrame, figure: Canvas) -> None:
    figure.set_size_inches(theme.PAGE_WIDTH, max(1.6, 0.9 + _BAR * len(table)))
    parts = parts_of(table)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.9 if len(parts) < 3 else 1.35, 1), wspace=0)
    axes = figure.add_subplot(grid[0, 0])
    rows = np.arange(len(table))[::-1]
    _stack(axes, table, parts, rows)
    drop = table["drop_percent"].to_numpy(float)
    axes.scatter(drop, rows, marker="D", s=14, color="white", edgecolors=theme.INK, linewidths=0.8, zorder=3)
    axes.axvline(0, color=theme.INK, linewidth=0.8)
    axes.set_yticks(rows, table["model"].astype(str).tolist())
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    name = metric_label(str(table["metric"].iloc[0]))
    axes.set_xlabel(f"drop of {name} by training (% of initial {name})")
    axes.set_ylim(-0.7 if len(table) > 2 else -1.2, len(table) - (0.3 if len(table) > 2 else -0.2))
    _write_columns(figure.add_subplot(grid[0, 1], sharey=axes), table, parts, rows)
    handles = [Patch(color=_COLOURS[part], label=_NAMES[part]) for part in parts]
    net = theme.point_handle("drop", theme.Mark("white", "D"), markeredgecolor=theme.INK, markeredgewidth=0.8)
    figure.legend(handles=[*handles, net], loc="outside lower center", ncols=len(handles) + 1)


def _stack(axes: Axes, table: pd.DataFrame, parts: list[str], rows: npt.NDArray[np.int64]) -> None:
    """Stack parts of equal sign on the two sides of zero; what rises is on the left."""
    ends = {True: np.zeros(len(table)), False: np.zeros(len(table))}
    for part in parts:
        size = table[f"{part}_percent"].fillna(0).to_numpy(float)
        start = np.where(size > 0, ends[True], ends[False])
        axes.barh(rows, size, left=start, height=0.62, color=_COLOURS[part])
        ends[True] += np.maximum(size, 0)
        ends[False] += np.minimum(size, 0)


def _write_columns(axes: Axes, table: pd.DataFrame, parts: list[str], rows: npt.NDArray[np.int64]) -> None:
    """Write the numbers at the right: bars over several decades cannot show the small ones."""
    axes.set_axis_off()
    columns = {"drop": "drop"} | {part: _SHORT[part] for part in parts}
    places = np.linspace(0.3 if len(parts) < 3 else 0.22, 0.99, len(columns))
    for place, (column, label) in zip(places, columns.items(), strict=True):
        look: dict[str, Any] = {"ha": "right", "fontsize": 7, "transform": axes.get_yaxis_transform()}
        axes.text(place, axes.get_ylim()[1], label, va="bottom", color=theme.SOFT, **look)
        for y, value in zip(rows, table[f"{column}_percent"], strict=True):
            axes.text(place, float(y), _cell(float(value)), va="center", **look)


def _cell(percent: float) -> str:
    """Return a percentage that fits its column.

    >>> [_cell(value).replace(numbers.GLUE, " ") for value in (-1.234, -0.00062, 0.0)]
    ['−1.2 %', '> −0.001 %', '0 %']
    """
    if 0 < abs(percent) < 0.001:
        return f"{'<' if percent > 0 else '>'}{numbers.GLUE}{numbers.percent(float(np.sign(percent)) * 1e-5, 1)}"
    return numbers.percent(percent / 100)


_SHORT: Final = {
    "sign_bias": "sign bias",
    "location_scale": "location,\nscale",
    "distribution": "value\ndistr.",
    "arrangement": "arrange-\nment",
}


def _draw_strips(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a strip of points per part and one of the drop, with a box."""
    names = {"drop": "drop"} | {part: _NAMES[part] for part in parts_of(table)}
    figure.set_size_inches(theme.PAGE_WIDTH, 1.3 + 0.78 * len(names))
    axes = figure.add_subplot()
    marks = theme.family_marks(table["family"])
    values = table[[f"{column}_percent" for column in names]].to_numpy(float)
    symlog_axis(axes, "x", values.ravel(), symlog_threshold(values.ravel()))
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    for place, column in enumerate(reversed(names)):
        rows = table.loc[table[f"{column}_percent"].notna()]
        sizes = rows[f"{column}_percent"].to_numpy(float)
        draw_strip(axes, sizes, rows["family"], place, marks)
        above = int((sizes > 0).sum())
        axes.annotate(
            f"{numbers.percent(float(np.median(sizes)) / 100)}\n{above} of {len(sizes)} > 0",
            xy=(1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
        )
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_yticks(range(len(names)), list(names.values())[::-1])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    name = metric_label(str(table["metric"].iloc[0]))
    axes.set_xlabel(f"drop of {name} by training (% of initial {name}, logarithmic away from zero); right: medians")
    theme.legend_below(figure, theme.family_handles(marks))


def applies(tables: SurveyTables, metric: str, null: str) -> str | None:
    """Return why there is no split of a metric, or None if there is one."""
    missing = needs_ratios(tables, metric)
    if missing is None and prepare(tables, metric).empty:
        return f"the survey holds no null model (metric {metric}_{null}_mean)"
    return missing


FIGURE = Figure(
    name="decomposition",
    title="The drop in its parts",
    applies=lambda tables: applies(tables, "bdm", "iid"),
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="controls",
)
