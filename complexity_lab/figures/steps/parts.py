"""Where structure appears while a network learns: which layers, and which bit planes, leave their shuffled selves."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import layer_label
from complexity_lab.figures.numbers import near_hundred
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import Grid, PanelRow, around_hundred, colour_handles, draw_grid
from complexity_lab.figures.steps.learning import QUBD_SHUFFLED, network_columns
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

MOST_COLUMNS: Final = 4
LAYER: Final = "layer"
PLANE_COLOURS: Final = ("#c8c3e6", "#9a91cf", "#6a5bb3", "#332288")  # a quarter of the planes each, the highest last
LAYER_COLOURS: Final = ("#117733", "#44AA99", "#999933", "#CC6677", "#882255", "#EE7733")
ROWS: Final = (
    PanelRow("QuBD of each layer,\n% of shuffled self", (Number(LAYER, PLANE_METRIC),), around_hundred, 1.15),
    PanelRow("QuBD of each plane,\n% of shuffled self", (Number(c.PLANE, PLANE_METRIC),), around_hundred),
)


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and range over seeds of QuBD in percent of the shuffled self, per group, part and step.

    ``quantity`` is layer or plane, ``line`` the layer or plane; groups are each network with the strongest weight
    decay, or each condition where there is one network.
    """
    ratios, tensors = (_chosen(table.loc[table[c.METRIC] == PLANE_METRIC]) for table in _tables(results))
    layers = tensors.loc[tensors[c.PLANE].isna()]
    planes = ratios.loc[ratios[c.PLANE].notna()]
    parts = [
        conditions.over_seeds(rows, d.RATIO_SHUFFLED, [key, c.STEP]).assign(
            **{QUANTITY: quantity, c.METRIC: PLANE_METRIC}
        )
        for rows, key, quantity in ((layers, c.TENSOR, LAYER), (planes, c.PLANE, c.PLANE))
    ]
    table = pd.concat(parts, ignore_index=True).astype({c.PLANE: "Int64"})
    names = [
        layer_label(str(tensor)) if pd.isna(plane) else f"plane {plane}"
        for tensor, plane in zip(table[c.TENSOR], table[c.PLANE], strict=True)
    ]
    return conditions.in_order(table.assign(**{LINE: names}))


def _tables(results: StepResults) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ratios of networks and of tensors, of the same runs and steps."""
    point = [c.MODEL, c.STEP]
    return results.ratios, results.tensor_ratios.merge(results.ratios[point].drop_duplicates(), on=point)


def _chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each network with the strongest decay, or of each condition of a single network."""
    if table[c.ARCHITECTURE].nunique() > 1:
        table = table.loc[table[c.WEIGHT_DECAY] == table[c.WEIGHT_DECAY].max()]
    order = table.drop_duplicates(c.GROUP).sort_values(
        [c.PARAMETERS, c.LABELS, c.WEIGHT_DECAY], ascending=[True, False, False]
    )
    return table.loc[table[c.GROUP].isin(order[c.GROUP].head(MOST_COLUMNS))]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per group: layers above, bit planes below; all columns on the same scales."""
    colours = _colours(table)
    draw_grid(figure, _columns(table), Grid(rows=ROWS, colours=colours, height=1.75))
    top = max(int(plane) for plane in table[c.PLANE].dropna()) if table[c.PLANE].notna().any() else None
    shown = {f"{name} (most significant)" if name == f"plane {top}" else name: it for name, it in colours.items()}
    theme.legend_below(figure, colour_handles(shown), 7)


def _columns(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if table[c.ARCHITECTURE].nunique() > 1:
        return network_columns(table)
    named = conditions.with_lines(table)[LINE]
    order = table.sort_values([c.LABELS, c.WEIGHT_DECAY], ascending=[False, False], kind="stable")
    found = {str(title): rows for title, rows in order.groupby(named, sort=False)}
    return found if len(found) > 1 else {str(table[c.ARCHITECTURE].iloc[0]): table}


def _colours(table: pd.DataFrame) -> dict[str, str]:
    layers = list(dict.fromkeys(table.loc[table[QUANTITY] == LAYER].sort_values(c.TENSOR, kind="stable")[LINE]))
    planes = sorted(table[c.PLANE].dropna().unique())
    found = {name: LAYER_COLOURS[index % len(LAYER_COLOURS)] for index, name in enumerate(layers)}
    ranked = enumerate(planes)
    return found | {f"plane {plane}": PLANE_COLOURS[rank * len(PLANE_COLOURS) // len(planes)] for rank, plane in ranked}


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    last = table.loc[table[c.STEP] == table[c.STEP].max()]
    parts = []
    for quantity in (LAYER, c.PLANE):
        rows = last.loc[last[QUANTITY] == quantity]
        if len(rows):
            lowest = rows.iloc[int(rows[d.MEAN].to_numpy(float).argmin())]
            parts.append(f"the lowest {quantity} is {lowest[LINE]} with {near_hundred(float(lowest[d.MEAN]))}")
    return (
        "QuBD of each layer (above) and of each bit plane of all layers (below) in percent of the shuffled self, "
        f"{conditions.seeds_of(table)}. At the last step {' and '.join(parts)}."
    )


def _applies(results: StepResults) -> str | None:
    study = str(results.plan.get("study", ""))
    if study not in ("learning", "grokking"):
        return f"a study of {study} has too many training sets for it" if study else "it is of studies of learning"
    reason = conditions.missing(results, (QUBD_SHUFFLED,))
    if reason is None and not (results.tensor_ratios[c.METRIC] == PLANE_METRIC).any():
        return "no tensor was measured by itself; set tensor_rows = true"
    return reason


FIGURE = Figure(
    name="parts",
    title="Which layers and bit planes become simpler",
    kinds=("trajectory",),
    group="steps",
    rank=50,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
