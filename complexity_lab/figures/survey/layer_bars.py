"""The change of each layer of a few models as bars, coloured by what the layer is."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import NICE
from complexity_lab.figures.bars import draw_bars
from complexity_lab.figures.figure import Figure, unless_empty
from complexity_lab.figures.labels import main_metrics, metric_label, order_label
from complexity_lab.figures.layer_axis import layer_ticks
from complexity_lab.figures.prepared import (
    CHANGE_PERCENT,
    LAYER,
    LAYER_TYPE,
    RANK,
    SD_PERCENT,
    TOTAL,
    compared,
    examples,
    ranked,
    with_order,
)
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.layers import layers
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

MOST_MODELS: Final = 4
MOST_NAMED: Final = 40
# Paul Tol's bright scheme: distinct under every common colour blindness, also without colour by lightness.
_KINDS: Final = {
    "linear": "#4477AA",
    "convolution": "#EE6677",
    "depthwise convolution": "#CCBB44",
    "embedding": "#228833",
    "other": "#AA3377",
}
_COLUMNS: Final = [
    *(c.MODEL, c.METRIC, TOTAL, LAYER, c.TENSOR, c.SHAPE, LAYER_TYPE, c.WEIGHTS, d.RATIO),
    *(CHANGE_PERCENT, SD_PERCENT, c.ORDER),
]


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return the change of each layer in percent, QuBD if there is any, else BDM, for at most MOST_MODELS models."""
    scored = layers(results.tensors, ("matrix", "embedding", "other"))
    found = main_metrics(scored[c.METRIC].unique(), most=3)
    metric = PLANE_METRIC if PLANE_METRIC in found else found[0] if found else ""
    scored = scored.loc[(scored[c.METRIC] == metric) & scored[d.RATIO].notna()]
    whole = compared(results.ratios, metric).set_index(c.MODEL)
    totals = whole.loc[whole.index.isin(scored[c.MODEL].unique()), d.RATIO]
    chosen = examples(totals, MOST_MODELS)
    types = [layer_type(str(kind), str(shape)) for kind, shape in zip(scored[c.KIND], scored[c.SHAPE], strict=True)]
    table = scored.assign(
        **{
            LAYER_TYPE: pd.Series(types, index=scored.index, dtype="str"),
            CHANGE_PERCENT: 100 * (scored[d.RATIO] - 1),
            SD_PERCENT: 100 * scored[d.RATIO_SD],
            TOTAL: scored[c.MODEL].map(totals),
            RANK: ranked(scored, chosen),
        }
    )
    table = table.loc[table[RANK].notna()].sort_values(RANK, kind="stable", ignore_index=True)
    table = table.assign(**{LAYER: table.groupby(c.MODEL, sort=False).cumcount().astype("int64")})
    return with_order(table, results.measurements)[_COLUMNS]


def layer_type(kind: str, shape: str) -> str:
    """Return what a layer is, from the kind of its weight and its shape.

    >>> [layer_type("matrix", shape) for shape in ("64x3x7x7", "64x1x3x3", "10x64")], layer_type("embedding", "9x4")
    (['convolution', 'depthwise convolution', 'linear'], 'embedding')
    """
    axes = shape.split("x")
    if kind != "matrix":
        return kind if kind in _KINDS else "other"
    if len(axes) < 3:
        return "linear"
    return "depthwise convolution" if axes[1] == "1" and axes[0] != "1" else "convolution"


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel of bars per model, on an axis of its own; error bars are spreads over seeds."""
    models = table[c.MODEL].unique().tolist()
    figure.set_size_inches(theme.PAGE_WIDTH, 0.8 + 1.75 * len(models))
    panels = figure.subplots(len(models), 1, squeeze=False)[:, 0]
    for axes, model in zip(panels, models, strict=True):
        _draw_model(axes, table.loc[table[c.MODEL] == model])
    panels[-1].set_xlabel(order_label(table[c.ORDER]))
    figure.supylabel(f"change of {metric_label(str(table[c.METRIC].iloc[0]))} by training", fontsize=8)
    present = [name for name in _KINDS if (table[LAYER_TYPE] == name).any()]
    theme.legend_below(figure, [Patch(color=_KINDS[name], label=name) for name in present])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    name, count = metric_label(str(table[c.METRIC].iloc[0])), table[c.MODEL].nunique()
    simpler = int((table[CHANGE_PERCENT] < 0).sum())
    parts = [
        f"Change of {name} of each layer by training, in percent of the mean over initial seeds, {len(table):,} layers "
        f"of {numbers.models(count)}; {simpler:,} became simpler."
    ]
    medians = table.groupby(LAYER_TYPE, sort=False)[CHANGE_PERCENT].median()
    if len(medians) > 1:
        each = ", ".join(f"{kind} {numbers.percent(value / 100)}" for kind, value in medians.items())
        parts.append(f"Medians: {each}.")
    if count >= MOST_MODELS:
        parts.append(
            f"At most {MOST_MODELS} models are shown, evenly spread over the ranking from lowest to highest ratio."
        )
    if table[SD_PERCENT].notna().any():
        parts.append("Error bars: one standard deviation over seeds.")
    if count > 1:
        parts.append("Axes differ between models.")
    return " ".join(parts)


def _draw_model(axes: Axes, rows: pd.DataFrame) -> None:
    colours = [_KINDS[str(kind)] for kind in rows[LAYER_TYPE]]
    draw_bars(axes, rows[CHANGE_PERCENT].tolist(), rows[SD_PERCENT].tolist(), colours)
    layer_ticks(axes, rows[c.TENSOR].astype(str).tolist(), MOST_NAMED, theme.PAGE_WIDTH)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=NICE))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{numbers.plain(value)}{numbers.NBSP}%"))
    axes.grid(axis="y")
    total = numbers.near_hundred(100 * float(rows[TOTAL].iloc[0]))
    axes.set_title(f"{rows[c.MODEL].iloc[0]}: {total} as a whole", fontsize=7, loc="left")


FIGURE = Figure(
    name="layer_bars",
    title="Change of single layers",
    kinds=("survey",),
    group="layers",
    rank=30,
    applies=unless_empty(prepare, "no tensor has BDM or QuBD of both initial and trained weights"),
    prepare=prepare,
    draw=draw,
    caption=caption,
)
