"""Archetype: strips of points, one row per thing that is compared, with a box of quartiles and words at the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.axes import signed
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
FEWEST_FOR_BOX: Final = 8


@dataclass(frozen=True)
class Strip:
    """One row: its label, its models (columns ``family`` and ``column``), and what is written at its right."""

    label: str
    rows: pd.DataFrame
    column: str
    words: str

    @property
    def values(self) -> Floats:
        """Signed percentages, one per model."""
        return self.rows[self.column].to_numpy(float)


def draw_strips(figure: Canvas, strips: list[Strip], label: str, row_height: float) -> None:
    """Draw strips from top to bottom on one signed axis of percentages with this label."""
    figure.set_size_inches(theme.PAGE_WIDTH, 1.2 + row_height * len(strips))
    axes = figure.add_subplot()
    every = pd.concat([strip.rows for strip in strips], ignore_index=True).drop_duplicates(c.MODEL)
    marks = theme.family_marks(every[c.FAMILY])
    signed(axes, "x", np.concatenate([strip.values for strip in strips]), most=11)
    axes.set_ylim(-0.6, len(strips) - 0.4)
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    for height, strip in enumerate(reversed(strips)):
        _draw_strip(axes, strip, height, marks)
        look: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 7}
        axes.annotate(strip.words, xy=(1.01, height), **look)
    axes.set_yticks(range(len(strips)), [strip.label for strip in reversed(strips)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(label)
    theme.legend_below(figure, theme.family_handles(marks))


def swarm(positions: Floats, *, bins: int, half_width: float) -> Floats:
    """Return vertical offsets that keep points of one strip apart: points of a bin spread evenly around zero.

    ``positions`` are in 0..1 along the strip. Equal input gives equal output, where seaborn's jitter is random.
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


def _draw_strip(axes: Axes, strip: Strip, height: int, marks: dict[str, theme.Mark]) -> None:
    # Offsets are laid out in axis units after the symmetric-log scale, where points really collide.
    values = strip.values
    points = axes.transData.transform(np.column_stack([values, values * 0]))
    along = axes.transAxes.inverted().transform(points)[:, 0]
    offsets = swarm(np.clip(along, 0, 1), bins=90, half_width=0.36)
    look: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.3, "zorder": 3, "s": 11 if len(values) > 40 else 20}
    for family, mark in marks.items():
        chosen = (strip.rows[c.FAMILY] == family).to_numpy()
        axes.scatter(values[chosen], height + offsets[chosen], color=mark.colour, marker=mark.marker, **look)
    if len(values) >= FEWEST_FOR_BOX:
        line: dict[str, Any] = {"color": theme.FAINT, "linewidth": 0.8}
        axes.boxplot(
            [values],
            positions=[height],
            orientation="horizontal",
            widths=0.84,
            whis=(5, 95),
            showfliers=False,
            manage_ticks=False,
            zorder=2,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": theme.INK, "linewidth": 1.4},
        )
