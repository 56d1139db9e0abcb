"""Strips of points along an axis that is already laid out: families keep their marks, and a box tells quartiles."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from complexity_lab.figures import theme

Floats = npt.NDArray[np.float64]
FEWEST_FOR_BOX: Final = 8


def swarm(positions: Floats, *, bins: int, half_width: float) -> Floats:
    """Return vertical offsets that keep points of one strip apart: points of a bin spread evenly around zero.

    ``positions`` are in 0..1 along the strip. Equal input gives equal output; no random jitter.
    """
    offsets = np.zeros(len(positions))
    slot = np.minimum((positions * bins).astype(int), bins - 1)
    most = max(int(np.bincount(slot).max()), 1) if len(slot) else 1
    step = min(2 * half_width / most, half_width / 3)
    for index in np.unique(slot):
        members = np.flatnonzero(slot == index)
        ranked = members[np.argsort(positions[members], kind="stable")]
        offsets[ranked] = step * (np.arange(len(ranked)) - (len(ranked) - 1) / 2)
    return offsets


def draw_strip(
    axes: Axes, values: Floats, families: "pd.Series[str]", place: int, marks: dict[str, theme.Mark]
) -> None:
    """Draw one strip at height ``place``, with a box from FEWEST_FOR_BOX values on. Lay the axis out before."""
    # Offsets are laid out in axis units after the symmetric-log scale, where points really collide.
    points = axes.transData.transform(np.column_stack([values, values * 0]))
    along = axes.transAxes.inverted().transform(points)[:, 0]
    offsets = swarm(np.clip(along, 0, 1), bins=90, half_width=0.36)
    for family, mark in marks.items():
        chosen = (families == family).to_numpy()
        axes.scatter(
            *(values[chosen], place + offsets[chosen]),
            s=11 if len(values) > 40 else 20,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.3,
            zorder=3,
        )
    if len(values) >= FEWEST_FOR_BOX:
        _draw_box(axes, values, place)


def _draw_box(axes: Axes, values: Floats, place: int) -> None:
    axes.boxplot(
        [values],
        positions=[place],
        orientation="horizontal",
        widths=0.84,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        zorder=2,
        boxprops={"color": theme.FAINT, "linewidth": 0.8},
        whiskerprops={"color": theme.FAINT, "linewidth": 0.8},
        capprops={"color": theme.FAINT, "linewidth": 0.8},
        medianprops={"color": theme.INK, "linewidth": 1.4},
    )
