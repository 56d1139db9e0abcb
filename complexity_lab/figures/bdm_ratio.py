"""BDM ratio against parameters, one point per model (MoMos paper, Figure 2), with error bars and a null model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import parameter_axis
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.statistics import SurveyTables, wilson

_COLUMNS = [
    *("model", "family", "parameters", "ratio", "ratio_sd", "spread", "q_value", "iid_ratio", "ratio_p45"),
    *("saturation", "saturated", "ones_fraction_trained"),
]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return the compared models, smallest first: ratio, its spread over seeds, and the ratio of the null model."""
    ratios = tables.ratios
    chosen = ratios.loc[(ratios["metric"] == "bdm") & ratios["ratio"].notna() & ratios["parameters"].notna()]
    return chosen[_COLUMNS].sort_values(["parameters", "model"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw points over parameters and a histogram of the ratios at the side."""
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    grid = figure.add_gridspec(1, 2, width_ratios=(4.6, 1), wspace=0.02)
    points = figure.add_subplot(grid[0, 0])
    side = figure.add_subplot(grid[0, 1], sharey=points)
    marks = theme.family_marks(table["family"])
    _draw_nulls(points, table)
    _draw_points(points, table, marks)
    points.axhline(1, color=theme.INK, linewidth=0.8, zorder=1)
    points.set_ylabel("BDM ratio, trained / initial")
    parameter_axis(points, table["parameters"].to_numpy(float))
    _draw_histogram(side, table)
    theme.legend_below(figure, [*theme.family_handles(marks), *_null_handles(table)])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "BDM of the sign bits of trained weights over the mean BDM of initial weights, by number of parameters.",
        _result_sentence(table),
        _spread_sentence(table),
    ]
    if table["iid_ratio"].notna().any():
        parts.append(
            "Each grey dash is the ratio that independent bits with the model's own share of ones would have; what "
            "lies between a dash and its point is due to the arrangement of the bits."
        )
    if table["ratio_p45"].notna().sum() > 1:
        parts.append("The dotted line is the ratio of independent bits with 45 % ones.")
    return " ".join(part for part in parts if part)


def _result_sentence(table: pd.DataFrame) -> str:
    median = numbers.ratio(float(table["ratio"].median()))
    if len(table) == 1:
        return f"The one model has a ratio of {median}."
    n_below = int((table["ratio"] < 1).sum())
    below = wilson(n_below, len(table))
    return (
        f"{n_below} of {numbers.models(len(table))} ({numbers.percent(below.estimate)}; 95 % Wilson interval "
        f"{numbers.share_range(below.low, below.high)}) lie below 1; the median is {median}."
    )


def _spread_sentence(table: pd.DataFrame) -> str:
    if table["ratio_sd"].isna().all():
        return "Spread over seeds is unknown (one seed each)."
    return "Error bars show one standard deviation over seeds, often less than the point's size."


def _draw_points(axes: Axes, table: pd.DataFrame, marks: dict[str, theme.Mark]) -> None:
    size = 34 if len(table) <= 40 else 18
    axes.errorbar(
        table["parameters"],
        table["ratio"],
        yerr=table["ratio_sd"].fillna(0),
        fmt="none",
        ecolor=theme.INK,
        elinewidth=0.7,
    )
    for family, rows in table.groupby("family", sort=False):
        mark = marks[str(family)]
        axes.scatter(
            *(rows["parameters"], rows["ratio"]),
            s=size,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )


def _draw_nulls(axes: Axes, table: pd.DataFrame) -> None:
    known = table.loc[table["iid_ratio"].notna()]
    width = 1.2 if len(table) <= 40 else 0.7
    axes.vlines(known["parameters"], known["ratio"], known["iid_ratio"], color=theme.RULE, linewidth=width, zorder=1)
    axes.scatter(known["parameters"], known["iid_ratio"], marker="_", s=40, color=theme.FAINT, linewidths=0.9, zorder=2)
    curve = table.loc[table["ratio_p45"].notna()]
    if len(curve) > 1:
        axes.plot(curve["parameters"], curve["ratio_p45"], color=theme.FAINT, linestyle=":", linewidth=1, zorder=1)


def _null_handles(table: pd.DataFrame) -> list[Line2D]:
    handles = []
    if table["iid_ratio"].notna().any():
        dash = theme.Mark(theme.FAINT, "_")
        handles.append(theme.point_handle("null: same share of ones", dash, markersize=6, markeredgecolor=theme.FAINT))
    if table["ratio_p45"].notna().sum() > 1:
        handles.append(Line2D([], [], color=theme.FAINT, linestyle=":", linewidth=1, label="null: 45 % ones"))
    return handles


def _draw_histogram(axes: Axes, table: pd.DataFrame) -> None:
    ratio = table["ratio"].to_numpy(float)
    edges = bin_edges(ratio)
    counts, _ = np.histogram(ratio, edges)
    colours = np.where(edges[1:] <= 1 + 1e-12, theme.DROP, theme.RISE).tolist()
    axes.barh(edges[:-1], counts, height=np.diff(edges), align="edge", color=colours, edgecolor="white", linewidth=0.3)
    axes.axhline(1, color=theme.INK, linewidth=0.8)
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("models")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    below = wilson(int((ratio < 1).sum()), len(ratio))
    axes.set_title(
        f"{100 * below.estimate:.0f} % below 1\n[{100 * below.low:.0f}, {100 * below.high:.0f}]", fontsize=7, loc="left"
    )


def bin_edges(ratio: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    """Return about 25 equal bins over the ratios with an edge at exactly 1, so that no bin mixes the two sides."""
    low, high = min(float(ratio.min()), 1.0), max(float(ratio.max()), 1.0)
    width = max((high - low) / 25, 1e-6)
    first, last = np.floor((low - 1) / width - 1e-9), np.ceil((high - 1) / width + 1e-9)
    return np.asarray(1 + width * np.arange(first, last + 1), dtype=np.float64)


FIGURE = Figure(
    name="bdm_ratio",
    title="BDM ratio against size",
    applies=lambda tables: needs_ratios(tables, "bdm"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
