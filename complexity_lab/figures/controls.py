"""Each model's trained weights between their null models: what keeps less of the weights lies further right."""

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.figures.model_rows import RowLayout, name_rows, row_layout
from complexity_lab.statistics import SurveyTables
from complexity_lab.statistics.rows import NULLS

# Paul Tol's bright scheme with a shape each; hollow, so that the trained point shows through.
_MARKS: Final = {
    "iid": theme.Mark("#CCBB44", "s"),
    "gaussian": theme.Mark("#EE6677", "D"),
    "shuffle": theme.Mark("#4477AA", "o"),
    "shuffle_channel": theme.Mark("#66CCEE", "^"),
    "shuffle_row": theme.Mark("#228833", "v"),
    "permutation": theme.Mark("#AA3377", "|"),
}
_NAMES: Final = {
    "iid": "independent bits",
    "gaussian": "normal values",
    "shuffle": "shuffled in tensors",
    "shuffle_channel": "in channels",
    "shuffle_row": "in rows",
    "permutation": "neurons permuted",
}


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return each null model's change from the initial mean in percent, one row per model, metric and null."""
    ratios = tables.ratios.loc[tables.ratios["ratio"].notna()]
    found = []
    for metric in main_metrics(ratios["metric"], most=3):
        rows = ratios.loc[ratios["metric"] == metric]
        parts = [_null(rows, null) for null in NULLS if rows[f"{null}_mean"].notna().any()]
        if parts:
            found += [_change(rows, "trained", rows["trained_mean"], rows["trained_sd"]), *parts]
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    table = pd.concat(found, ignore_index=True)
    shown = table.loc[table["metric"].isin(table["metric"].unique()[:2])]
    first = shown.loc[(shown["null"] == "trained") & (shown["metric"] == shown["metric"].iloc[0])]
    order = first.sort_values(["change_percent", "model"])["model"].tolist()
    order += sorted(set(shown["model"]) - set(order))
    rank = shown["model"].map({model: place for place, model in enumerate(order)})
    return shown.assign(rank=rank.astype("int64")).sort_values("rank", kind="stable", ignore_index=True)


_COLUMNS: Final = ["model", "family", "metric", "null", "mean", "sd", "change_percent", "sd_percent", "rank"]


def _null(rows: pd.DataFrame, null: str) -> pd.DataFrame:
    return _change(rows, null, rows[f"{null}_mean"], rows[f"{null}_sd"])


def _change(rows: pd.DataFrame, null: str, mean: "pd.Series[float]", sd: "pd.Series[float]") -> pd.DataFrame:
    table = rows[["model", "family", "metric"]].assign(
        null=null,
        mean=mean,
        sd=sd,
        change_percent=100 * (mean / rows["initial_mean"] - 1),
        sd_percent=100 * sd / rows["initial_mean"],
    )
    return table.loc[table["mean"].notna()]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a row per model and a panel per metric; the line joins the trained weights to the furthest null."""
    metrics = main_metrics(table["metric"], most=3)
    layout = row_layout(table["rank"].max() + 1)
    figure.set_size_inches(theme.PAGE_WIDTH, max(2.0, layout.height + 1.2))
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    names = table.drop_duplicates("rank").sort_values("rank")["model"].astype(str).tolist()
    for place, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        rows = table.loc[table["metric"] == metric]
        _draw_metric(axes, rows, layout)
        name_rows(axes, layout, names if place == 0 else [""] * len(names))
        if place:
            axes.set_ylabel("")
        axes.set_xlabel(f"{metric_label(metric)}, change from initial")
    present = [null for null in _MARKS if (table["null"] == null).any()]
    theme.legend_below(figure, [_handle("trained"), *(_handle(null) for null in present)])


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = [
        "Trained weights and their null models, as change from the mean over initial seeds (logarithmic away from "
        "zero); models ordered by the first panel. Nulls keep, of each tensor, its share of ones (independent bits, "
        "over the whole model), its mean and sd (normal values), or all its values (shuffled, anywhere in the tensor "
        "or within channels or rows)."
    ]
    for metric, rows in table.groupby("metric", sort=False):
        grid = rows.pivot(index="model", columns="null", values="change_percent")
        told = []
        for null in [name for name in _MARKS if name in grid and name != "permutation"]:
            both = grid[["trained", null]].dropna()
            told.append(f"{_NAMES[null]} {int((both['trained'] < both[null]).sum())} of {len(both)}")
        if told:
            parts.append(f"{metric_label(str(metric))} of trained weights is below its null: {', '.join(told)}.")
    if (table["null"] == "permutation").any():
        parts.append("Neurons permuted: the same function in another order, so any difference is no property of it.")
    if table["sd_percent"].notna().any():
        parts.append("Error bars: one standard deviation over seeds or draws.")
    return " ".join(parts)


def _draw_metric(axes: Axes, rows: pd.DataFrame, layout: RowLayout) -> None:
    places = layout.places[rows["rank"].to_numpy(int)]
    change = rows["change_percent"].to_numpy(float)
    symlog_axis(axes, "x", change, symlog_threshold(change), most=5)
    ends = rows.assign(place=places).groupby("place")["change_percent"].agg(["min", "max"])
    axes.hlines(ends.index, ends["min"], ends["max"], color=theme.RULE, linewidth=min(1.0, 14 * layout.row), zorder=1)
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    axes.errorbar(
        *(change, places),
        xerr=rows["sd_percent"].fillna(0),
        fmt="none",
        ecolor=theme.FAINT,
        elinewidth=0.6,
        zorder=2,
    )
    for null in ("trained", *_MARKS):
        chosen = (rows["null"] == null).to_numpy()
        mark, look = _look(null)
        axes.scatter(*(change[chosen], places[chosen]), s=layout.mark * 0.8, marker=mark.marker, zorder=3, **look)
    axes.grid(axis="x")
    for label in axes.get_xticklabels():
        label.set_fontsize(6.5)


def _look(null: str) -> tuple[theme.Mark, dict[str, Any]]:
    if null == "trained":
        return theme.Mark(theme.INK, "o"), {"color": theme.INK, "linewidths": 0}
    mark = _MARKS[null]
    if mark.marker == "|":
        return mark, {"color": mark.colour, "linewidths": 1.1}
    return mark, {"facecolors": "none", "edgecolors": mark.colour, "linewidths": 1.0}


def _handle(null: str) -> Line2D:
    if null == "trained":
        return theme.point_handle("trained", theme.Mark(theme.INK, "o"))
    mark = _MARKS[null]
    hollow = {"markerfacecolor": "none", "markeredgecolor": mark.colour, "markeredgewidth": 1.0}
    return theme.point_handle(_NAMES[null], mark, **hollow)


def _applies(tables: SurveyTables) -> str | None:
    missing = needs_ratios(tables)
    if missing is None and prepare(tables).empty:
        return "the survey holds no null models"
    return missing


FIGURE = Figure(
    name="controls",
    title="Trained weights and their null models",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="controls",
)
