"""What is left at the end of training against the number of training examples: accuracy and complexity."""

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from complexity_lab.figures import theme, watched
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.numbers import near_hundred
from complexity_lab.statistics.learning import CONDITIONS, StudyTables

QUANTITIES: Final = ("test_accuracy", "qubd_self", "bdm_self", "qubd_start")


def prepare(tables: StudyTables) -> pd.DataFrame:
    """Return mean and range over seeds of the final numbers (percent), per training set and arm."""
    parts = []
    for name in QUANTITIES:
        values = tables.last.assign(value=100 * tables.last[name])
        part = values.groupby(list(CONDITIONS), dropna=False)["value"].agg(["mean", "min", "max", "count"])
        renamed = part.reset_index().rename(columns={"min": "low", "max": "high", "count": "seeds"})
        parts.append(renamed.assign(quantity=name))
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["quantity", "labels", "weight_decay", "examples"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per quantity, a line per arm, a bar from the lowest to the highest seed."""
    arms = watched.arms_of(table)
    figure.set_size_inches(theme.PAGE_WIDTH, 2.6)
    panels = figure.subplots(1, len(QUANTITIES), squeeze=False)[0]
    for axes, name in zip(panels, QUANTITIES, strict=True):
        rows = table.loc[table["quantity"] == name]
        for arm in arms:
            own = rows.loc[(rows["labels"] == arm[0]) & (rows["weight_decay"] == arm[1])].sort_values("examples")
            _arm(axes, own, watched.colour_of(arm))
        axes.set_title(watched.NAMES[name].replace("\n", " "), fontsize=7.5)
        if name == "test_accuracy":
            axes.set_ylim(0, 102)
            axes.grid(axis="y")
        else:
            watched.percent_axis(axes, watched.ends_of(rows))
        _examples_axis(axes, sorted(table["examples"].unique()))
    watched.legend(figure, watched.arm_handles(arms), 2)


def _arm(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    spread = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
    axes.errorbar(
        rows["examples"],
        rows["mean"],
        spread,
        color=colour,
        marker="o",
        markersize=3.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
        capsize=0,
        elinewidth=0.8,
        linewidth=1.1,
    )


def _examples_axis(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("training examples")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    ends = table.loc[table["quantity"] == "qubd_self"]
    lowest = ends.iloc[int(ends["mean"].to_numpy(float).argmin())]
    arms = watched.arms_of(table)
    label = watched.arm_label((str(lowest["labels"]), float(lowest["weight_decay"])), arms) or "all runs"
    seeds = int(table["seeds"].max())
    return (
        f"The last weights against the number of training examples, means of {seeds} seed{'s' if seeds > 1 else ''} "
        f"with the range as a bar. QuBD is lowest, at {near_hundred(float(lowest['mean']))} of its shuffled self, "
        f"with {int(lowest['examples']):,} examples ({label})."
    )


def _applies(tables: StudyTables) -> str | None:
    reason = watched.why_not(tables, "overfitting", ("qubd_self", "bdm_self"))
    if reason is None and tables.last["examples"].nunique() < 2:
        return "training sets of one size only"
    return reason


FIGURE = Figure(
    name="memory",
    title="Complexity at the end against training examples",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
