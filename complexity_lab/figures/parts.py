"""Where structure appears while a network learns: which layers, and which bit planes, leave their shuffled selves."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from complexity_lab.figures import theme, watched
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.numbers import count, near_hundred
from complexity_lab.statistics.learning import CONDITIONS, StudyTables
from complexity_lab.statistics.rows import plane_of

MOST_COLUMNS: Final = 4
PLANES: Final = ("#c8c3e6", "#9a91cf", "#6a5bb3", "#332288")  # a quarter of the planes each, most significant last
LAYERS: Final = ("#117733", "#44AA99", "#999933", "#CC6677", "#882255", "#EE7733")


def prepare(tables: StudyTables) -> pd.DataFrame:
    """Return mean and range over seeds of QuBD in percent of the shuffled self, per column, part and step.

    ``column`` is a network with the strongest weight decay, or an arm where there is one network; ``part`` a tensor,
    or a bit plane (0 least significant).
    """
    curves = _chosen(tables)
    planes = [name for name in tables.metrics if plane_of(name) is not None]
    long = curves.melt([*CONDITIONS, "run", "step"], [f"{name}_self" for name in planes], "part", "ratio")
    long = long.assign(part=[name.removesuffix("_self") for name in long["part"]], of="plane")
    layers = tensors(tables).merge(curves[[*CONDITIONS, "run", "step"]], on=["run", "step"], how="inner")
    both = pd.concat([layers.assign(of="layer"), long], ignore_index=True)
    keys = [*CONDITIONS, "of", "part", "step"]
    found = both.assign(ratio=100 * both["ratio"]).groupby(keys, sort=False)["ratio"]
    return found.agg(mean="mean", low="min", high="max", seeds="count").reset_index()


def tensors(tables: StudyTables) -> pd.DataFrame:
    """Return run, step, part (name of a tensor) and ratio of its QuBD to that of its shuffled self."""
    steps = tables.trajectory.steps
    rows = steps.loc[(steps["scope"] == "tensor") & (steps["status"] == "ok")]
    rows = rows.loc[rows["metric"].isin(["qubd", "qubd_shuffle_mean"])]
    wide = rows.pivot(index=["run", "step", "tensor"], columns="metric", values="value").reset_index()
    if not {"qubd", "qubd_shuffle_mean"} <= set(wide):
        return pd.DataFrame(columns=["run", "step", "part", "ratio"])
    ratio = wide["qubd"] / wide["qubd_shuffle_mean"]
    return wide.assign(ratio=ratio).rename(columns={"tensor": "part"})[["run", "step", "part", "ratio"]]


def _chosen(tables: StudyTables) -> pd.DataFrame:
    """Return the curves of the columns: each network with the strongest decay, or each arm of a single network."""
    curves = tables.curves
    if curves["hidden"].nunique() > 1:
        curves = curves.loc[curves["weight_decay"] == curves["weight_decay"].max()]
    groups = curves.drop_duplicates("group").sort_values(
        ["parameters", "labels", "weight_decay"], ascending=[True, False, False]
    )
    return curves.loc[curves["group"].isin(groups["group"].head(MOST_COLUMNS))]


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a column per group, each with its own scale: layers above, bit planes below."""
    arms = watched.arms_of(table)
    groups = table.drop_duplicates("group").sort_values(
        ["parameters", "labels", "weight_decay"], ascending=[True, False, False]
    )
    figure.set_size_inches(theme.PAGE_WIDTH, 4.2)
    grid = figure.subplots(2, len(groups), squeeze=False, sharex=True)
    colours = _colours(table)
    for place, group in enumerate(groups.to_dict("records")):
        rows = table.loc[table["group"] == group["group"]]
        several = groups["hidden"].nunique() > 1
        title = f"{group['hidden']}\n{count(float(group['parameters']))} parameters"
        grid[0, place].set_title(
            title if several else watched.arm_label((group["labels"], group["weight_decay"]), arms), fontsize=7.5
        )
        for axes, of in zip(grid[:, place], ("layer", "plane"), strict=True):
            _draw_parts(axes, rows.loc[rows["of"] == of], colours)
            watched.percent_axis(axes, _reach(rows.loc[rows["of"] == of]))
    for row, of in zip(grid, ("layer", "plane"), strict=True):
        row[0].set_ylabel(f"QuBD of each {of},\n% of shuffled self")
    for axes in grid[-1]:
        watched.step_axis(axes, float(table["step"].max()))
    figure.align_ylabels(grid[:, 0])
    _legend(figure, colours)


def _reach(rows: pd.DataFrame) -> np.ndarray:
    """Return the values that an axis holds: all means, and bands but for the outermost hundredth on each side."""
    return np.concatenate([rows["mean"].to_numpy(float), np.quantile(watched.ends_of(rows), [0.01, 0.99])])


def _draw_parts(axes: Axes, rows: pd.DataFrame, colours: dict[str, str]) -> None:
    for part in dict.fromkeys(rows["part"]):
        watched.line(axes, rows.loc[rows["part"] == part], colours[part])


def _colours(table: pd.DataFrame) -> dict[str, str]:
    layers = list(dict.fromkeys(table.loc[table["of"] == "layer", "part"]))
    planes = sorted(dict.fromkeys(table.loc[table["of"] == "plane", "part"]), key=lambda name: plane_of(name) or 0)
    found = {name: LAYERS[place % len(LAYERS)] for place, name in enumerate(layers)}
    return found | {name: PLANES[place * len(PLANES) // len(planes)] for place, name in enumerate(planes)}


def _legend(figure: Canvas, colours: dict[str, str]) -> None:
    names = {part: part.removesuffix(".weight") for part in colours}
    planes = [name for name in colours if plane_of(name) is not None]
    names |= {name: f"plane {plane_of(name)}" for name in planes}
    names |= {planes[-1]: f"{names[planes[-1]]} (most significant)"}
    handles = [Line2D([], [], color=colour, linewidth=1.6, label=names[part]) for part, colour in colours.items()]
    watched.legend(figure, handles, len(handles) if len(handles) <= 7 else 4)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    last = table.loc[table["step"] == table["step"].max()]
    told = []
    for of in ("layer", "plane"):
        rows = last.loc[last["of"] == of]
        if len(rows):
            lowest = rows.iloc[int(rows["mean"].to_numpy(float).argmin())]
            name = str(lowest["part"]).removeprefix("qubd_").replace("plane", "plane ")
            told.append(f"the lowest {of} is {name} with {near_hundred(float(lowest['mean']))}")
    seeds = int(table["seeds"].max())
    return (
        "QuBD of each layer (above) and of each bit plane of all layers (below) in percent of the shuffled self, means "
        f"of {seeds} seed{'s' if seeds > 1 else ''}, bands from the lowest to the highest. At the last step "
        f"{' and '.join(told)}."
    )


def _applies(tables: StudyTables) -> str | None:
    if tables.study == "overfitting":
        return "a study of overfitting has too many training sets for it"
    reason = watched.why_not(tables, tables.study, ("qubd_self",))
    if reason is None and tensors(tables).empty:
        return "no tensor was measured by itself; set tensor_rows = true"
    return reason


FIGURE = Figure(
    name="parts",
    title="Which layers and bit planes become simpler",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
