"""Validation accuracy against capacity for several block sizes (paper, Figures 4 and B.2)."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from complexity_lab.figures import theme
from complexity_lab.figures.courses import DASHED, SOLID
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import listed
from complexity_lab.figures.momos import mosaics, names
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.tables import columns as c

VALIDATION: Final = "validation"
VALIDATION_SD: Final = "validation_sd"
VALIDATION_LOW: Final = "validation_low"
VALIDATION_HIGH: Final = "validation_high"
TEST: Final = "test"
TEST_SD: Final = "test_sd"
KEYS: Final = [c.DATASET, c.ARCHITECTURE, c.METHOD_KIND, c.S, c.CAPACITY, c.EVERY]


def prepare(results: TrainingResults) -> pd.DataFrame:
    """Return mean, sd and range of the accuracies (percent) per network and mosaic; the baseline has no block size."""
    runs = results.ok.loc[results.ok[c.METHOD_KIND].isin(["baseline", "momos"])]
    rows = []
    for key, group in runs.groupby(KEYS, dropna=False):
        validation = 100 * group[c.VALIDATION_ACCURACY_FINAL].astype(float)
        test = 100 * group[c.TEST_ACCURACY_FINAL].astype(float)
        means: dict[str, Any] = {VALIDATION: validation.mean(), VALIDATION_SD: validation.std(ddof=1)}
        means |= {VALIDATION_LOW: validation.min(), VALIDATION_HIGH: validation.max(), d.SEEDS: len(group)}
        means |= {TEST: test.mean(), TEST_SD: test.std(ddof=1), c.CLASSES: group[c.CLASSES].iloc[0]}
        rows.append(dict(zip(KEYS, key, strict=True)) | means)
    return pd.DataFrame(rows).sort_values(KEYS, ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per network, all from 0 to 100 percent: a line per block size, the baseline as a band."""
    motifs = table.loc[table[c.METHOD_KIND] == "momos"]
    networks = names.in_paper_order(motifs[c.ARCHITECTURE])
    dashes = dict(zip(sorted(motifs[c.EVERY].dropna().unique(), key=str), (SOLID, DASHED, ":"), strict=False))
    panels = mosaics.network_panels(figure, networks, table[c.CLASSES])
    for axes, network in zip(panels, networks, strict=True):
        _draw_baseline(axes, mosaics.of_network(table, network))
        for (s, every), line in mosaics.of_network(motifs, network).groupby([c.S, c.EVERY], dropna=False):
            _draw_line(axes, line.sort_values(c.CAPACITY), mosaics.colour_of(float(str(s))), dashes.get(every, SOLID))
        _capacities(axes, sorted(set(100 * motifs[c.CAPACITY].dropna())))
    panels[0].set_ylabel("validation accuracy (%)")
    theme.legend_below(figure, _handles(table, motifs, dashes))


def _draw_line(axes: Axes, line: pd.DataFrame, colour: str, dashes: Any) -> None:
    bars = mosaics.range_bars(line, VALIDATION, VALIDATION_LOW, VALIDATION_HIGH)
    look: dict[str, Any] = {"marker": "o", "markersize": 3, "capsize": 2, "elinewidth": 0.7}
    axes.errorbar(100 * line[c.CAPACITY], line[VALIDATION], bars, color=colour, linestyle=dashes, **look)


def _draw_baseline(axes: Axes, rows: pd.DataFrame) -> None:
    for base in rows.loc[rows[c.METHOD_KIND] == mosaics.BASELINE].to_dict("records"):
        axes.axhline(base[VALIDATION], color=theme.FAINT, linewidth=1.0, zorder=1)
        axes.axhspan(base[VALIDATION_LOW], base[VALIDATION_HIGH], color=theme.RULE, alpha=0.6, zorder=0, linewidth=0)


def _capacities(axes: Axes, percents: list[float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(percents[0] / 1.3, percents[-1] * 1.3)
    axes.xaxis.set_major_locator(FixedLocator(percents))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("capacity (% of the blocks)")


def _handles(table: pd.DataFrame, motifs: pd.DataFrame, dashes: dict[str, Any]) -> list[Any]:
    """Return what is drawn, and nothing else."""
    sizes = sorted(motifs[c.S].dropna().unique())
    found = [theme.line_handle(f"s = {s:g}", mosaics.colour_of(s), marker="o", markersize=3) for s in sizes]
    if len(dashes) > 1:
        found += [theme.line_handle(_projected(every), linestyle=it, linewidth=1.0) for every, it in dashes.items()]
    if (table[c.METHOD_KIND] == mosaics.BASELINE).any():
        found.append(theme.line_handle("baseline", theme.FAINT))
    if table[c.CLASSES].notna().any():
        found.append(theme.line_handle(mosaics.GUESSING, theme.FAINT, linestyle=":", linewidth=0.9))
    return found


def _projected(every: str) -> str:
    """Return how often weights are projected, in words.

    >>> _projected("epoch"), _projected("10")
    ('projected every epoch', 'projected every 10 steps')
    """
    return f"projected every {every}" if every in ("step", "epoch") else f"projected every {every} steps"


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    motifs = table.loc[table[c.METHOD_KIND] == "momos"]
    parts = []
    for network in names.in_paper_order(motifs[c.ARCHITECTURE]):
        worst = mosaics.of_network(motifs, network).sort_values(VALIDATION).iloc[0]
        mosaic = names.mosaic_label(worst[c.S], worst[c.CAPACITY])
        parts.append(f"{names.network_label(network)} is lowest at {mosaic} ({worst[VALIDATION]:.1f} %)")
    seeds = int(table[d.SEEDS].max())
    spread = f"mean and range of {seeds} seeds" if seeds > 1 else "1 seed"
    often = [_projected(str(every)) for every in motifs[c.EVERY].dropna().unique()]
    projected = f" Weights are {listed(often)}." if often else ""
    return (
        f"Validation accuracy of the last weights against capacity, {spread}, on {table[c.DATASET].iloc[0]}."
        f"{projected} {'; '.join(parts)}."
    )


def _applies(results: TrainingResults) -> str | None:
    motifs = results.ok.loc[results.ok[c.METHOD_KIND] == "momos"]
    return None if motifs[c.CAPACITY].nunique() > 1 else "fewer than two capacities were trained"


FIGURE = Figure(
    name="capacity",
    title="Accuracy against capacity",
    kinds=("training",),
    group="trainings",
    rank=10,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
