"""How mosaics and networks look in every figure of MoMos experiments."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.momos.names import network_label
from complexity_lab.tables import columns as c

GUESSING: Final = "guessing"
BASELINE: Final = "baseline"
_SIZES: Final = (2, 4, 8, 16, 32, 64, 128, 1)
_COLOURS: Final = ("#332288", "#CC6677", "#117733", "#EE7733", "#88CCEE", "#AA4499", "#999933", "#1f2328")


def colour_of(s: float) -> str:
    """Return the colour of a block size, the same in every study."""
    return _COLOURS[_SIZES.index(int(s)) if int(s) in _SIZES else int(s) % len(_COLOURS)]


def network_panels(canvas: Canvas, architectures: list[str], classes: pd.Series[float]) -> list[Axes]:
    """Return a panel per network; all have the same axis of accuracies, with guessing as a dotted line."""
    canvas.set_size_inches(theme.PAGE_WIDTH, 3.2)
    panels = list(canvas.subplots(1, len(architectures), squeeze=False, sharey=True)[0])
    for axes, architecture in zip(panels, architectures, strict=True):
        axes.set_title(network_label(architecture), fontsize=8)
        axes.grid(axis="y")
        for guess in 100 / classes.dropna().astype(float).unique():
            axes.axhline(guess, color=theme.FAINT, linewidth=0.7, linestyle=":", zorder=1)
    panels[0].set_ylim(0, 103)
    return panels


def range_bars(rows: pd.DataFrame, mean: str, low: str, high: str) -> np.ndarray:
    """Return the lengths of error bars from a mean down to the lowest and up to the highest seed, ``[2, rows]``."""
    middle, least, most = (rows[name].to_numpy(float) for name in (mean, low, high))
    bars: np.ndarray = np.maximum(0, np.stack([middle - least, most - middle]))
    return bars


def of_network(table: pd.DataFrame, architecture: str) -> pd.DataFrame:
    """Return the rows of a network."""
    return table.loc[table[c.ARCHITECTURE] == architecture]
