"""Suggested bits against the bits that are needed, a point per model and a panel per reference."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MultipleLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.quantization import (
    TOLERANCE,
    QuantizationTables,
    margin_by_validation,
    predictions,
    rank_predictions,
)

TITLES = {
    "shuffle": "against the shuffled self",
    "initial": "against own initial weights",
    "random": "against random initializations",
}


def prepare(tables: QuantizationTables) -> pd.DataFrame:
    """Return bits suggested and needed per model and reference, the first reference's margin, and Spearman's rho."""
    margin = margin_by_validation(tables, tables.references[0])
    table = predictions(tables, margin)
    ranks = {found.reference: found.plain for found in rank_predictions(table)}
    order = {name: place for place, name in enumerate(tables.references)}
    table = table.assign(
        margin=margin,
        rho=[ranks[name].rho.estimate for name in table["reference"]],
        rho_low=[ranks[name].rho.low for name in table["reference"]],
        rho_high=[ranks[name].rho.high for name in table["reference"]],
    )
    return table.sort_values("reference", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per reference, with the line on which a suggestion is just what uniform rounding needs."""
    references = list(table["reference"].unique())
    figure.set_size_inches(theme.PAGE_WIDTH, 3.15)
    panels = figure.subplots(1, len(references), squeeze=False, sharex=True, sharey=True)[0]
    marks = theme.family_marks(table.drop_duplicates("model")["family"])
    low = float(min(table["need_low"].min(), table["suggested_low"].min())) - 0.5
    high = float(max(table["need_high"].max(), table["suggested_high"].max())) + 0.5
    for axes, reference in zip(panels, references, strict=True):
        rows = table.loc[table["reference"] == reference]
        axes.plot([low, high], [low, high], color=theme.FAINT, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        axes.fill_between([low, high], [low, high], low, color=theme.RULE, alpha=0.35, linewidth=0, zorder=0)
        for _, row in rows.iterrows():
            mark = marks[row["family"]]
            x, y = float(row["suggested"]), float(row["need"])
            across = _bars(x, row["suggested_low"], row["suggested_high"])
            along = _bars(y, row["need_low"], row["need_high"])
            axes.errorbar(
                *(x, y, along, across),
                color=mark.colour,
                marker=mark.marker,
                markersize=5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                elinewidth=0.6,
                alpha=0.9,
                zorder=3,
            )
        axes.set_title(TITLES[reference], fontsize=8)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.yaxis.set_major_locator(MultipleLocator(1))
        axes.grid(axis="both")
        axes.set_xlabel("suggested (mean bits per weight)")
        axes.text(0.04, 0.96, _rho(rows.iloc[0]), transform=axes.transAxes, va="top", fontsize=7, color=theme.SOFT)
    panels[0].set_ylabel("needed (the same bits for all)")
    theme.legend_below(figure, theme.family_handles(marks))


def _bars(middle: float, low: float, high: float) -> list[list[float]]:
    """Return the distances to the ends of a range; a mean of equal numbers may be a rounding beyond them."""
    return [[max(middle - low, 0.0)], [max(high - middle, 0.0)]]


def _rho(row: "pd.Series[float]") -> str:
    if not np.isfinite(row["rho"]):
        return "ρ undefined"
    sign = "−" if row["rho"] < 0 else ""
    low, high = (f"{value:.2f}".replace("-", "−") for value in (row["rho_low"], row["rho_high"]))
    return f"ρ = {sign}{abs(row['rho']):.2f} ({low} to {high})"


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    first = table.loc[table["reference"] == table["reference"].iloc[0]]
    more = int((first["suggested"] >= first["need"]).sum())
    panel = TITLES[str(first["reference"].iloc[0])]
    return (
        f"Mean bits per weight that the planes suggest, margin {int(table['margin'].iloc[0])}, against the fewest bits "
        f"for all tensors from which on no more than {TOLERANCE:g} point of test accuracy is lost; means over seeds "
        f"with their range. In the grey half the suggestion is at least the need, {panel} so for {more} of "
        f"{numbers.models(len(first))}. ρ: Spearman's rank correlation over models, 95{numbers.GLUE}% "
        "bootstrap interval."
    )


def _applies(tables: QuantizationTables) -> str | None:
    return None if len(tables.models) > 1 else "fewer than two models have been rounded"


FIGURE = Figure(
    name="suggested_bits",
    title="Suggested bits against bits needed",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
