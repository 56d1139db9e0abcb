"""What the planes add: accuracy lost against bits spent, for suggestions and for what spends bits without planes."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MultipleLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.rounding.methods import METHODS, TITLES, losses_axis, none_rounded
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables import columns as c

WORST: Final = "worst"


def prepare(results: RoundingResults) -> pd.DataFrame:
    """Return mean bits and mean loss of test accuracy (points) over models, per reference, method and step.

    A step is a margin, or the bits of uniform rounding.
    """
    means = results.means_over_seeds
    parts = []
    for reference in results.references:
        rows = means.loc[(means[c.METHOD] == "uniform") | (means[c.REFERENCE] == reference)]
        step = rows[c.MARGIN].fillna(rows[c.BITS]).astype(float)
        parts.append(rows.assign(**{c.STEP: step}).assign(**{c.REFERENCE: reference}))
    groups = pd.concat(parts, ignore_index=True).groupby([c.REFERENCE, c.METHOD, c.STEP], sort=False)
    numbers_of = {
        d.MODELS: (c.ARCHITECTURE, "nunique"),
        c.MEAN_BITS: (c.MEAN_BITS, "mean"),
        d.LOST: (d.TEST_LOST, "mean"),
        WORST: (d.TEST_LOST, "max"),
    }
    return groups.agg(**numbers_of).reset_index()


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per reference, a line per method."""
    references = list(table[c.REFERENCE].unique())
    figure.set_size_inches(theme.PAGE_WIDTH, 3.2)
    panels = figure.subplots(1, len(references), squeeze=False, sharey=True)[0]
    look: dict[str, Any] = {"markersize": 4, "markeredgecolor": "white", "markeredgewidth": 0.4, "linewidth": 0.9}
    for axes, reference in zip(panels, references, strict=True):
        rows = table.loc[table[c.REFERENCE] == reference]
        for method, (_, colour, marker) in METHODS.items():
            line = rows.loc[rows[c.METHOD] == method].sort_values(c.STEP)
            axes.plot(line[c.MEAN_BITS], line[d.LOST], color=colour, marker=marker, **look)
        axes.set_title(TITLES.get(str(reference), str(reference)), fontsize=8)
        axes.set_xlim(0.5, 0.5 + float(table[c.MEAN_BITS].max()))
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.set_xlabel("bits per weight (mean over models)")
        losses_axis(axes, table[d.LOST].to_numpy(float), 0.1)
    panels[0].set_ylabel("test accuracy lost (points)")
    shown = [it for method, it in METHODS.items() if (table[c.METHOD] == method).any()]
    handles = [theme.line_handle(it.label, it.colour, marker=it.marker, **look) for it in shown]
    theme.legend_below(figure, handles, 3)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    first = table.loc[table[c.REFERENCE] == table[c.REFERENCE].iloc[0]]
    margin = first.loc[first[c.METHOD] == "suggested", c.STEP].min()
    at = first.loc[first[c.STEP] == margin].set_index(c.METHOD)
    lost = {name: numbers.significant(float(at.loc[name, d.LOST])) for name in ("suggested", "flat", "by_error")}
    models = numbers.models(int(at.loc["suggested", d.MODELS]))
    return (
        f"Test accuracy lost by rounding against bits spent, means over {models}; points of a line are margins "
        f"{margin:.0f}, {margin + 1:.0f}, ... or uniform bits. With margin {margin:.0f} the planes of the first panel "
        f"lose {lost['suggested']} points with {at.loc['suggested', c.MEAN_BITS]:.1f} bits, the margin alone "
        f"{lost['flat']} with {at.loc['flat', c.MEAN_BITS]:.1f}, and as many bits as suggested but spent by the "
        f"rounding error of the weights {lost['by_error']}."
    )


FIGURE = Figure(
    name="quantized_methods",
    title="What the planes add",
    kinds=("rounding",),
    group="rounding",
    rank=30,
    applies=none_rounded,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
