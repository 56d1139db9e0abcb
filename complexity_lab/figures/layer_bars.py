"""The change of each layer of a few models as bars, coloured by what the layer is."""

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.examples import examples
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.labels import main_metrics, metric_label
from complexity_lab.statistics import SurveyTables, compare_layers

MOST_MODELS: Final = 4
# Paul Tol's bright scheme: distinct under every common colour blindness, also without colour by lightness.
_KINDS: Final = {
    "linear": "#4477AA",
    "convolution": "#EE6677",
    "depthwise convolution": "#CCBB44",
    "embedding": "#228833",
    "other": "#AA3377",
}


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return the change of each layer in percent, QuBD if there is any, else BDM, for at most MOST_MODELS models."""
    metric = _metric(tables)
    layers = compare_layers(tables.models, tables.measurements, metric=metric, kinds=("matrix", "embedding", "other"))
    layers = layers.loc[layers["ratio"].notna()]
    whole = tables.ratios.loc[tables.ratios["metric"] == metric].set_index("model")
    totals = whole.loc[whole.index.isin(layers["model"].unique()), "ratio"]
    chosen = examples(totals, MOST_MODELS)
    table = layers.assign(
        metric=metric,
        layer_type=[
            layer_type(str(kind), str(shape)) for kind, shape in zip(layers["kind"], layers["shape"], strict=True)
        ],
        change_percent=100 * (layers["ratio"] - 1),
        sd_percent=100 * layers["ratio_sd"],
        total=layers["model"].map(totals),
        rank=layers["model"].map({model: rank for rank, model in enumerate(chosen)}),
    )
    table = table.loc[table["rank"].notna()].sort_values("rank", kind="stable", ignore_index=True)
    layer = table.groupby("model", sort=False).cumcount().astype("int64")
    columns = ["model", "metric", "total", "layer", "tensor", "shape", "layer_type", "weights", "ratio"]
    return table.assign(layer=layer)[[*columns, "change_percent", "sd_percent"]]


def layer_type(kind: str, shape: str) -> str:
    """Return what a layer is, from the kind of its weight and its shape.

    >>> [layer_type("matrix", shape) for shape in ("64x3x7x7", "64x1x3x3", "10x64")], layer_type("embedding", "9x4")
    (['convolution', 'depthwise convolution', 'linear'], 'embedding')
    """
    axes = shape.split("x")
    if kind != "matrix":
        return kind if kind in _KINDS else "other"
    if len(axes) < 3:
        return "linear"
    return "depthwise convolution" if axes[1] == "1" and axes[0] != "1" else "convolution"


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel of bars per model, on an axis of its own; error bars are spreads over seeds."""
    models = table["model"].unique().tolist()
    figure.set_size_inches(theme.PAGE_WIDTH, 0.6 + 1.35 * len(models))
    panels = figure.subplots(len(models), 1, squeeze=False)[:, 0]
    for axes, model in zip(panels, models, strict=True):
        _draw_model(axes, table.loc[table["model"] == model])
    panels[-1].set_xlabel("layer, first at the left")
    label = f"change of {metric_label(str(table['metric'].iloc[0]))} by training"
    figure.supylabel(label, fontsize=8)
    present = [name for name in _KINDS if (table["layer_type"] == name).any()]
    handles = [Patch(color=_KINDS[name], label=name) for name in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    name, count = metric_label(str(table["metric"].iloc[0])), table["model"].nunique()
    simpler = int((table["change_percent"] < 0).sum())
    parts = [
        f"Change of {name} of each layer by training, in percent of the mean over initial seeds, {len(table):,} layers "
        f"of {numbers.models(count)}; {simpler:,} became simpler."
    ]
    medians = table.groupby("layer_type", sort=False)["change_percent"].median()
    if len(medians) > 1:
        told = ", ".join(f"{kind} {numbers.percent(value / 100)}" for kind, value in medians.items())
        parts.append(f"Medians: {told}.")
    if count >= MOST_MODELS:
        parts.append(
            f"At most {MOST_MODELS} models are shown, evenly spread over the ranking from lowest to highest ratio."
        )
    if table["sd_percent"].notna().any():
        parts.append("Error bars: one standard deviation over seeds.")
    if count > 1:
        parts.append("Axes differ between models.")
    return " ".join(parts)


def _draw_model(axes: Axes, rows: pd.DataFrame) -> None:
    places = rows["layer"].to_numpy(float)
    colours = [_KINDS[str(kind)] for kind in rows["layer_type"]]
    edge = min(0.4, 20 / max(len(rows), 1))
    axes.bar(places, rows["change_percent"], width=0.86, color=colours, edgecolor="white", linewidth=edge)
    if rows["sd_percent"].notna().any():
        axes.errorbar(
            *(places, rows["change_percent"]),
            yerr=rows["sd_percent"].fillna(0),
            fmt="none",
            ecolor=theme.INK,
            elinewidth=0.6,
        )
    axes.axhline(0, color=theme.INK, linewidth=0.8)
    axes.set_xlim(-0.7, max(len(rows) - 0.3, 9.7))  # two layers make no two walls
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.percent(value / 100, 2)))
    axes.grid(axis="y")
    total = numbers.near_hundred(100 * float(rows["total"].iloc[0]))
    axes.set_title(f"{rows['model'].iloc[0]}: {total} as a whole", fontsize=7, loc="left")


def _metric(tables: SurveyTables) -> str:
    """Return the metric to show: QuBD, which scores layers one by one, before BDM."""
    rows = tables.measurements
    found = main_metrics(rows.loc[rows["scope"] == "tensor", "metric"].unique(), most=3)
    return "qubd" if "qubd" in found else found[0] if found else "bdm"


def _applies(tables: SurveyTables) -> str | None:
    if len(prepare(tables)):
        return None
    return "no tensor has bdm or qubd of both initial and trained weights"


FIGURE = Figure(
    name="layer_bars",
    title="Change of single layers",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="layers",
)
