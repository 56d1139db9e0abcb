"""Archetype: one row per model, the first on top: names as long as they can be read, a tall page for many models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes

_ROW: Final = 0.17  # inches
_TALLEST: Final = 8.4  # inches of rows, so that legends and axes fit a page
_SMALLEST: Final = 4.2  # points of a name that can still be read in print


@dataclass(frozen=True)
class RowLayout:
    """Rows of n models: inches per row, and points of a name, 0 if it cannot be read. Row i is centred at i + 0.5."""

    n: int
    row: float
    points: float

    @property
    def height(self) -> float:
        """Inches of all rows."""
        return self.row * self.n

    @property
    def mark(self) -> float:
        """Area of a point that fits into a row, points squared."""
        return float(np.clip((0.62 * 72 * self.row) ** 2, 3, 26))


def row_layout(n: int, tall: float = _ROW) -> RowLayout:
    """Return the layout of n rows, each as tall as wished, inches, where there is room.

    >>> row_layout(10).points, row_layout(100).points > 4, row_layout(1000).points
    (7.0, True, 0.0)
    """
    row = min(tall, _TALLEST / max(n, 1))
    points = min(7.0, 0.86 * 72 * row)
    return RowLayout(n, row, points if points >= _SMALLEST else 0.0)


def name_rows(axes: Axes, layout: RowLayout, names: list[str] | None) -> None:
    """Write names at the left, none for a further panel; where they cannot be read, say how many rows there are."""
    axes.set_ylim(layout.n, 0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if names is not None and layout.points:
        axes.set_yticks(np.arange(layout.n) + 0.5, names, fontsize=layout.points)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{layout.n:,} models" if names is not None else "")
