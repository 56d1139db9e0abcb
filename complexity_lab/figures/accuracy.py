"""Ratio against accuracy, one point per model, and whether they go together once size and family are held fixed."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.statistics import RankCorrelation, SurveyTables, partial_spearman, spearman

_SEED = 0  # of permutations and bootstrap in the caption: equal tables give equal captions
_COLUMNS = [
    "model",
    "family",
    "parameters",
    "metric",
    "ratio",
    "ratio_sd",
    "accuracy",
    "origin",
    "matched",
    "change_percent",
]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return ratio and accuracy of the models of which both are known, of BDM and QuBD, least accurate first."""
    known = tables.accuracies.loc[tables.accuracies["accuracy"].notna()]
    ratios = tables.ratios.loc[tables.ratios["ratio"].notna()]
    metrics = main_metrics(ratios["metric"])
    table = ratios.loc[ratios["metric"].isin(metrics)].merge(known, on="model")
    place = table["metric"].map({metric: rank for rank, metric in enumerate(metrics)})
    table = table.assign(place=place, change_percent=-100 * table["effect"])
    return table.sort_values(["place", "accuracy", "model"], ignore_index=True)[_COLUMNS]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per metric, points by family."""
    metrics = table["metric"].unique().tolist()
    figure.set_size_inches(theme.PAGE_WIDTH, 3.6)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    marks = theme.family_marks(table.drop_duplicates("model")["family"])
    for axes, metric in zip(panels, metrics, strict=True):
        _draw_metric(axes, table.loc[table["metric"] == metric], marks)
        axes.set_ylabel(f"change of {metric_label(metric)} by training")
    theme.legend_below(figure, theme.family_handles(marks))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    count = table["model"].nunique()
    parts = [
        f"Change by training (ratio − 1) against accuracy on held-out data, {numbers.models(count)} with a known "
        "accuracy; logarithmic away from zero, below it is simpler."
    ]
    for metric, rows in table.groupby("metric", sort=False):
        plain, partial = _correlations(rows)
        if not math.isnan(plain.p_value):
            parts.append(
                f"{metric_label(str(metric))}: Spearman {_told(plain)}; with parameters and family held fixed "
                f"{_told(partial) if not math.isnan(partial.p_value) else f'undefined ({partial.reason})'}."
            )
        else:
            parts.append(f"{metric_label(str(metric))}: rank correlation undefined ({plain.reason}).")
    origin = table.drop_duplicates("model")["origin"].value_counts()
    names = {"file": "the file of accuracies", "survey": "the zoo's own test data"}
    parts.append(f"Accuracies: {', '.join(f'{names[str(name)]} ({n})' for name, n in origin.items())}.")
    return " ".join(parts)


def _correlations(rows: pd.DataFrame) -> tuple[RankCorrelation, RankCorrelation]:
    rows = rows.loc[rows["parameters"].notna()]
    ratio, accuracy, size = (rows[name].to_numpy(float) for name in ("ratio", "accuracy", "parameters"))
    rng = np.random.default_rng(_SEED)
    plain = spearman(ratio, accuracy, rng=rng, resamples=1999)
    families = rows["family"].astype(str).tolist()
    return plain, partial_spearman(ratio, accuracy, numbers=(size,), groups=families, rng=rng)


def _told(found: RankCorrelation) -> str:
    low, middle, high = (
        f"{value:.2f}".replace("-", "−") for value in (found.rho.low, found.rho.estimate, found.rho.high)
    )
    return f"ρ{numbers.GLUE}={numbers.GLUE}{middle} ({low} to {high}; {numbers.p_value(found.p_value)})"


def _draw_metric(axes: Axes, rows: pd.DataFrame, marks: dict[str, theme.Mark]) -> None:
    accuracy = 100 * rows["accuracy"]
    change = rows["change_percent"].to_numpy(float)
    symlog_axis(axes, "y", change, symlog_threshold(change), most=9)
    axes.axhline(0, color=theme.INK, linewidth=0.8, zorder=1)
    axes.errorbar(
        *(accuracy, change),
        yerr=100 * rows["ratio_sd"].fillna(0),
        fmt="none",
        ecolor=theme.FAINT,
        elinewidth=0.7,
        zorder=2,
    )
    for family, points in rows.groupby("family", sort=False):
        mark = marks[str(family)]
        axes.scatter(
            *(100 * points["accuracy"], points["change_percent"]),
            s=32 if len(rows) <= 40 else 17,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{numbers.GLUE}%"))
    axes.set_xlabel("accuracy")
    axes.grid(axis="y")


def _applies(tables: SurveyTables) -> str | None:
    missing = needs_ratios(tables)
    if missing is not None:
        return missing
    if prepare(tables).empty:
        return "no accuracy is known of any compared model; put a file accuracy.csv beside the tables"
    return None


FIGURE = Figure(
    name="accuracy",
    title="Ratio against accuracy",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
