"""Planes by layers: which bits of which layer became simpler, one heat map per model."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import heat, numbers, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import order_label
from complexity_lab.figures.layer_axis import layer_ticks
from complexity_lab.figures.prepared import (
    CHANGE_PERCENT,
    LAYER,
    RANK,
    SHOWN_PERCENT,
    TOTAL,
    WITHIN_NOISE,
    compared,
    examples,
    ranked,
    with_noise,
    with_order,
)
from complexity_lab.figures.survey import needs
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

MOST_MODELS: Final = 6
_COLUMNS: Final = [
    *(c.MODEL, c.FAMILY, TOTAL, LAYER, c.TENSOR, c.KIND, c.SHAPE, c.WEIGHTS, c.PLANE, d.PERCENT, d.SD),
    *(CHANGE_PERCENT, WITHIN_NOISE, SHOWN_PERCENT, c.ORDER),
]


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return the change of each plane of each scored tensor in percent, for at most MOST_MODELS models."""
    profiles = results.tensor_profiles
    profiles = profiles.loc[profiles[c.PLANE].notna()]
    whole = compared(results.ratios, PLANE_METRIC).set_index(c.MODEL)
    totals = 100 * whole.loc[whole.index.isin(profiles[c.MODEL].unique()), d.RATIO]
    chosen = examples(totals, MOST_MODELS)
    table = profiles.loc[profiles[c.MODEL].isin(chosen)]
    layer = table.groupby(c.MODEL, sort=False)[c.TENSOR].transform(lambda names: pd.factorize(names)[0])
    table = table.assign(
        **{
            c.FAMILY: table[c.MODEL].map(whole[c.FAMILY]),
            TOTAL: table[c.MODEL].map(totals),
            LAYER: layer.astype("int64"),
            c.PLANE: table[c.PLANE].astype("int64"),
            CHANGE_PERCENT: table[d.PERCENT] - 100,
            RANK: ranked(table, chosen),
        }
    )
    table = table.sort_values([RANK, LAYER, c.PLANE], kind="stable", ignore_index=True)
    return with_order(with_noise(table, d.SD), results.measurements)[_COLUMNS]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one heat map per model on one colour scale: layers along, planes up."""
    models = table[c.MODEL].unique().tolist()
    columns = 1 if len(models) <= 3 else 2
    lines = -(-len(models) // columns)
    figure.set_size_inches(theme.PAGE_WIDTH, 0.9 + 1.7 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    norm = heat.change_norm(table[SHOWN_PERCENT].to_numpy(float))
    for axes, model in zip(grid.ravel(), models, strict=False):
        _draw_model(axes, table.loc[table[c.MODEL] == model], norm, columns)
    for axes in grid.ravel()[len(models) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("bit plane")
    for axes in grid.ravel()[max(len(models) - columns, 0) : len(models)]:
        axes.set_xlabel(order_label(table[c.ORDER]))
    heat.change_bar(figure, norm, list(grid.ravel()), "change by training", pad=0.015, aspect=14 * lines, fraction=0.05)
    unknown = "starts constant" if table[d.PERCENT].isna().any() else None
    theme.legend_below(figure, heat.keys(quiet=bool(table[WITHIN_NOISE].any()), unknown=unknown))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    count, tensors = table[c.MODEL].nunique(), table.drop_duplicates([c.MODEL, c.TENSOR])
    planes = table.groupby(c.PLANE)[d.PERCENT].median().dropna()
    parts = [
        "Change of QuBD by training per layer and bit plane, 0 the least significant, in percent of the mean over "
        f"initial seeds; {len(tensors):,} scored tensors of {numbers.models(count)}. Median over these tensors: "
        f"{numbers.near_hundred(float(planes.iloc[-1]))} of the initial value in plane {planes.index[-1]}, "
        f"{numbers.near_hundred(float(planes.iloc[0]))} in plane {planes.index[0]}."
    ]
    if count >= MOST_MODELS:
        parts.append(
            f"At most {MOST_MODELS} models are shown, evenly spread over the ranking by QuBD ratio from lowest to "
            "highest."
        )
    parts.append("Purple: simpler; orange: more complex.")
    if table[d.SD].notna().any():
        parts.append(
            "White: not resolved, below two standard deviations over seeds "
            f"({int(table[WITHIN_NOISE].sum()):,} of {len(table):,})."
        )
    if table[d.PERCENT].isna().any():
        parts.append("Grey: planes that start constant.")
    parts.append("Small tensors move more than large ones, whose histograms saturate.")
    return " ".join(parts)


def _draw_model(axes: Axes, rows: pd.DataFrame, norm: SymLogNorm, columns: int) -> None:
    cells = rows.pivot(index=c.PLANE, columns=LAYER, values=SHOWN_PERCENT).sort_index(ascending=False)
    heat.draw_heat(axes, cells, norm)
    every = 1 if len(cells) <= 4 else 2 if len(cells) <= 8 else 3
    axes.set_yticks(np.arange(len(cells))[::every] + 0.5, [str(plane) for plane in cells.index[::every]])
    tensors = rows.drop_duplicates(LAYER)[c.TENSOR].astype(str).tolist()
    layer_ticks(axes, tensors, 24 if columns == 1 else 10, theme.PAGE_WIDTH / columns, first=0.5)
    total = numbers.near_hundred(float(rows[TOTAL].iloc[0]))
    axes.set_title(f"{rows[c.MODEL].iloc[0]}: {total} in sum", fontsize=7, loc="left")


FIGURE = Figure(
    name="layer_planes",
    title="Change by layer and bit plane",
    kinds=("survey",),
    group="layers",
    rank=20,
    applies=needs.tensor_planes,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
