"""Does a layer's profile tell what rounding that layer alone costs? A point per layer, a panel per predictor."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.rounding.methods import losses_axis, none_rounded, rho
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rounded_layers import PREDICTORS
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables import columns as c

BITS: Final = 2  # where layers differ most and most of them still work
AXES: Final = {  # what is on the axis
    c.SHOWN: "planes kept before the margin",
    c.RELATIVE_ERROR: "squared error / squared norm",
    c.WEIGHTS: "weights of the layer",
}
RHOS: Final = {  # columns: rank correlation of each predictor, and the ends of its interval
    c.SHOWN: ("rho_shown", "low_shown", "high_shown"),
    c.RELATIVE_ERROR: ("rho_relative_error", "low_relative_error", "high_relative_error"),
    c.WEIGHTS: ("rho_weights", "low_weights", "high_weights"),
}


def prepare(results: RoundingResults) -> pd.DataFrame:
    """Return a row per network and tensor: planes, rounding error, weights and rise of the loss, means over seeds.

    Against the first reference of the study, each tensor rounded alone to BITS bits (or the fewest that were tried).
    ``rho_shown`` and the like are medians over networks of the rank correlation over the layers of a network.
    """
    losses = results.layer_losses
    losses = losses.loc[losses[c.REFERENCE] == results.references[0]]
    tried = sorted(losses[c.BITS].unique())
    bits = BITS if BITS in tried else tried[0]
    groups = losses.loc[losses[c.BITS] == bits].groupby([c.ARCHITECTURE, c.TENSOR, c.BITS], sort=False)
    shown = [c.SHOWN, c.RELATIVE_ERROR, c.WEIGHTS, d.LOSS_RISE, d.LOST]
    table = groups[shown].mean().reset_index()
    for rank in results.layer_ranks(results.references[0]):
        if rank.bits == bits:
            values = (rank.rho.estimate, rank.rho.low, rank.rho.high)
            table = table.assign(**dict(zip(RHOS[PREDICTORS[rank.predictor][0]], values, strict=True)))
    return table


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw rise of the loss against planes, rounding error and number of weights."""
    figure.set_size_inches(theme.PAGE_WIDTH, 2.9)
    panels = figure.subplots(1, len(AXES), sharey=True)
    spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(table))  # equal numbers of planes side by side
    predictors = {column: name for name, (column, _) in PREDICTORS.items()}
    for axes, (column, label) in zip(panels, AXES.items(), strict=True):
        x = table[column].to_numpy(float) + (spread if column == c.SHOWN else 0)
        axes.scatter(x, table[d.LOSS_RISE], s=11, color=theme.DROP, alpha=0.45, linewidths=0)
        if column == c.SHOWN:
            _medians(axes, table)
            axes.xaxis.set_major_locator(MultipleLocator(1))
        else:
            _decades(axes, of_counts=column == c.WEIGHTS)
        losses_axis(axes, table[d.LOSS_RISE].to_numpy(float), 0.01)
        axes.set_title(
            f"{predictors[column]}\n{rho(*(float(table[name].iloc[0]) for name in RHOS[column]))}", fontsize=8
        )
        axes.set_xlabel(label)
    panels[0].set_ylabel(f"rise of the loss at {int(table[c.BITS].iloc[0])} bits (nats)")


def _decades(axes: Axes, *, of_counts: bool) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if of_counts else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: (numbers.count if of_counts else numbers.plain)(value))
    )
    axes.xaxis.set_minor_formatter(NullFormatter())


def _medians(axes: Axes, table: pd.DataFrame) -> None:
    for shown, rows in table.groupby(table[c.SHOWN].astype(float).round()):
        middle, at = float(rows[d.LOSS_RISE].median()), float(str(shown))
        axes.plot([at - 0.25, at + 0.25], [middle, middle], color=theme.RISE, linewidth=1.6, solid_capstyle="butt")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    none = table.loc[table[c.SHOWN] < 0.5, d.LOSS_RISE]
    some = table.loc[table[c.SHOWN] >= 0.5, d.LOSS_RISE]
    return (
        f"Rise of the validation loss when one layer alone is rounded to {int(table[c.BITS].iloc[0])} bits; "
        f"{len(table):,} layers of {numbers.models(table[c.ARCHITECTURE].nunique())}, means over seeds, those left out "
        "whose planes cannot tell. Without a structured plane the median rise is "
        f"{numbers.significant(float(none.median()))} nats ({len(none):,} layers), with one or more "
        f"{numbers.significant(float(some.median()))} ({len(some):,}); red: medians. ρ: rank correlation within a "
        f"network, median over models, 95{numbers.NBSP}% bootstrap interval."
    )


def _applies(results: RoundingResults) -> str | None:
    return none_rounded(results) or (
        None if (results.layer_losses[c.REFERENCE] == results.references[0]).any() else "no layer was rounded alone"
    )


FIGURE = Figure(
    name="quantized_layers",
    title="What rounding one layer costs",
    kinds=("rounding",),
    group="rounding",
    rank=40,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
