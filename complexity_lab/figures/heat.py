"""Archetype: heat maps of a change by training. Purple is simpler, orange more complex, logarithmic away from white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import signed_decades, symlog_threshold, thinned

UNKNOWN: Final = "#c4c8cc"
COLOURS: Final = "PuOr_r"


def change_norm(change: npt.NDArray[np.float64]) -> SymLogNorm:
    """Return the colour scale of changes in percent, symmetric about zero; NaN is left out."""
    finite = change[np.isfinite(change)]
    reach = max(float(np.abs(finite).max(initial=0.0)), 1e-6)
    return SymLogNorm(linthresh=min(symlog_threshold(finite), reach), vmin=-reach, vmax=reach)


def draw_heat(axes: Axes, cells: pd.DataFrame, norm: SymLogNorm) -> None:
    """Draw changes in percent, the first row on top, cell ``i`` from ``i`` to ``i + 1``; grey where one is unknown.

    Ticks are left to the caller.
    """
    import seaborn

    seaborn.heatmap(
        cells.astype(float), ax=axes, norm=norm, cmap=COLOURS, cbar=False, xticklabels=False, yticklabels=False,
        rasterized=True,
    )  # fmt: skip
    axes.set_facecolor(UNKNOWN)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)


def change_bar(figure: Canvas, norm: SymLogNorm, axes: Sequence[Axes], label: str, **position: Any) -> Colorbar:
    """Add the bar that explains the colours; of many decades, not every one has a label."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, colormaps[COLOURS]), ax=list(axes), **position)
    along = bar.ax.xaxis if bar.orientation == "horizontal" else bar.ax.yaxis
    ticks = signed_decades(norm.vmin or 0.0, norm.vmax or 0.0, getattr(norm, "linthresh", 1.0))
    along.set_major_locator(FixedLocator(thinned(ticks, 7)))
    along.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 1)))
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=6.5)
    bar.set_label(label, fontsize=7)
    bar.outline.set_linewidth(0.4)
    return bar


def keys(*, quiet: bool, unknown: str | None) -> list[Patch]:
    """Return what white and grey cells mean: not resolved, if there are such, and a word for those without a number."""
    found = []
    if quiet:
        found.append(
            Patch(facecolor=colormaps[COLOURS](0.5), edgecolor=theme.FAINT, linewidth=0.5, label="white: not resolved")
        )
    if unknown:
        found.append(Patch(facecolor=UNKNOWN, edgecolor=theme.FAINT, linewidth=0.5, label=f"grey: {unknown}"))
    return found
