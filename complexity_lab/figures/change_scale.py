"""Colours of a change by training: purple is simpler, orange more complex, logarithmic away from white."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter

from complexity_lab.figures import numbers
from complexity_lab.figures.axes import signed_decades, symlog_threshold, thinned

UNKNOWN: Final = "#c4c8cc"


def change_norm(change: npt.NDArray[np.float64]) -> SymLogNorm:
    """Return the colour scale of changes in percent, symmetric about zero; NaN is left out."""
    finite = change[np.isfinite(change)]
    reach = max(float(np.abs(finite).max(initial=0.0)), 1e-6)
    return SymLogNorm(linthresh=min(symlog_threshold(finite), reach), vmin=-reach, vmax=reach)


def draw_changes(
    axes: Axes, x: npt.NDArray[Any], y: npt.NDArray[Any], change: npt.NDArray[np.float64], norm: SymLogNorm
) -> QuadMesh:
    """Draw a grid of changes in percent, (rows, columns), between edges x and y; grey where one is unknown."""
    colours = colormaps["PuOr_r"].with_extremes(bad=UNKNOWN)
    return axes.pcolormesh(x, y, np.ma.masked_invalid(change), cmap=colours, norm=norm, rasterized=True)


def change_bar(figure: Canvas, mesh: QuadMesh, axes: Sequence[Axes], label: str, **place: Any) -> Colorbar:
    """Add the bar that explains the colours; of many decades, not every one has a label."""
    bar = figure.colorbar(mesh, ax=list(axes), **place)
    along = bar.ax.xaxis if bar.orientation == "horizontal" else bar.ax.yaxis
    low, high = mesh.get_clim()
    ticks = signed_decades(low or 0.0, high or 0.0, getattr(mesh.norm, "linthresh", 1.0))
    along.set_major_locator(FixedLocator(thinned(ticks, 7)))
    along.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=6.5)
    bar.set_label(label, fontsize=7)
    bar.outline.set_linewidth(0.4)
    return bar
