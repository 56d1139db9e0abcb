"""Complexity and loss against training steps: relative to the start, and to the shuffled self of the same weights."""

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import plain_decades
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import MAIN, metric_label
from complexity_lab.figures.step_axis import step_axis
from complexity_lab.statistics.rows import plane_of
from complexity_lab.statistics.trajectory import TrajectoryTables, over_seeds

MOST_PANELS: Final = 6
MOST_METRICS: Final = 4
RATIOS: Final = {"ratio": "start", "ratio_shuffled": "shuffled self"}
_LOSSES: Final = ("validation_loss", "train_loss")
_DASHES: Final[dict[str, Any]] = {
    "ratio": "-",
    "ratio_shuffled": (0, (4, 1.5)),
    "validation_loss": "-",
    "train_loss": (0, (1, 1.2)),
}
_WORDS: Final = {
    "ratio": "% of the start",
    "ratio_shuffled": "% of its shuffled self",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
}


def prepare(tables: TrajectoryTables) -> pd.DataFrame:
    """Return mean and sd over the runs of a group: ratios in percent and losses, a row per line, quantity and step.

    A line is a metric where every network has one group of runs, else a group, and then of one metric alone. Of more
    than six networks the first six by name are shown.
    """
    networks = sorted(tables.ratios["network"].dropna().unique())[:MOST_PANELS]
    ratios = tables.ratios.loc[tables.ratios["network"].isin(networks)]
    grouped = ratios.groupby("network")["group"].nunique().max() > 1
    ratios = ratios.loc[ratios["metric"].isin(_shown(ratios, 1 if grouped else MOST_METRICS))]
    parts = [_line(over_seeds(ratios, [name], ("metric",)), name, scale=100.0) for name in RATIOS]
    losses = tables.losses.loc[tables.losses["network"].isin(networks)]
    parts += [_line(over_seeds(losses, [name], ()), name, scale=1.0) for name in _LOSSES]
    known = pd.concat(parts, ignore_index=True).dropna(subset=["mean"])
    places = tables.series.drop_duplicates("group").set_index("group")["network"]
    known = known.assign(network=known["group"].map(places))
    known = known.assign(
        line=[_arm(row.group, row.network) for row in known.itertuples()] if grouped else known["metric"]
    )
    order = ["network", "group", "quantity", "metric", "step"]
    return known[["line", *order, "mean", "sd", "runs"]].sort_values(order, kind="stable", ignore_index=True)


def _arm(group: Any, network: Any) -> str:
    """Return a group without the name of its network: what runs of several networks may share."""
    return str(group).removeprefix(str(network)).strip(" ,-") or str(group)


def _shown(ratios: pd.DataFrame, most: int) -> list[str]:
    """Return the metrics to show: QuBD where there is room for one, planes never."""
    found = main_first(ratios["metric"])
    return ["qubd"] if most == 1 and "qubd" in found else found[:most]


def main_first(metrics: Iterable[str]) -> list[str]:
    """Return distinct metrics without bit planes: those of ``labels.MAIN`` first, then by name.

    >>> main_first(["gzip", "qubd", "qubd_plane0", "block_entropy", "bdm", "gzip"])
    ['bdm', 'qubd', 'block_entropy', 'gzip']
    """
    found = sorted({metric for metric in metrics if plane_of(metric) is None})
    return sorted(found, key=lambda metric: MAIN.index(metric) if metric in MAIN else len(MAIN))


