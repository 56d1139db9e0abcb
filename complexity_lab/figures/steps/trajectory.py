"""Complexity and loss against training steps: relative to the start, and to the shuffled self of the same weights."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.courses import DASHED, DOTTED, SOLID
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import listed, main_first, metric_label
from complexity_lab.figures.steps import conditions
from complexity_lab.figures.steps.conditions import LINE, QUANTITY, Number
from complexity_lab.figures.steps.grid import Grid, PanelRow, around_hundred, dash_handles, draw_grid, loss
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.statistics.trajectory import over_seeds
from complexity_lab.tables import columns as c

MOST_PANELS: Final = 6
MOST_METRICS: Final = 4
RUNS: Final = "runs"
LOSSES: Final = (c.VALIDATION_LOSS, c.TRAIN_LOSS)
DASHES: Final = {d.RATIO: SOLID, d.RATIO_SHUFFLED: DASHED, c.VALIDATION_LOSS: SOLID, c.TRAIN_LOSS: DOTTED}
WORDS: Final = {
    d.RATIO: "% of the start",
    d.RATIO_SHUFFLED: "% of its shuffled self",
    c.VALIDATION_LOSS: "validation loss",
    c.TRAIN_LOSS: "training loss",
}


def prepare(results: StepResults) -> pd.DataFrame:
    """Return mean and sd over the runs of a group: ratios in percent and losses, a row per line, quantity and step.

    A line is a metric where every network has one group of runs, else a group, and then of one metric alone. Of more
    than six networks the first six by name are shown.
    """
    sums = results.ratios.loc[results.ratios[c.PLANE].isna()]
    networks = sorted(sums[c.ARCHITECTURE].dropna().unique())[:MOST_PANELS]
    ratios, losses = (table.loc[table[c.ARCHITECTURE].isin(networks)] for table in (sums, results.losses))
    grouped = bool(ratios.groupby(c.ARCHITECTURE)[c.GROUP].nunique().max() > 1)
    ratios = ratios.loc[ratios[c.METRIC].isin(_shown(ratios[c.METRIC], 1 if grouped else MOST_METRICS))]
    parts = [_means(ratios, name, [c.METRIC], 100.0) for name in (d.RATIO, d.RATIO_SHUFFLED)]
    parts += [_means(losses.assign(**{c.METRIC: ""}), name, [c.METRIC], 1.0) for name in LOSSES]
    about = results.runs.drop_duplicates(c.GROUP)[[c.GROUP, c.ARCHITECTURE, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY]]
    table = pd.concat(parts, ignore_index=True).dropna(subset=[d.MEAN]).merge(about, on=c.GROUP)
    names = group_names(about) if grouped else {}
    lines = [names.get(group, metric) for group, metric in zip(table[c.GROUP], table[c.METRIC], strict=True)]
    order = [c.ARCHITECTURE, c.GROUP, QUANTITY, c.METRIC, c.STEP]
    shown = [LINE, *order, d.MEAN, d.SD, d.LOW, d.HIGH, RUNS, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY]
    return table.assign(**{LINE: lines})[shown].sort_values(order, kind="stable", ignore_index=True)


def _shown(metrics: pd.Series[str], most: int) -> list[str]:
    """Return the metrics to show: QuBD where there is room for one."""
    found = main_first(metrics)
    return [PLANE_METRIC] if most == 1 and PLANE_METRIC in found else found[:most]


def _means(rows: pd.DataFrame, name: str, keys: list[str], scale: float) -> pd.DataFrame:
    found = over_seeds(rows, [name], keys)
    mean, sd = scale * found[name], scale * found[f"{name}_sd"].astype(float)
    band = {d.LOW: mean - sd.fillna(0), d.HIGH: mean + sd.fillna(0)}
    numbers_of: dict[str, Any] = {d.MEAN: mean, d.SD: sd, RUNS: found[f"{name}_runs"], QUANTITY: name}
    return found[[c.GROUP, c.STEP, *keys]].assign(**numbers_of, **band)


def group_names(about: pd.DataFrame) -> dict[str, str]:
    """Return what groups are called within their network: by their condition where that tells them apart."""
    every = conditions.conditions_of(about)
    named = {
        row[c.GROUP]: conditions.label_of(conditions.condition_of(row), every, examples=True)
        for _, row in about.iterrows()
    }
    labels = about[c.GROUP].map(named)
    if not pd.concat([about[c.ARCHITECTURE], labels], axis=1).duplicated().any():
        return named
    return {
        str(group): str(group).removeprefix(str(network)).strip(" ,-") or str(group)
        for group, network in zip(about[c.GROUP], about[c.ARCHITECTURE], strict=True)
    }


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a pair of panels per network, complexity above and loss below, on one axis of steps."""
    colours = _colours(table)
    columns = {str(network): rows for network, rows in table.groupby(c.ARCHITECTURE, sort=False)}
    metrics = main_first(table.loc[table[c.METRIC] != "", c.METRIC])
    ratios = tuple(Number(name, metric) for name in (d.RATIO, d.RATIO_SHUFFLED) for metric in metrics)
    rows = [PanelRow("complexity,\n% of reference", ratios, around_hundred, 1.5)]
    if table[QUANTITY].isin(LOSSES).any():
        rows.append(PanelRow("loss", tuple(Number(name) for name in LOSSES), loss))
    wrap = 2 if len(columns) == 4 else 3
    draw_grid(figure, columns, Grid(rows=rows, colours=colours, dashes=(QUANTITY, DASHES), wrap=wrap, height=1.45))
    meanings: dict[str, object] = {}
    for dashes in (SOLID, DASHED, DOTTED):
        words = [WORDS[name] for name in WORDS if DASHES[name] == dashes and (table[QUANTITY] == name).any()]
        meanings |= {", ".join(words): dashes} if words else {}
    named = [theme.line_handle(metric_label(line), colour) for line, colour in colours.items()]
    theme.legend_below(figure, [*named, *dash_handles(meanings)], 6)


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour per line: those of conditions in every figure where lines are conditions."""
    lines = dict.fromkeys(table.loc[table[c.METRIC] != "", LINE])
    known = conditions.line_colours(table)
    if set(lines) <= set(known):
        return {str(line): known[line] for line in known if line in lines}
    return {line: mark.colour for line, mark in theme.family_marks(list(lines)).items()}


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    runs = int(table[RUNS].max())
    shuffled = (table[QUANTITY] == d.RATIO_SHUFFLED).any()
    spread = f" Lines are means over {runs} runs that differ in their seed, bands one standard deviation." * (runs > 1)
    metrics = [metric_label(metric) for metric in main_first(table[c.METRIC]) if metric]
    return (
        f"{listed(metrics)} of the weights over training, in percent of the value at the first step"
        + (" (solid) and of the mean of the same weights shuffled within every tensor (dashed)" if shuffled else "")
        + (", with the loss below." if table[QUANTITY].isin(LOSSES).any() else ".")
        + spread
        + f" {_ends(table)}"
    )


def _ends(table: pd.DataFrame) -> str:
    """Say where the ratios to the start end."""
    ratios = table.loc[table[QUANTITY] == d.RATIO]
    last = ratios.sort_values(c.STEP).drop_duplicates([c.GROUP, c.METRIC], keep="last")
    if last.empty:
        return "No ratio to the start exists, because the first step was not measured."
    step = int(last[c.STEP].max())
    if len(last) == 1:
        only = last.iloc[0]
        return f"{metric_label(only[c.METRIC])} ends at {numbers.near_hundred(only[d.MEAN])} after {step:,} steps."
    low, high = (numbers.near_hundred(value) for value in (last[d.MEAN].min(), last[d.MEAN].max()))
    where = f"at {low}" if low == high else f"between {low} and {high}"
    return f"After {step:,} steps the lines end {where} of the start."


def _applies(results: StepResults) -> str | None:
    known = bool(results.ratios[[d.RATIO, d.RATIO_SHUFFLED]].notna().any().any())
    return None if known else "no step has a number to compare"


FIGURE = Figure(
    name="trajectory",
    title="Complexity over training",
    kinds=("trajectory", "series"),
    group="steps",
    rank=60,
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
