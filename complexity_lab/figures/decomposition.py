"""How much of each drop is sign bias and how much is arrangement: bars for a few models, a plane for many."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.statistics import SurveyTables, decompose

MOST_BARS = 40
_BAR = 0.19  # inches per model


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return the split of each model's drop, largest drop first."""
    ratios = tables.ratios
    parts = decompose(ratios.loc[(ratios["metric"] == "bdm") & ratios["ratio"].notna()])
    parts = parts.assign(drop_percent=100 * parts["drop"] / parts["initial_mean"])
    return parts.sort_values(["drop_percent", "model"], ascending=[False, True], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one stacked bar per model up to MOST_BARS models, and one point per model beyond."""
    if len(table) <= MOST_BARS:
        _draw_bars(table, figure)
    else:
        _draw_plane(table, figure)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    shares = table["sign_bias_share"].dropna()
    arranged = int((table["arrangement"] > 0).sum())
    parts = [
        "The drop of BDM split in two, in percent of the initial BDM: sign bias is what independent bits with the "
        "trained share of ones would lose as well, arrangement is the rest; the two add up to the drop."
    ]
    if len(shares):
        share = float(shares.median())
        made = f"makes up {numbers.percent(share)} of" if share > 0 else "explains none of"
        who = f" in the median of {numbers.models(len(shares))} that dropped" if len(shares) > 1 else ""
        parts.append(f"Sign bias {made} the drop{who}.")
    if (table["sign_bias"] < 0).any():
        parts.append(
            "Sign bias is negative where such bits would be more complex than the initial weights, which are "
            "simpler than fair bits to begin with (constant norms and biases make them so)."
        )
    if len(table) > 1:
        parts.append(
            f"{arranged} of {numbers.models(len(table))} are simpler than independent bits with their share of ones."
        )
    return " ".join(parts)


def _draw_bars(table: pd.DataFrame, figure: Canvas) -> None:
    figure.set_size_inches(theme.PAGE_WIDTH, max(1.6, 0.9 + _BAR * len(table)))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.9, 1), wspace=0)
    axes = figure.add_subplot(grid[0, 0])
    rows = np.arange(len(table))[::-1]
    bias, arrangement = (table[f"{part}_percent"].to_numpy(float) for part in ("sign_bias", "arrangement"))
    # Parts of equal sign stack; of opposite signs they start at zero on both sides.
    start = np.where(bias * arrangement > 0, bias, 0.0)
    axes.barh(rows, bias, height=0.62, color=theme.SIGN_BIAS)
    axes.barh(rows, arrangement, left=start, height=0.62, color=theme.ARRANGEMENT)
    axes.scatter(
        bias + arrangement, rows, marker="D", s=14, color="white", edgecolors=theme.INK, linewidths=0.8, zorder=3
    )
    axes.axvline(0, color=theme.INK, linewidth=0.8)
    axes.set_yticks(rows, table["model"].astype(str).tolist())
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("drop of BDM by training (% of initial BDM)")
    axes.set_ylim(-0.7 if len(table) > 2 else -1.2, len(table) - (0.3 if len(table) > 2 else -0.2))
    _write_columns(figure.add_subplot(grid[0, 1], sharey=axes), table, rows)
    handles = [Patch(color=theme.SIGN_BIAS, label="sign bias"), Patch(color=theme.ARRANGEMENT, label="arrangement")]
    net = theme.point_handle("drop", theme.Mark("white", "D"), markeredgecolor=theme.INK, markeredgewidth=0.8)
    figure.legend(handles=[*handles, net], loc="outside lower center", ncols=3)


def _write_columns(axes: Axes, table: pd.DataFrame, rows: "np.typing.NDArray[np.int64]") -> None:
    """Write the numbers at the right: bars over several decades cannot show the small ones."""
    axes.set_axis_off()
    columns = {"drop": "drop_percent", "sign bias": "sign_bias_percent", "arrangement": "arrangement_percent"}
    for place, (label, column) in zip((0.3, 0.63, 0.99), columns.items(), strict=True):
        look: dict[str, Any] = {"ha": "right", "fontsize": 7, "transform": axes.get_yaxis_transform()}
        axes.text(place, axes.get_ylim()[1], label, va="bottom", color=theme.SOFT, **look)
        for y, value in zip(rows, table[column], strict=True):
            axes.text(place, float(y), numbers.percent(float(value) / 100), va="center", **look)


def _draw_plane(table: pd.DataFrame, figure: Canvas) -> None:
    figure.set_size_inches(theme.PAGE_WIDTH, 4.6)
    axes = figure.add_subplot()
    marks = theme.family_marks(table["family"])
    values = table[["sign_bias_percent", "arrangement_percent"]].to_numpy(float)
    threshold = symlog_threshold(values.ravel())
    for family, rows in table.groupby("family", sort=False):
        mark = marks[str(family)]
        axes.scatter(
            *(rows["sign_bias_percent"], rows["arrangement_percent"]),
            s=18,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
    symlog_axis(axes, "x", values[:, 0], threshold)
    symlog_axis(axes, "y", values[:, 1], threshold)
    axes.axhline(0, color=theme.INK, linewidth=0.8)
    axes.axvline(0, color=theme.INK, linewidth=0.8)
    axes.grid()
    axes.set_xlabel("drop by sign bias (% of initial BDM)")
    axes.set_ylabel("drop by arrangement (% of initial BDM)")
    _draw_diagonals(axes)
    diagonal = Line2D([], [], color=theme.FAINT, linestyle=":", label="equal parts")
    cancel = Line2D([], [], color=theme.FAINT, linestyle="--", label="no drop in sum")
    theme.legend_below(figure, [*theme.family_handles(marks), diagonal, cancel])


def _draw_diagonals(axes: Axes) -> None:
    """Draw where both parts are equal and where they cancel, without widening the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    reach = max(abs(left), abs(right), abs(bottom), abs(top))
    # Both axes share one symlog scale, on which y = x and y = -x stay straight.
    axes.plot([-reach, 0, reach], [-reach, 0, reach], color=theme.FAINT, linestyle=":", linewidth=0.8, zorder=1)
    axes.plot([-reach, 0, reach], [reach, 0, -reach], color=theme.FAINT, linestyle="--", linewidth=0.8, zorder=1)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _applies(tables: SurveyTables) -> str | None:
    missing = needs_ratios(tables, "bdm")
    if missing is None and tables.ratios.loc[tables.ratios["metric"] == "bdm", "iid_mean"].isna().all():
        return "the survey holds no null model (metric bdm_iid_mean)"
    return missing


FIGURE = Figure(
    name="decomposition",
    title="Sign bias and arrangement",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="controls",
)