def _line(means: pd.DataFrame, name: str, scale: float) -> pd.DataFrame:
    found = means.rename(columns={name: "mean", f"{name}_sd": "sd", f"{name}_runs": "runs"})
    if "metric" not in found:
        found = found.assign(metric="")
    found = found.assign(mean=scale * found["mean"], sd=scale * found["sd"], quantity=name)
    return found[["group", "step", "metric", "quantity", "mean", "sd", "runs"]]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a pair of panels per network, complexity above and loss below, on one axis of steps."""
    networks = list(dict.fromkeys(table["network"]))
    has_losses = bool(table["quantity"].isin(_LOSSES).any())
    columns = 2 if len(networks) == 4 else min(3, len(networks))
    rows = math.ceil(len(networks) / columns)
    figure.set_size_inches(theme.PAGE_WIDTH, rows * (3.6 if has_losses else 2.6) + 0.5)
    cells = np.atleast_1d(np.asarray(figure.subfigures(rows, columns, squeeze=False), dtype=object)).ravel()
    colours = _colours(table)
    logarithmic = _spans_decades(table.loc[table["quantity"].isin(_LOSSES), "mean"])
    for place, (network, cell) in enumerate(zip(networks, cells, strict=False)):
        panels = _panels(cell, has_losses)
        _draw_network(panels, table.loc[table["network"] == network], colours, logarithmic)
        panels[0].set_title(network, fontsize=8)
        if place % columns == 0:
            panels[0].set_ylabel("complexity, % of reference")
            if has_losses:
                panels[1].set_ylabel("loss")
    theme.legend_below(figure, _handles(table, colours))


def _panels(cell: SubFigure, has_losses: bool) -> list[Axes]:
    grid = cell.subplots(2 if has_losses else 1, 1, squeeze=False, sharex=True, height_ratios=[3, 2][: 1 + has_losses])
    return [axes for (axes,) in grid]


def _draw_network(panels: list[Axes], rows: pd.DataFrame, colours: dict[str, str], logarithmic: bool) -> None:
    panels[0].axhline(100, color=theme.RULE, linewidth=0.8, zorder=0)
    for _, line in rows.groupby(["group", "metric", "quantity"], sort=False):
        of_loss = line["quantity"].iloc[0] in _LOSSES
        _draw_line(panels[1 if of_loss else 0], line, colours)
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].grid(axis="y")
    if len(panels) > 1:
        if logarithmic:
            plain_decades(panels[1])
        else:
            panels[1].set_ylim(bottom=0)
        panels[1].grid(axis="y")
    step_axis(panels[-1], rows["step"].to_numpy(float))


def _draw_line(axes: Axes, line: pd.DataFrame, colours: dict[str, str]) -> None:
    quantity = line["quantity"].iloc[0]
    colour = colours.get(str(line["line"].iloc[0]), theme.INK)
    marker = "o" if len(line) <= 20 else None
    axes.plot(
        line["step"],
        line["mean"],
        color=colour,
        linestyle=_DASHES[quantity],
        linewidth=1.1,
        marker=marker,
        markersize=2.2,
    )
    spread = line["sd"].fillna(0.0)
    if spread.any():
        low, high = line["mean"] - spread, line["mean"] + spread
        axes.fill_between(line["step"], low, high, color=colour, alpha=0.14, linewidth=0)


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour per line; the same arm of several networks has the same one."""
    lines = table.loc[table["quantity"].isin(RATIOS), "line"]
    return {key: mark.colour for key, mark in theme.family_marks(list(dict.fromkeys(lines))).items()}


def _handles(table: pd.DataFrame, colours: dict[str, str]) -> list[Line2D]:
    found = [Line2D([], [], color=colour, label=metric_label(key)) for key, colour in colours.items()]
    meanings: dict[Any, list[str]] = {}
    for name, dashes in _DASHES.items():
        if (table["quantity"] == name).any():
            meanings.setdefault(dashes, []).append(_WORDS[name])
    return found + [
        Line2D([], [], color=theme.SOFT, linestyle=dashes, label=", ".join(words)) for dashes, words in meanings.items()
    ]


def _spans_decades(values: "pd.Series[float]") -> bool:
    return bool(len(values) and values.min() > 0 and values.max() > 20 * values.min())


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    runs = int(table["runs"].max())
    shuffled = (table["quantity"] == "ratio_shuffled").any()
    spread = f" Lines are means over {runs} runs that differ in their seed, bands one standard deviation." * (runs > 1)
    metrics = [metric_label(metric) for metric in main_first(table["metric"]) if metric]
    return (
        f"{_listed(metrics)} of the weights over training, in percent of the value at the first step"
        + (" (solid) and of the mean of the same weights shuffled within every tensor (dashed)" if shuffled else "")
        + (", with the loss below." if table["quantity"].isin(_LOSSES).any() else ".")
        + spread
        + f" {_ends(table)}"
    )


def _listed(names: list[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])


def _ends(table: pd.DataFrame) -> str:
    """Say where the ratios to the start end."""
    ratios = table.loc[table["quantity"] == "ratio"]
    last = ratios.sort_values("step").drop_duplicates(["group", "metric"], keep="last")
    if last.empty:
        return "No ratio to the start exists, because the first step was not measured."
    step = int(last["step"].max())
    if len(last) == 1:
        only = last.iloc[0]
        return f"{metric_label(only['metric'])} ends at {numbers.near_hundred(only['mean'])} after {step:,} steps."
    low, high = (numbers.near_hundred(value) for value in (last["mean"].min(), last["mean"].max()))
    where = f"at {low}" if low == high else f"between {low} and {high}"
    return f"After {step:,} steps the lines end {where} of the start."


def _applies(tables: TrajectoryTables) -> str | None:
    known = tables.ratios[["ratio", "ratio_shuffled"]].notna().any().any() if len(tables.ratios) else False
    return None if known else "no step has a number to compare"


FIGURE = Figure(
    name="trajectory",
    title="Complexity over training",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
