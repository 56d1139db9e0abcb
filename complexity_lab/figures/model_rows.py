"""Figures with one row per model: names as long as they can be read, a tall page for many models."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

_ROW: Final = 0.17  # inches
_TALLEST: Final = 8.4  # inches of rows, so that legends and axes fit a page
_SMALLEST: Final = 4.2  # points of a name that can still be read in print


@dataclass(frozen=True)
class RowLayout:
    """Places of n models, the first at the top: inches per row, and points of a name, 0 if it cannot be read."""

    n: int
    row: float
    points: float

    @property
    def height(self) -> float:
        """Inches of all rows."""
        return self.row * self.n

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """Centre of each row, the first one highest; rows are one apart."""
        return np.arange(self.n, dtype=float)[::-1]

    @property
    def mark(self) -> float:
        """Area of a point that fits into a row, points squared."""
        return float(np.clip((0.62 * 72 * self.row) ** 2, 3, 26))


def row_layout(n: int) -> RowLayout:
    """Return the layout of n rows.

    >>> row_layout(10).points, row_layout(100).points > 4, row_layout(1000).points
    (7.0, True, 0.0)
    """
    row = min(_ROW, _TALLEST / max(n, 1))
    points = min(7.0, 0.86 * 72 * row)
    return RowLayout(n, row, points if points >= _SMALLEST else 0.0)


def name_rows(axes: Axes, layout: RowLayout, names: list[str]) -> None:
    """Write names at the left, and leave half a row above and below; without names, say how many rows there are."""
    axes.set_ylim(-0.5, layout.n - 0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if layout.points:
        axes.set_yticks(layout.places, names, fontsize=layout.points)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{layout.n:,} models")
