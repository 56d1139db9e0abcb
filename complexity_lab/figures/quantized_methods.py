"""What the planes add: accuracy lost against bits spent, for suggestions and for what spends bits without planes."""

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.suggested_bits import TITLES
from complexity_lab.statistics.quantization import QuantizationTables, means_over_seeds

LOOKS: Final = {  # label, colour, marker
    "uniform": ("the same bits for all", theme.INK, "o"),
    "flat": ("margin alone, planes ignored", "#999933", "s"),
    "by_error": ("same budget, by rounding error", "#88CCEE", "^"),
    "bare": ("threshold alone, chance ignored", "#AA4499", "P"),
    "suggested": ("suggested by planes", theme.RISE, "D"),
}


def prepare(tables: QuantizationTables) -> pd.DataFrame:
    """Return mean bits and mean loss of test accuracy (points) over models, per reference, method and step."""
    means = means_over_seeds(tables)
    parts = []
    for reference in tables.references:
        rows = means.loc[(means["method"] == "uniform") | (means["reference"] == reference)]
        rows = rows.assign(panel=reference, step=rows["margin"].fillna(rows["bits"]))
        parts.append(rows)
    groups = pd.concat(parts, ignore_index=True).groupby(["panel", "method", "step"], sort=False)
    table = groups.agg(
        models=("model", "nunique"),
        mean_bits=("mean_bits", "mean"),
        lost=("test_lost", "mean"),
        worst=("test_lost", "max"),
    )
    return table.reset_index()


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per reference, a line per method."""
    panels = list(table["panel"].unique())
    figure.set_size_inches(theme.PAGE_WIDTH, 3.2)
    drawn = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        for method, (_, colour, marker) in LOOKS.items():
            line = table.loc[(table["panel"] == panel) & (table["method"] == method)].sort_values("step")
            axes.plot(
                *(line["mean_bits"], line["lost"]),
                color=colour,
                marker=marker,
                markersize=4,
                markeredgecolor="white",
                markeredgewidth=0.4,
                linewidth=0.9,
            )
        axes.set_title(TITLES[panel], fontsize=8)
        axes.set_xlim(0.5, 8.5)
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.set_xlabel("bits per weight (mean over models)")
        symlog_axis(axes, "y", table["lost"].to_numpy(float), 0.1)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
        axes.grid(axis="y")
        axes.axhline(0, color=theme.FAINT, linewidth=0.6)
    drawn[0].set_ylabel("test accuracy lost (points)")
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linewidth=0.9, label=label)
        for label, colour, marker in LOOKS.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    first = table.loc[table["panel"] == table["panel"].iloc[0]].set_index(["method", "step"])
    ours, flat, error = (first.loc[(method, 0.0)] for method in ("suggested", "flat", "by_error"))
    point = {name: numbers.significant(float(row["lost"])) for name, row in (("o", ours), ("f", flat), ("e", error))}
    return (
        f"Test accuracy lost by rounding against bits spent, means over {numbers.models(int(ours['models']))}; points "
        "of a line are margins 0, 1, 2, ... or uniform bits. Without a margin the planes of the first panel lose "
        f"{point['o']} points with {ours['mean_bits']:.1f} bits, the margin alone {point['f']} with "
        f"{flat['mean_bits']:.1f}, and as many bits as suggested but spent by the rounding error of the weights "
        f"{point['e']}."
    )


def _applies(tables: QuantizationTables) -> str | None:
    return None if len(tables.models) else "no network has been rounded yet"


FIGURE = Figure(
    name="quantized_methods",
    title="What the planes add",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="planes",
)
