"""What ways of rounding and references of planes are called and look like in every figure of rounding."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import Floats, signed
from complexity_lab.statistics.rounding_results import RoundingResults


class Look(NamedTuple):
    """How a method is called, and its colour and marker."""

    label: str
    colour: str
    marker: str


METHODS: Final = {
    "uniform": Look("the same bits for all", theme.INK, "o"),
    "flat": Look("margin alone, planes ignored", "#999933", "s"),
    "by_error": Look("same budget, by rounding error", "#88CCEE", "^"),
    "bare": Look("threshold alone, chance ignored", "#AA4499", "P"),
    "suggested": Look("suggested by planes", theme.RISE, "D"),
}
TITLES: Final = {
    "shuffle": "against the shuffled self",
    "initial": "against own initial weights",
    "random": "against random initializations",
}
SHORT: Final = {"shuffle": "shuffled", "initial": "initial", "random": "random"}


def losses_axis(axes: Axes, values: Floats, threshold: float) -> None:
    """Make y an axis of losses of either sign, logarithmic above a threshold, with a line at zero."""
    signed(axes, "y", values, threshold=threshold)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.plain(value)))
    axes.axhline(0, color=theme.FAINT, linewidth=0.6, zorder=0)


def rho(estimate: float, low: float, high: float) -> str:
    """Return a rank correlation with its interval.

    >>> rho(-0.5, -0.75, 0.1), rho(float("nan"), 0.0, 0.0)
    ('ρ = −0.50 (−0.75 to 0.10)', 'ρ undefined')
    """
    if not np.isfinite(estimate):
        return "ρ undefined"
    return f"ρ = {estimate:.2f} ({low:.2f} to {high:.2f})".replace("-", "−")


def none_rounded(results: RoundingResults) -> str | None:
    """Return that nothing has been rounded yet, None if something has."""
    return None if len(results.architectures) else "no network has been rounded yet"
