"""Effect against size, with what can be told at each size: the null model, seeds, and permutations of neurons."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import parameter_axis, percent_decades
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.statistics import SurveyTables, resolution_table
from complexity_lab.statistics.resolution import Z

_NOISES: Final = {"detectable": "null model", "seeds": "seeds", "permutations": "neuron permutations"}
_MARKERS: Final = {"seeds": "|", "permutations": "x"}


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return effect and limits in percent per model, of BDM and QuBD, smallest model first."""
    table = resolution_table(tables.ratios)
    metrics = main_metrics(table["metric"])
    table = table.loc[table["metric"].isin(metrics) & table["parameters"].notna()]
    for name in ("effect", *_NOISES, "limit"):
        table = table.assign(**{f"{name}_percent": 100 * table[name]})
    place = table["metric"].map({metric: rank for rank, metric in enumerate(metrics)})
    columns = ["model", "family", "parameters", "metric", "ratio", "null", "limited_by", "resolved"]
    shown = [f"{name}_percent" for name in ("effect", *_NOISES, "limit")]
    ordered = table.assign(place=place).sort_values(["place", "parameters", "model"], ignore_index=True)
    return ordered[[*columns, *shown]]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per metric: filled points above every limit, hollow ones below one of them."""
    metrics = table["metric"].unique().tolist()
    figure.set_size_inches(theme.PAGE_WIDTH, 4.0)
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    marks = theme.family_marks(table.drop_duplicates("model")["family"])
    for axes, metric in zip(panels, metrics, strict=True):
        _draw_metric(axes, table.loc[table["metric"] == metric], marks)
        if len(metrics) > 1:
            axes.set_title(metric_label(metric), fontsize=8)
    percent_decades(panels[0])
    for axes in panels[1:]:
        axes.grid(axis="y")
    panels[0].set_ylabel("size of the change by training")
    theme.legend_below(figure, [*theme.family_handles(marks), *_handles(table)])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "Size of the change by training, next to what can be told at all: "
        f"{Z:g} standard deviations of the null model at that size (line), of the ratio over seeds (ticks), and over "
        "permutations of neurons that leave the function as it is (crosses), as far as each is known."
    ]
    for metric, rows in table.groupby("metric", sort=False):
        told = rows.loc[rows["limit_percent"].notna()]
        limits = rows["limited_by"].loc[told.index].value_counts()
        named = {"null": "the null model", "seeds": "seeds", "permutations": "permutations"}
        if len(told):
            most = f"; most often {named[str(limits.index[0])]} set{'s' if limits.index[0] == 'null' else ''} the limit"
            parts.append(
                f"{metric_label(str(metric))}: {int(told['resolved'].sum())} of {numbers.models(len(told))} changed by "
                f"more than each of them{most if len(told) > 1 else ''}."
            )
    parts.append("Filled points are above every known limit, hollow ones are not.")
    unchanged = int((table["effect_percent"] == 0).sum())
    if unchanged:
        parts.append(f"{unchanged} did not change and cannot be drawn on this axis.")
    return " ".join(parts)


def _draw_metric(axes: Axes, rows: pd.DataFrame, marks: dict[str, theme.Mark]) -> None:
    limit = rows.loc[rows["detectable_percent"] > 0].sort_values("parameters")
    axes.plot(limit["parameters"], limit["detectable_percent"], color=theme.FAINT, linewidth=1.0, zorder=1)
    if len(limit) == 1:
        axes.axhline(float(limit["detectable_percent"].iloc[0]), color=theme.FAINT, linewidth=1.0, zorder=1)
    for name, marker in _MARKERS.items():
        known = rows.loc[rows[f"{name}_percent"] > 0]
        place = known["parameters"], known[f"{name}_percent"]
        axes.scatter(*place, marker=marker, s=24, color=theme.SOFT, linewidths=0.8, zorder=2)
    for family, points in rows.loc[rows["effect_percent"] > 0].groupby("family", sort=False):
        mark = marks[str(family)]
        axes.scatter(
            *(points["parameters"], points["effect_percent"]),
            s=32 if len(rows) <= 40 else 17,
            c=np.where(points["resolved"], mark.colour, "white").tolist(),
            marker=mark.marker,
            edgecolors=mark.colour,
            linewidths=0.8,
            zorder=3,
        )
    parameter_axis(axes, rows["parameters"].to_numpy(float))


def _handles(table: pd.DataFrame) -> list[Line2D]:
    grey = {"markersize": 5, "markeredgecolor": theme.SOFT, "markeredgewidth": 0.8}
    handles = []
    if (table["detectable_percent"] > 0).any():
        handles.append(Line2D([], [], color=theme.FAINT, linewidth=1.0, label=f"{_NOISES['detectable']}, {Z:g} sd"))
    for name, marker in _MARKERS.items():
        if (table[f"{name}_percent"] > 0).any():
            handles.append(theme.point_handle(f"{_NOISES[name]}, {Z:g} sd", theme.Mark(theme.SOFT, marker), **grey))
    return handles


def _applies(tables: SurveyTables) -> str | None:
    missing = needs_ratios(tables)
    if missing is not None:
        return missing
    table = prepare(tables)
    if table.empty:
        return "no model has bdm or qubd of both initial and trained weights"
    if table["limit_percent"].isna().all():
        return "the survey knows no spread: one seed, no null model and no permutations"
    return None


FIGURE = Figure(
    name="resolution",
    title="What can be told at each size",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="controls",
)
