"""Planes by layers: which bits of which layer became simpler, one heat map per model."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.change_scale import change_bar, change_norm, draw_changes
from complexity_lab.figures.examples import examples
from complexity_lab.figures.figure import Figure, needs_planes
from complexity_lab.statistics import SurveyTables, tensor_profiles

MOST_MODELS: Final = 6
_COLUMNS = ["model", "family", "total", "layer", "tensor", "kind", "shape", "weights", "plane", "percent", "sd"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return the change of each plane of each scored tensor in percent, for at most MOST_MODELS models."""
    ratios = tables.ratios.loc[tables.ratios["metric"] == "qubd"].set_index("model")
    measured = tables.measurements
    scored = measured.loc[(measured["scope"] == "tensor") & (measured["metric"] == "qubd_plane0"), "model"].unique()
    totals = 100 * ratios.loc[ratios.index.isin(scored), "ratio"]
    chosen = examples(totals, MOST_MODELS)
    table = tensor_profiles(tables.models, measured.loc[measured["model"].isin(chosen)])
    table = table.loc[table["plane"].notna()]
    layer = table.groupby("model", sort=False)["tensor"].transform(lambda names: pd.factorize(names)[0])
    table = table.assign(
        family=table["model"].map(ratios["family"]),
        total=table["model"].map(totals),
        layer=layer.astype("int64"),
        plane=table["plane"].astype("int64"),
        rank=table["model"].map({model: rank for rank, model in enumerate(chosen)}),
    )
    table = table.sort_values(["rank", "layer", "plane"], kind="stable", ignore_index=True)
    table = table.assign(change_percent=table["percent"] - 100)
    quiet = table["change_percent"].abs() < 2 * table["sd"]
    return table[_COLUMNS].assign(
        change_percent=table["change_percent"],
        within_noise=quiet,
        shown_percent=table["change_percent"].where(~quiet, 0.0),
    )


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one heat map per model on one colour scale: layers along, planes up."""
    models = table["model"].unique().tolist()
    columns = 1 if len(models) <= 3 else 2
    lines = -(-len(models) // columns)
    figure.set_size_inches(theme.PAGE_WIDTH, 0.7 + 1.45 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    norm = change_norm(table["shown_percent"].to_numpy(float))
    panels = grid.ravel()
    for axes, model in zip(panels, models, strict=False):
        rows = table.loc[table["model"] == model]
        mesh = _draw_model(axes, rows, norm)
        axes.set_title(f"{model}: {numbers.near_hundred(float(rows['total'].iloc[0]))} in sum", fontsize=7, loc="left")
    for axes in panels[len(models) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("bit plane")
    for axes in panels[max(len(models) - columns, 0) : len(models)]:
        axes.set_xlabel("layer, first at the left")
    bar = {"pad": 0.015, "aspect": 14 * lines, "fraction": 0.05}
    change_bar(figure, mesh, list(panels), "change by training", **bar)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    count, tensors = table["model"].nunique(), table.drop_duplicates(["model", "tensor"])
    planes = table.groupby("plane")["percent"].median().dropna()
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
    if table["sd"].notna().any():
        parts.append(
            f"White: below two standard deviations over seeds ({int(table['within_noise'].sum()):,} of {len(table):,})."
        )
    if table["percent"].isna().any():
        parts.append("Grey: planes that start constant.")
    parts.append("Small tensors move more than large ones, whose histograms saturate.")
    return " ".join(parts)


def _draw_model(axes: Axes, rows: pd.DataFrame, norm: SymLogNorm) -> QuadMesh:
    grid = rows.pivot(index="plane", columns="layer", values="shown_percent")
    layers, planes = (np.arange(size + 1) - 0.5 for size in (grid.shape[1], grid.shape[0]))
    mesh = draw_changes(axes, layers, planes, grid.to_numpy(float), norm)
    axes.set_yticks(range(0, grid.shape[0], 1 if grid.shape[0] <= 4 else 2 if grid.shape[0] <= 8 else 3))
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if grid.shape[1] == 1:
        axes.xaxis.set_major_locator(FixedLocator([0]))
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return mesh


def _applies(tables: SurveyTables) -> str | None:
    rows = tables.measurements
    if needs_planes(tables) is None and not ((rows["scope"] == "tensor") & (rows["metric"] == "qubd_plane0")).any():
        return "the survey holds no bit planes of tensors; survey without --no-layers"
    return needs_planes(tables)


FIGURE = Figure(
    name="layer_planes",
    title="Change by layer and bit plane",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="layers",
)
