"""Accuracy against relative algorithmic compression, for every method: what a shorter description costs."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullFormatter

from complexity_lab.figures import theme
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.momos import mosaics, names
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.tables import columns as c


def prepare(results: TrainingResults) -> pd.DataFrame:
    """Return accuracy (percent: mean, sd and range over seeds) and RAC per network and method."""
    table = results.means_over_seeds
    columns = [c.DATASET, c.ARCHITECTURE, c.METHOD, c.METHOD_KIND, c.BITS, c.S, c.CAPACITY, c.CLASSES, d.SEEDS]
    columns += [d.ACCURACY, d.ACCURACY_SD, d.ACCURACY_LOW, d.ACCURACY_HIGH, c.RAC]
    return table.loc[table[d.ACCURACY].notna(), columns].reset_index(drop=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per network on the same axes, a line per block size and one for QAT, the baseline at a RAC of 1."""
    table = table.astype({c.S: float})  # NaN without motifs
    networks = names.in_paper_order(table[c.ARCHITECTURE])
    panels = mosaics.network_panels(figure, networks, table[c.CLASSES])
    for axes, network in zip(panels, networks, strict=True):
        for (kind, s), line in mosaics.of_network(table, network).groupby([c.METHOD_KIND, c.S], dropna=False):
            _draw_line(axes, line.sort_values(c.RAC), *_look(str(kind), float(str(s))))
        axes.set_xscale("log", base=2)
        axes.set_xlim(float(table[c.RAC].min()) / 1.15, float(table[c.RAC].max()) * 1.15)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("RAC (dense bits / bits)")
    panels[0].set_ylabel("test accuracy (%)")
    kinds = table[[c.METHOD_KIND, c.S]].drop_duplicates().sort_values([c.METHOD_KIND, c.S])
    handles = []
    for kind, s in kinds.itertuples(index=False):
        colour, marker = _look(kind, s)
        handles.append(theme.line_handle(_name(kind, s), colour, marker=marker, markersize=3.5))
    if table[c.CLASSES].notna().any():
        handles.append(theme.line_handle(mosaics.GUESSING, theme.FAINT, linestyle=":", linewidth=0.9))
    theme.legend_below(figure, handles)


def _draw_line(axes: Axes, line: pd.DataFrame, colour: str, marker: str) -> None:
    bars = mosaics.range_bars(line, d.ACCURACY, d.ACCURACY_LOW, d.ACCURACY_HIGH)
    look: dict[str, Any] = {"markersize": 3.5, "capsize": 2, "elinewidth": 0.7}
    axes.errorbar(line[c.RAC], line[d.ACCURACY], bars, color=colour, marker=marker, **look)


def _look(kind: str, s: float) -> tuple[str, str]:
    """Return colour and marker; motifs on top of rounding have another marker."""
    if kind in ("baseline", "qat"):
        return {"baseline": (theme.SOFT, "s"), "qat": ("#DDAA33", "^")}[kind]
    return mosaics.colour_of(s), "o" if kind == "momos" else "D"


def _name(kind: str, s: float) -> str:
    return {"baseline": "baseline", "qat": "QAT"}.get(
        kind, f"{'MoMos' if kind == 'momos' else 'MoMos and QAT'}, s = {s:g}" if not pd.isna(s) else kind
    )


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = []
    for network in names.in_paper_order(table[c.ARCHITECTURE]):
        rows = mosaics.of_network(table, network)
        base = rows.loc[rows[c.METHOD_KIND] == mosaics.BASELINE, d.ACCURACY]
        if len(base):
            best = rows.loc[rows[d.ACCURACY] >= base.iloc[0] - 1].sort_values(c.RAC).iloc[-1]
            parts.append(f"{names.network_label(network)}: RAC {best[c.RAC]:.1f} ({best[c.METHOD]})")
    highest = f" The highest RAC within one point of the baseline: {'; '.join(parts)}." if parts else ""
    return f"Test accuracy of the last weights against RAC, means over seeds with their range.{highest}"


FIGURE = Figure(
    name="trade_off",
    title="Accuracy against compression",
    kinds=("training",),
    group="trainings",
    rank=20,
    applies=lambda results: None if results.ok[c.METHOD].nunique() > 1 else "only one method was trained",
    prepare=prepare,
    draw=draw,
    caption=caption,
)
