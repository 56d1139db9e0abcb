"""Does a layer's profile tell what rounding that layer alone costs? A point per layer, a panel per predictor."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.quantization import QuantizationTables, layer_losses, layer_ranks

BITS: Final = 2  # where layers differ most and most of them still work
PREDICTOR_LABELS: Final = {
    "shown": ("planes that cannot be dropped", "planes kept before the margin"),
    "relative_error": ("rounding error of the weights", "squared error / squared norm"),
    "weights": ("fewer weights", "weights of the layer"),
}


def prepare(tables: QuantizationTables) -> pd.DataFrame:
    """Return a row per model and tensor: planes, rounding error, weights and rise of the loss, means over seeds.

    Against the first reference of the study, each tensor rounded alone to BITS bits (or the fewest that were tried).
    ``rho_shown`` and the like are medians over models of the rank correlation over the layers of a network.
    """
    losses = layer_losses(tables, tables.references[0])
    tried = sorted(losses["bits"].unique())
    rows = losses.loc[losses["bits"] == (BITS if BITS in tried else tried[0])]
    groups = rows.groupby(["model", "tensor", "bits"], sort=False)
    table = groups[["shown", "relative_error", "weights", "loss_rise", "lost"]].mean().reset_index()
    ranks = {(found.predictor, found.bits): found.rho for found in layer_ranks(losses)}
    for column, (name, _) in PREDICTOR_LABELS.items():
        rho = ranks[name, int(table["bits"].iloc[0])]
        table[f"rho_{column}"], table[f"low_{column}"], table[f"high_{column}"] = rho.estimate, rho.low, rho.high
    return table


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw rise of the loss against planes, rounding error and number of weights."""
    figure.set_size_inches(theme.PAGE_WIDTH, 2.9)
    panels = figure.subplots(1, len(PREDICTOR_LABELS), sharey=True)
    rise = table["loss_rise"].to_numpy(float)
    spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(table))  # equal numbers of planes side by side
    for axes, (column, (title, label)) in zip(panels, PREDICTOR_LABELS.items(), strict=True):
        x = table[column].to_numpy(float) + (spread if column == "shown" else 0)
        axes.scatter(x, rise, s=11, color=theme.DROP, alpha=0.45, linewidths=0)
        if column == "shown":
            _medians(axes, table)
            axes.xaxis.set_major_locator(MultipleLocator(1))
        else:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if column == "weights" else (1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(_count if column == "weights" else _plain))
            axes.xaxis.set_minor_formatter(NullFormatter())
        symlog_axis(axes, "y", rise, 0.01)
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.grid(axis="y")
        axes.axhline(0, color=theme.FAINT, linewidth=0.6)
        axes.set_title(f"{title}\n{_rho(table, column)}", fontsize=8)
        axes.set_xlabel(label)
    panels[0].set_ylabel(f"rise of the loss at {int(table['bits'].iloc[0])} bits (nats)")


def _plain(value: float, _: int | None) -> str:
    return f"{value:g}".replace("-", "−")


def _count(value: float, _: int | None) -> str:
    return numbers.count(value)


def _medians(axes: Axes, table: pd.DataFrame) -> None:
    for shown, rows in table.groupby(table["shown"].round()):
        middle, at = float(rows["loss_rise"].median()), float(str(shown))
        axes.plot([at - 0.25, at + 0.25], [middle, middle], color=theme.RISE, linewidth=1.6, solid_capstyle="butt")


def _rho(table: pd.DataFrame, column: str) -> str:
    rho, low, high = (float(table[f"{name}_{column}"].iloc[0]) for name in ("rho", "low", "high"))
    if not np.isfinite(rho):
        return "ρ undefined"
    return f"ρ = {rho:.2f} ({low:.2f} to {high:.2f})".replace("-", "−")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    none = table.loc[table["shown"] < 0.5, "loss_rise"]
    some = table.loc[table["shown"] >= 0.5, "loss_rise"]
    return (
        f"Rise of the validation loss when one layer alone is rounded to {int(table['bits'].iloc[0])} bits; "
        f"{len(table):,} layers of {numbers.models(table['model'].nunique())}, means over seeds, those left out whose "
        "planes cannot tell. Without a structured plane the median rise is "
        f"{numbers.significant(float(none.median()))} nats ({len(none):,} layers), with one or more "
        f"{numbers.significant(float(some.median()))} ({len(some):,}); red: medians. ρ: rank correlation within a "
        f"network, median over models, 95{numbers.GLUE}% bootstrap interval."
    )


def _applies(tables: QuantizationTables) -> str | None:
    if not len(tables.models):
        return "no network has been rounded yet"
    return None if len(layer_losses(tables, tables.references[0])) else "no layer was rounded alone"


FIGURE = Figure(
    name="quantized_layers",
    title="What rounding one layer costs",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="layers",
)
