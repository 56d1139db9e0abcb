"""Axes of this field: parameters, steps, percentages over decades, signed ones that are logarithmic off zero.

A scale is a function that lays out one axis for the values that it has to hold; an ``Axis`` is what a figure declares:
which column of its table lies on the axis, on what scale, under what label.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis as Ruler
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from complexity_lab.figures import numbers

Floats = npt.NDArray[np.float64]
Side = Literal["x", "y"]
Scale = Callable[[Axes, Side, Floats], None]
STEP_DECADES: Final = 30  # largest step over the smallest above 0 from which the axis is logarithmic
NICE: Final = [1, 2, 2.5, 5, 10]


@dataclass(frozen=True)
class Axis:
    """What lies on an axis."""

    column: str
    label: str
    scale: Scale


def ruler(axes: Axes, side: Side) -> Ruler:
    """Return the axis of a side."""
    return axes.xaxis if side == "x" else axes.yaxis


def parameters(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a logarithmic axis of numbers of parameters: 100 k, 1 M, 10 M; of one model, with a margin around it."""
    finite = values[np.isfinite(values) & (values > 0)]
    least, most = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 10.0)
    margin = max((most / least) ** 0.04 * 1.04, (6 / (most / least)) ** 0.5)
    low, high = least / margin, most * margin
    axes.set(**{f"{side}scale": "log", f"{side}lim": (low, high)})
    axis = ruler(axes, side)
    subs = (1.0,) if high / low > 300 else (1.0, 3.0) if high / low > 60 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.count(value)))
    axis.set_minor_formatter(NullFormatter())


def decades(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a logarithmic axis of percentages above zero."""
    finite = values[np.isfinite(values) & (values > 0)]
    low, high = (float(finite.min()) / 1.6, float(finite.max()) * 1.6) if len(finite) else (0.01, 1.0)
    axes.set(**{f"{side}scale": "log", f"{side}lim": (low, high)})
    axis = ruler(axes, side)
    subs = (1.0,) if high / low > 60 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))
    axis.set_minor_formatter(NullFormatter())
    axes.grid(axis=side)


def signed(axes: Axes, side: Side, values: Floats, *, threshold: float | None = None, most: int = 11) -> None:
    """Make it an axis of signed percentages, logarithmic away from zero; at most so many decades have a label."""
    turn = symlog_threshold(values) if threshold is None else threshold
    finite = values[np.isfinite(values)]
    low, high = min(float(finite.min(initial=0.0)), 0.0), max(float(finite.max(initial=0.0)), 0.0)
    limits = (min(low * 2, -turn * 0.6), max(high * 2, turn * 0.6))
    (axes.set_xscale if side == "x" else axes.set_yscale)("symlog", linthresh=turn, linscale=0.6)
    axes.set(**{f"{side}lim": limits})
    ticks, axis = signed_decades(*limits, turn), ruler(axes, side)
    axis.set_major_locator(FixedLocator(thinned(ticks, most)))
    axis.set_minor_locator(FixedLocator(ticks))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))
    axes.grid(axis=side)


def percents(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a plain axis of percentages with round ticks and a margin."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 100.0)
    margin = 0.06 * (high - low) or 1.0
    axes.set(**{f"{side}lim": (low - margin, high + margin)})
    axis = ruler(axes, side)
    axis.set_major_locator(MaxNLocator(nbins=5, steps=NICE))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{numbers.plain(value)}{numbers.NBSP}%"))


def plain(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a plain axis of numbers from zero, with round ticks."""
    most = float(np.nanmax(values, initial=0.0)) or 1.0
    axes.set(**{f"{side}lim": (0.0, 1.06 * most)})
    ruler(axes, side).set_major_locator(MaxNLocator(nbins=5, steps=NICE))
    ruler(axes, side).set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis=side)


def plain_decades(axes: Axes, side: Side, values: Floats) -> None:
    """Make it a logarithmic axis whose labels are plain numbers, 0.01, 0.1, 1, of what is drawn on it."""
    del values
    (axes.set_xscale if side == "x" else axes.set_yscale)("log")
    ruler(axes, side).set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ruler(axes, side).set_minor_formatter(NullFormatter())


def steps(axes: Axes, side: Side, values: Floats) -> None:
    """Make it an axis of training steps: logarithmic off zero where steps span decades, as 0, 1, 10, 100 do."""
    axis, positive = ruler(axes, side), values[values > 0]
    if len(positive) and positive.max() >= STEP_DECADES * positive.min():
        least, most = float(positive.min()), float(positive.max())
        (axes.set_xscale if side == "x" else axes.set_yscale)("symlog", linthresh=least, linscale=0.5)
        low = -0.15 * least if (values <= 0).any() else least / 1.2
        axes.set(**{f"{side}lim": (low, most * 1.2)})
        ticks = [10.0**power for power in range(math.ceil(math.log10(least)), math.floor(math.log10(most)) + 1)]
        axis.set_major_locator(FixedLocator([*([0.0] if low < 0 else []), *ticks[:: -2 if len(ticks) > 5 else -1]]))
        axis.set_minor_locator(NullLocator())
    else:
        margin = 0.03 * float(np.ptp(values)) or 0.5
        axes.set(**{f"{side}lim": (float(values.min()) - margin, float(values.max()) + margin)})
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.step(value)))  # a new scale brings its own


def symlog_threshold(values: Floats) -> float:
    """Return where a symmetric-log axis turns linear: the power of ten below the smallest tenth of the values.

    At most four decades below the largest value; 1 if every value is zero. Values are percentages, and what is
    smaller than 1e-12 of them is the rounding of a difference of equal numbers.
    """
    sizes = np.abs(values[np.isfinite(values)])
    sizes = sizes[sizes > 1e-12]
    if len(sizes) == 0:
        return 1.0
    wanted = max(float(np.quantile(sizes, 0.1)), float(sizes.max()) * 1e-4)
    return float(10.0 ** np.floor(np.log10(wanted)))


def thinned(ticks: list[float], most: int) -> list[float]:
    """Return signed decades and zero, or as many evenly spaced decades of each side, from the largest on, as allowed.

    >>> thinned([-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0], 5)
    [-1.0, -0.01, 0.0, 0.01, 1.0]
    """
    sizes = sorted({abs(tick) for tick in ticks if tick}, reverse=True)
    every = 1
    while len([tick for tick in ticks if abs(tick) in sizes[::every]]) + 1 > max(most, 3) and every < len(sizes):
        every += 1
    return [tick for tick in ticks if tick == 0 or abs(tick) in sizes[::every]]


def signed_decades(low: float, high: float, threshold: float) -> list[float]:
    """Return zero and the powers of ten from ``threshold`` on, as far as the values reach on each side."""
    reach = max(-low, high, threshold)
    powers = [10.0**e for e in range(round(math.log10(threshold)), math.floor(math.log10(reach)) + 1)]
    return [-p for p in reversed(powers) if p <= -low] + [0.0] + [p for p in powers if p <= high]
