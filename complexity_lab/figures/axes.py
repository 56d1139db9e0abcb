"""Axes of this field: parameters, percentages over decades, and signed percentages that are logarithmic off zero."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from complexity_lab.figures import numbers

Floats = npt.NDArray[np.float64]


def parameter_axis(axes: Axes, parameters: Floats) -> None:
    """Make x a logarithmic axis that holds these numbers of parameters: 100 k, 1 M, 10 M."""
    room = (parameters.max() / parameters.min()) ** 0.04 * 1.04
    low, high = float(parameters.min() / room), float(parameters.max() * room)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 60 else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("parameters")


def percent_decades(axes: Axes) -> None:
    """Make y a logarithmic axis of percentages. Call after drawing."""
    axes.set_yscale("log")
    if not math.isfinite(axes.dataLim.minposy):
        axes.set_ylim(0.01, 1.0)  # nothing to draw: a logarithmic axis without positive data has no limits
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 60 else (1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y")


def plain_decades(axes: Axes) -> None:
    """Make y a logarithmic axis whose labels are plain numbers: 0.01, 0.1, 1. Call after drawing."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


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


def symlog_axis(axes: Axes, side: Literal["x", "y"], values: Floats, threshold: float, most: int = 11) -> None:
    """Make an axis of signed percentages logarithmic away from zero, with limits that hold ``values`` and zero.

    At most so many decades have a label.
    """
    finite = values[np.isfinite(values)]
    low, high = min(float(finite.min(initial=0.0)), 0.0), max(float(finite.max(initial=0.0)), 0.0)
    limits = (min(low * 1.6, -threshold * 0.6), max(high * 1.6, threshold * 0.6))
    if side == "x":
        axes.set_xscale("symlog", linthresh=threshold, linscale=0.6)
        axes.set_xlim(*limits)
        _label_decades(axes.xaxis, thinned(signed_decades(low, high, threshold), most))
    else:
        axes.set_yscale("symlog", linthresh=threshold, linscale=0.6)
        axes.set_ylim(*limits)
        _label_decades(axes.yaxis, thinned(signed_decades(low, high, threshold), most))


def thinned(ticks: list[float], most: int) -> list[float]:
    """Return signed decades and zero, or as many evenly spaced decades of each side, from the largest on, as allowed.

    >>> thinned([-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0], 5)
    [-1.0, -0.01, 0.0, 0.01, 1.0]
    """
    sizes = sorted({abs(tick) for tick in ticks if tick}, reverse=True)
    step = 1
    while len([tick for tick in ticks if abs(tick) in sizes[::step]]) + 1 > max(most, 3) and step < len(sizes):
        step += 1
    return [tick for tick in ticks if tick == 0 or abs(tick) in sizes[::step]]


def _label_decades(axis: Axis, ticks: list[float]) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))


def signed_decades(low: float, high: float, threshold: float) -> list[float]:
    """Return zero and the powers of ten from ``threshold`` on, as far as the values reach on each side."""
    reach = max(-low, high, threshold)
    powers = [10.0**e for e in range(round(math.log10(threshold)), math.floor(math.log10(reach)) + 1)]
    return [-p for p in reversed(powers) if p <= -low] + [0.0] + [p for p in powers if p <= high]
