"""Distortion and validation loss against epochs, for every mosaic (paper, Figures 3 and B.1)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from complexity_lab.figures import mosaics, theme
from complexity_lab.figures.axes import plain_decades
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.training import TrainingTables

_COLUMNS = {"distortion": "distortion", "validation_loss": "validation loss"}


def prepare(tables: TrainingTables) -> pd.DataFrame:
    """Return mean, lowest and highest value over seeds per model, method and epoch, of distortion and loss."""
    curves = tables.curves
    chosen = curves.loc[(curves["kind"] == "momos") & (curves["epoch"] > 0)]
    keys = ["dataset", "model", "method", "s", "capacity", "epoch"]
    parts = []
    for column in _COLUMNS:
        groups = chosen.groupby(keys, dropna=False)[column]
        part = groups.agg(mean="mean", low="min", high="max", seeds="count").reset_index()
        parts.append(part.assign(quantity=column))
    return pd.concat(parts, ignore_index=True).sort_values([*keys, "quantity"], ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per model: distortion above, validation loss below, a line per mosaic."""
    models = mosaics.by_size(table["model"])
    figure.set_size_inches(theme.PAGE_WIDTH, 4.4)
    grid = figure.subplots(2, len(models), squeeze=False, sharex="col")
    decades = {quantity: _spans_decades(rows["mean"]) for quantity, rows in table.groupby("quantity")}
    for column, model in enumerate(models):
        rows = table.loc[table["model"] == model]
        for line, quantity in enumerate(_COLUMNS):
            panel = grid[line][column]
            _draw_lines(panel, rows.loc[rows["quantity"] == quantity])
            if decades[quantity]:
                plain_decades(panel)
            else:
                panel.set_ylim(bottom=0)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        grid[0][column].set_title(mosaics.label(model), fontsize=8)
        grid[1][column].set_xlabel("epoch")
    for line, name in enumerate(_COLUMNS.values()):
        grid[line][0].set_ylabel(name)
    handles = [
        Line2D([], [], color=look.colour, linestyle=look.dashes, label=mosaics.method_label(s, capacity))
        for (s, capacity), look in mosaics.looks(table).items()
    ]
    theme.legend_below(figure, handles)


def _draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    for (s, capacity), line in rows.groupby(["s", "capacity"]):
        look = mosaics.look(float(str(s)), float(str(capacity)))
        axes.plot(line["epoch"], line["mean"], color=look.colour, linestyle=look.dashes, linewidth=1)
        axes.fill_between(line["epoch"], line["low"], line["high"], color=look.colour, alpha=0.12, linewidth=0)


def _spans_decades(values: pd.Series) -> bool:
    """Tell whether a quantity needs a logarithmic axis, the same one for every model."""
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(len(positive) and positive.max() > 20 * positive.min())


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    rows = table.loc[table["quantity"] == "distortion"].sort_values("epoch")
    groups = [group for _, group in rows.groupby(["model", "method"])]
    falls = sum(group["mean"].iloc[-1] < group["mean"].iloc[0] for group in groups)
    seeds = int(table["seeds"].max())
    return (
        f"Distortion of the last projection of each epoch, and validation loss, means of {seeds} "
        f"seed{'s' if seeds > 1 else ''} with the range as a band. Between the first and the last epoch the distortion "
        f"fell in {falls} of {len(groups)} mosaics."
    )


def _applies(tables: TrainingTables) -> str | None:
    curves = tables.curves
    shown = curves.loc[(curves["kind"] == "momos") & curves["distortion"].notna()]
    return None if len(shown) else "no run trained with motifs"


FIGURE = Figure(
    name="distortion",
    title="Distortion and validation loss",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
