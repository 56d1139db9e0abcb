"""Where in a network the drop sits: one strip per model, coloured by the change of each tensor's BDM."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import heat, numbers, theme
from complexity_lab.figures.axes import Floats
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import order_label
from complexity_lab.figures.prepared import (
    CHANGE_PERCENT,
    SD_PERCENT,
    SHOWN_PERCENT,
    WITHIN_NOISE,
    with_noise,
    with_order,
)
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

BINS: Final = 60
_MOST_NAMED: Final = 40


def prepare(results: SurveyResults) -> pd.DataFrame:
    """Return every compared matrix and embedding, models by family and size, tensors in model order."""
    layers = results.layers.loc[results.layers[c.METRIC] == "bdm"]
    layers = layers.merge(results.models[[c.MODEL, c.FAMILY, c.PARAMETERS]], on=c.MODEL, how="left")
    layers = layers.assign(**{CHANGE_PERCENT: 100 * (layers[d.RATIO] - 1), SD_PERCENT: 100 * layers[d.RATIO_SD]})
    layers = with_order(with_noise(layers, SD_PERCENT), results.measurements)
    return layers.sort_values([c.FAMILY, c.PARAMETERS, c.MODEL], kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one row per model; a tensor covers its equal share of the row."""
    strips = {
        str(model): strip(rows[SHOWN_PERCENT].to_numpy(float)) for model, rows in table.groupby(c.MODEL, sort=False)
    }
    cells = pd.DataFrame(list(strips.values()), index=list(strips))
    row_height = min(0.19, 6.0 / len(cells))
    figure.set_size_inches(theme.PAGE_WIDTH, max(1.9, 1.2 + row_height * len(cells)))
    axes = figure.add_subplot()
    norm = heat.change_norm(cells.to_numpy(float).ravel())
    heat.draw_heat(axes, cells, norm)
    ticks = np.linspace(0, 1, 6)
    axes.set_xticks(BINS * ticks, [f"{100 * tick:.0f}{numbers.NBSP}%" for tick in ticks])
    axes.set_xlabel(f"depth (position among the model's matrices, {order_label(table[c.ORDER])})")
    _name_rows(axes, table, list(strips))
    heat.change_bar(figure, norm, [axes], "change of the tensor's BDM", pad=0.015, aspect=30, shrink=0.95)
    unknown = "starts constant" if table[SHOWN_PERCENT].isna().any() else None
    theme.legend_below(figure, heat.keys(quiet=bool(table[WITHIN_NOISE].any()), unknown=unknown))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    known, spread = int(table[d.RATIO].notna().sum()), table[d.RATIO_SD].notna().any()
    quiet, constant = int(table[WITHIN_NOISE].sum()), int(table[d.CONSTANT].sum())
    beyond = table.loc[~table[WITHIN_NOISE], d.RATIO]
    simpler, richer = int((beyond < 1).sum()), int((beyond > 1).sum())
    parts = [
        f"Change of BDM of each matrix and embedding by training, {order_label(table[c.ORDER])}; {known:,} tensors of "
        f"{numbers.models(table[c.MODEL].nunique())}, {simpler:,} ({numbers.percent(simpler / known)}) simpler "
        f"(purple) and {richer:,} more complex (orange) after training{' beyond seed noise' if spread else ''}."
    ]
    if spread:
        parts.append(f"White: not resolved, {quiet:,} that changed by less than two standard deviations over seeds.")
    if constant:
        parts.append(f"Grey: {constant:,} that {'starts' if constant == 1 else 'start'} constant.")
    parts.append(
        "Tensors differ in size, and small ones move more: compare like models along a column rather than tensors "
        "within a row."
    )
    return " ".join(parts)


def strip(values: Floats) -> Floats:
    """Spread the values of one model's tensors over BINS cells, nearest tensor per cell.

    >>> strip(np.array([1.0, 2.0]))[[0, 29, 30, 59]].tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    centres = (np.arange(BINS) + 0.5) / BINS
    return np.asarray(values[np.minimum((centres * len(values)).astype(int), len(values) - 1)], dtype=np.float64)


def _name_rows(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Label rows with model names, or with families where there are too many models."""
    if len(names) <= _MOST_NAMED:
        axes.hlines(np.arange(1, len(names)), 0, BINS, color=theme.RULE, linewidth=0.4)
        axes.set_yticks(np.arange(len(names)) + 0.5, names)
        return
    family = table.drop_duplicates(c.MODEL)[c.FAMILY].to_numpy(str)
    starts = np.flatnonzero(np.r_[True, family[1:] != family[:-1]])
    ends = np.r_[starts[1:], len(family)]
    for end in ends[:-1]:
        axes.axhline(end, color="white", linewidth=0.8)
    wide = ends - starts >= len(family) / 45  # a label needs the height of a line of text
    axes.set_yticks(((starts + ends) / 2)[wide], family[starts][wide].tolist())


def _applies(results: SurveyResults) -> str | None:
    known = results.layers.loc[results.layers[c.METRIC] == "bdm", d.RATIO].notna().any()
    return None if known else "no tensor has BDM of both initial and trained weights"


FIGURE = Figure(
    name="layers",
    title="Change by depth",
    kinds=("survey",),
    group="layers",
    rank=10,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
