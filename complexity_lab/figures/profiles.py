"""Archetype: profiles along an ordered axis (bit planes, depth): a thin line per model, median and quartiles of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from complexity_lab.figures import theme
from complexity_lab.tables import columns as c

MOST_LINES: Final = 14
"""Models with a line of their own; of more, each family has one, the median of its models."""
FEWEST_FOR_BAND: Final = 3


@dataclass(frozen=True)
class Profiles:
    """Columns: along the axis, up, and the spread of each value, shown where one model is drawn by itself."""

    along: str
    value: str
    spread: str


def draw_profiles(axes: Axes, rows: pd.DataFrame, spec: Profiles, marks: dict[str, theme.Mark]) -> None:
    """Draw the lines of a panel, and the median with quartiles from three models on, each counting once."""
    import seaborn

    models = rows[c.MODEL].nunique()
    by = c.MODEL if models <= MOST_LINES else c.FAMILY
    for _, line in rows.groupby(by, sort=False):
        _draw_line(axes, line, spec, marks[str(line[c.FAMILY].iloc[0])], single=models == 1)
    if models >= FEWEST_FOR_BAND:
        seaborn.lineplot(
            data=rows,
            x=spec.along,
            y=spec.value,
            estimator="median",
            errorbar=("pi", 50),
            color=theme.INK,
            linewidth=2.0,
            err_kws={"alpha": 0.14, "linewidth": 0, "zorder": 2},
            zorder=4,
            ax=axes,
        )
        axes.set(xlabel="", ylabel="")


def _draw_line(axes: Axes, line: pd.DataFrame, spec: Profiles, mark: theme.Mark, *, single: bool) -> None:
    values = line.groupby(spec.along)[[spec.value, spec.spread]].median()
    look: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.3, "elinewidth": 0.7, "zorder": 3}
    axes.errorbar(
        *(values.index, values[spec.value]),
        yerr=values[spec.spread].fillna(0) if single else None,
        color=mark.colour,
        marker=mark.marker,
        markersize=3.2 if single else 2.4,
        linewidth=1.2 if single else 0.55,
        alpha=1.0 if single else 0.6,
        **look,
    )
