"""Archetype: bars, upright one per row or lying and stacked in parts of either sign, with error bars or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from complexity_lab.figures import theme

_WIDEST: Final = 0.86
_PER_BAR: Final = 0.09  # of the axis that a bar takes at most, so that two bars make no two walls


def draw_bars(axes: Axes, values: Sequence[float], spreads: Sequence[float], colours: Sequence[str]) -> None:
    """Draw an upright bar per value at 0, 1, 2, ..., with an error bar where its spread is known (not NaN)."""
    count = len(values)
    width = min(_WIDEST, _PER_BAR * count)
    positions, spread = np.arange(count), np.asarray(spreads, dtype=float)
    axes.bar(positions, values, width, color=list(colours), edgecolor="white", linewidth=min(0.4, 20 / max(count, 1)))
    known = np.isfinite(spread)
    look: dict[str, Any] = {"fmt": "none", "ecolor": theme.INK, "elinewidth": 0.6}
    axes.errorbar(positions[known], np.asarray(values)[known], yerr=spread[known], **look)
    axes.axhline(0, color=theme.INK, linewidth=0.8)
    axes.set_xlim(-0.6, count - 0.4)


def draw_parts(axes: Axes, table: pd.DataFrame, colours: Mapping[str, str], rows: np.ndarray) -> None:
    """Stack columns of a table as lying bars, parts of equal sign on the two sides of zero; unknown parts are zero.

    Args:
        axes: to draw on.
        table: one bar per row.
        colours: of the columns, in the order of stacking.
        rows: heights of the bars, float64 ``[len(table)]``.
    """
    ends = {True: np.zeros(len(table)), False: np.zeros(len(table))}
    for column, colour in colours.items():
        size = table[column].fillna(0).to_numpy(float)
        start = np.where(size > 0, ends[True], ends[False])
        axes.barh(rows, size, left=start, height=0.62, color=colour)
        ends[True] += np.maximum(size, 0)
        ends[False] += np.minimum(size, 0)
    axes.axvline(0, color=theme.INK, linewidth=0.8)


def write_columns(axes: Axes, columns: Mapping[str, Sequence[str]], rows: np.ndarray, first: float) -> None:
    """Write columns of text in rows under their headings, on axes of their own, from ``first`` (0..1) to the right."""
    axes.set_axis_off()
    look: dict[str, Any] = {"ha": "right", "fontsize": 7, "transform": axes.get_yaxis_transform()}
    top = max(axes.get_ylim())
    for position, (heading, cells) in zip(np.linspace(first, 0.99, len(columns)), columns.items(), strict=True):
        axes.text(position, top, heading, va="bottom", color=theme.SOFT, **look)
        for height, cell in zip(rows, cells, strict=True):
            axes.text(position, float(height), cell, va="center", **look)
