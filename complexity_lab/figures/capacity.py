"""Validation accuracy against capacity for several block sizes (paper, Figures 4 and B.2)."""

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from complexity_lab.figures import mosaics, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.training import TrainingTables


def prepare(tables: TrainingTables) -> pd.DataFrame:
    """Return mean, sd and range of the accuracies (percent) per model and mosaic; the baseline has no block size."""
    runs = tables.ok
    chosen = runs.loc[runs["kind"].isin(["baseline", "momos"])]
    keys = ["dataset", "model", "kind", "s", "capacity"]
    rows = []
    for key, group in chosen.groupby(keys, dropna=False):
        accuracy = 100 * group["validation_accuracy_final"].astype(float)
        test = 100 * group["test_accuracy_final"].astype(float)
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"validation": accuracy.mean(), "validation_sd": accuracy.std(ddof=1), "seeds": len(group)}
            | {"validation_low": accuracy.min(), "validation_high": accuracy.max()}
            | {"test": test.mean(), "test_sd": test.std(ddof=1)}
        )
    return pd.DataFrame(rows).sort_values(keys, ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per model: a line per block size over capacity, the baseline as a band."""
    models = mosaics.by_size(table.loc[table["kind"] == "momos", "model"])
    figure.set_size_inches(theme.PAGE_WIDTH, 2.9)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for axes, model in zip(panels, models, strict=True):
        rows = table.loc[table["model"] == model]
        for s, line in rows.loc[rows["kind"] == "momos"].groupby("s"):
            ordered = line.sort_values("capacity")
            colour = mosaics.look(float(str(s)), 1.0).colour
            axes.errorbar(
                *(100 * ordered["capacity"], ordered["validation"], mosaics.range_bars(ordered, "validation")),
                color=colour,
                marker="o",
                markersize=3,
                capsize=2,
                elinewidth=0.7,
            )
        for _, base in rows.loc[rows["kind"] == "baseline"].iterrows():
            axes.axhline(base["validation"], color=theme.FAINT, linewidth=0.8, zorder=1)
            low, high = base["validation_low"], base["validation_high"]
            axes.axhspan(low, high, color=theme.RULE, alpha=0.5, zorder=0, linewidth=0)
        axes.set_xscale("log")
        axes.set_xticks(sorted(set(100 * rows["capacity"].dropna())))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(mosaics.label(model), fontsize=8)
        axes.set_xlabel("capacity (% of the blocks)")
    panels[0].set_ylabel("validation accuracy (%)")
    sizes = sorted(set(table["s"].dropna()))
    handles = [
        Line2D([], [], color=mosaics.look(s, 1.0).colour, marker="o", markersize=3, label=f"s = {s:g}") for s in sizes
    ]
    theme.legend_below(figure, [*handles, Line2D([], [], color=theme.FAINT, label="baseline")])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    motifs = table.loc[table["kind"] == "momos"]
    parts = []
    for model in mosaics.by_size(motifs["model"]):
        rows = motifs.loc[motifs["model"] == model]
        worst = rows.sort_values("validation").iloc[0]
        parts.append(
            f"{mosaics.label(model)} is lowest at {mosaics.method_label(worst['s'], worst['capacity'])} "
            f"({worst['validation']:.1f} %)"
        )
    seeds = int(table["seeds"].max())
    return (
        f"Validation accuracy of the last weights against capacity, mean and range of {seeds} "
        f"seed{'s' if seeds > 1 else ''}, on {table['dataset'].iloc[0]}. {'; '.join(parts)}."
    )


def _applies(tables: TrainingTables) -> str | None:
    momos = tables.ok.loc[tables.ok["kind"] == "momos"]
    return None if momos["capacity"].nunique() > 1 else "fewer than two capacities were trained"


FIGURE = Figure(
    name="capacity",
    title="Accuracy against capacity",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
