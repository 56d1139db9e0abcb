"""Suggested bits next to the bits that are needed: a row per network, a panel per reference."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MultipleLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.rounding.methods import TITLES, rho
from complexity_lab.figures.rows import name_rows, row_layout
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rounding import TOLERANCE
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables import columns as c

RHO_LOW: Final = "rho_low"
RHO_HIGH: Final = "rho_high"
_NEED: Final = theme.INK
_ENOUGH: Final = "#117733"
_TOO_FEW: Final = theme.RISE


def prepare(results: RoundingResults) -> pd.DataFrame:
    """Return bits suggested and needed per network and reference, the first reference's margin, and Spearman's rho.

    Networks that need most come first.
    """
    margin = results.margins[results.references[0]]
    ranks = {found.reference: found.plain.rho for found in results.rank_predictions(margin)}
    table = results.predictions.loc[results.predictions[c.MARGIN] == margin]
    rhos = [ranks[name] for name in table[c.REFERENCE]]
    derived: dict[str, Any] = {
        d.RHO: [it.estimate for it in rhos],
        RHO_LOW: [it.low for it in rhos],
        RHO_HIGH: [it.high for it in rhos],
        "nth": table[c.REFERENCE].map({name: place for place, name in enumerate(results.references)}),
    }
    table = table.assign(**derived)
    ordered = table.sort_values(["nth", d.NEED, c.ARCHITECTURE], ascending=[True, False, True], kind="stable")
    return ordered.drop(columns="nth").reset_index(drop=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw need and suggestion of each network on one row, joined by a line: green if the suggestion is enough."""
    references = list(table[c.REFERENCE].unique())
    names = list(dict.fromkeys(table[c.ARCHITECTURE]))
    layout = row_layout(len(names))
    figure.set_size_inches(theme.PAGE_WIDTH, layout.height + 1.15)
    panels = figure.subplots(1, len(references), squeeze=False, sharex=True)[0]
    for axes, reference in zip(panels, references, strict=True):
        rows = table.loc[table[c.REFERENCE] == reference].set_index(c.ARCHITECTURE).reindex(names)
        _draw_rows(axes, rows)
        name_rows(axes, layout, names if axes is panels[0] else None)
        words = rho(*(float(rows[name].max()) for name in (d.RHO, RHO_LOW, RHO_HIGH)))
        axes.set_title(f"{TITLES.get(reference, reference)}\n{words}", fontsize=8)
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.grid(axis="x")
        axes.set_xlabel("bits per weight")
    handles = [
        theme.point_handle(f"needed, the same for all ({TOLERANCE:g} point lost)", theme.Mark(_NEED, "s")),
        theme.point_handle("suggested, enough", theme.Mark(_ENOUGH, "D")),
        theme.point_handle("suggested, too few", theme.Mark(_TOO_FEW, "D")),
    ]
    theme.legend_below(figure, handles)


def _draw_rows(axes: Axes, rows: pd.DataFrame) -> None:
    heights = np.arange(len(rows)) + 0.5
    enough = (rows[d.SUGGESTED_BITS] >= rows[d.NEED]).to_numpy(bool)
    colours = np.where(enough, _ENOUGH, _TOO_FEW)
    axes.hlines(heights, rows[d.NEED], rows[d.SUGGESTED_BITS], color=colours, linewidth=1.4, alpha=0.45)
    look: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.4}
    for middle, low, high, marker, shift, inks in (
        (d.NEED, d.NEED_LOW, d.NEED_HIGH, "s", -0.16, [_NEED] * len(rows)),
        (d.SUGGESTED_BITS, d.SUGGESTED_LOW, d.SUGGESTED_HIGH, "D", 0.16, list(colours)),
    ):
        for height, ink, (value, least, most) in zip(
            heights, inks, rows[[middle, low, high]].to_numpy(float), strict=True
        ):
            lengths = [[max(value - least, 0.0)], [max(most - value, 0.0)]]
            axes.errorbar(value, height + shift, xerr=lengths, color=ink, marker=marker, elinewidth=0.8, **look)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    first = table.loc[table[c.REFERENCE] == table[c.REFERENCE].iloc[0]]
    more = int((first[d.SUGGESTED_BITS] >= first[d.NEED]).sum())
    panel = TITLES.get(str(first[c.REFERENCE].iloc[0]), str(first[c.REFERENCE].iloc[0]))
    return (
        f"Mean bits per weight that the planes suggest, margin {int(table[c.MARGIN].iloc[0])}, and the fewest bits for "
        f"all tensors from which on no more than {TOLERANCE:g} point of test accuracy is lost; means over seeds with "
        f"their range. The suggestion is at least the need, {panel}, for {more} of {numbers.models(len(first))}. "
        f"ρ: Spearman's rank correlation over models, 95{numbers.NBSP}% bootstrap interval."
    )


FIGURE = Figure(
    name="suggested_bits",
    title="Suggested bits and bits needed",
    kinds=("rounding",),
    group="rounding",
    rank=20,
    applies=lambda results: None if len(results.architectures) > 1 else "fewer than two models have been rounded",
    prepare=prepare,
    draw=draw,
    caption=caption,
)
