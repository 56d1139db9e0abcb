"""The axis of training steps: logarithmic off zero where steps span decades, as checkpoints at 0, 1, 10, 100 do."""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from complexity_lab.figures import numbers

DECADES = 30  # largest step over the smallest above 0 from which the axis is logarithmic


def step_axis(axes: Axes, steps: npt.NDArray[np.float64]) -> None:
    """Make x the axis of these steps, with a label."""
    positive = steps[steps > 0]
    axes.set_xlabel("training step")
    if not len(positive) or positive.max() < DECADES * positive.min():
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    else:
        _logarithmic(axes, steps, float(positive.min()), float(positive.max()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: step_text(value)))  # a new scale brings its own


def _logarithmic(axes: Axes, steps: npt.NDArray[np.float64], smallest: float, largest: float) -> None:
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    low = -0.15 * smallest if (steps <= 0).any() else smallest / 1.2
    axes.set_xlim(low, largest * 1.2)
    decades = range(math.ceil(math.log10(smallest)), math.floor(math.log10(largest)) + 1)
    thin = 2 if len(decades) > 5 else 1
    shown = [10.0**exponent for exponent in reversed(range(decades.stop - 1, decades.start - 1, -thin))]
    axes.xaxis.set_major_locator(FixedLocator([0.0, *shown] if low < 0 else shown))
    axes.xaxis.set_minor_locator(NullLocator())


def step_text(step: float) -> str:
    """Return a step as text: all digits below ten thousand, a unit above.

    >>> step_text(512), step_text(143_000).replace(numbers.GLUE, " ")
    ('512', '143 k')
    """
    return f"{step:,.0f}" if abs(step) < 10_000 else numbers.count(step)
