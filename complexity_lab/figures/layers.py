"""Where in a network the drop sits: one strip per model, coloured by the change of each tensor's BDM."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from complexity_lab.figures import numbers, theme
from complexity_lab.figures.change_scale import change_bar, change_norm, draw_changes
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics import SurveyTables, compare_layers

Floats = npt.NDArray[np.float64]
BINS = 60
_MOST_NAMED = 40


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return every compared matrix and embedding, models by family and size, tensors in model order."""
    facts = tables.models[["model", "family", "parameters"]]
    layers = compare_layers(tables.models, tables.measurements)
    layers = layers.merge(facts, on="model", how="left")
    change = 100 * (layers["ratio"] - 1)
    noise = change.abs() < 2 * 100 * layers["ratio_sd"]
    layers = layers.assign(change_percent=change, within_noise=noise, shown_percent=change.where(~noise, 0.0))
    return layers.sort_values(["family", "parameters", "model"], kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one row per model; a tensor covers its equal share of the row."""
    names = [str(name) for name in table["model"].unique()]
    image = np.ma.masked_invalid(
        [strip(rows["shown_percent"].to_numpy(float)) for _, rows in table.groupby("model", sort=False)]
    )
    row_height = 0.19 if len(names) <= _MOST_NAMED else min(0.19, 6.0 / len(names))
    figure.set_size_inches(theme.PAGE_WIDTH, max(1.7, 1.0 + row_height * len(names)))
    axes = figure.add_subplot()
    changes = image.compressed()
    grid = np.linspace(0, 100, BINS + 1), np.arange(len(names) + 1)
    mesh = draw_changes(axes, *grid, image.filled(np.nan), change_norm(changes))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.set_xlabel("depth (position among the model's matrices)")
    _name_rows(axes, table, names)
    change_bar(figure, mesh, [axes], "change of the tensor's BDM", pad=0.015, aspect=30, shrink=0.95)


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    known, spread = int(table["ratio"].notna().sum()), table["ratio_sd"].notna().any()
    quiet, constant = int(table["within_noise"].sum()), int(table["constant"].sum())
    beyond = table.loc[~table["within_noise"], "ratio"]
    simpler, richer = int((beyond < 1).sum()), int((beyond > 1).sum())
    parts = [
        f"Change of BDM of each matrix and embedding by training, first layer at the left; {known:,} tensors of "
        f"{numbers.models(table['model'].nunique())}, {simpler:,} ({numbers.percent(simpler / known)}) simpler "
        f"(purple) and {richer:,} more complex (orange) after training{' beyond seed noise' if spread else ''}."
    ]
    if spread:
        parts.append(f"White: {quiet:,} that changed by less than two standard deviations over seeds.")
    if constant:
        parts.append(f"Grey: {constant:,} that {'starts' if constant == 1 else 'start'} constant.")
    parts.append(
        "Tensors differ in size, and small ones move more: compare like models along a column rather than tensors "
        "within a row."
    )
    return " ".join(parts)


def strip(values: Floats) -> Floats:
    """Spread the values of one model's tensors over BINS cells, nearest tensor per cell.

    >>> strip(np.array([1.0, 2.0]))[[0, 29, 30, 59]].tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    centres = (np.arange(BINS) + 0.5) / BINS
    return np.asarray(values[np.minimum((centres * len(values)).astype(int), len(values) - 1)], dtype=np.float64)


def _name_rows(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Label rows with model names, or with families where there are too many models."""
    axes.tick_params(axis="y", length=0)
    if len(names) <= _MOST_NAMED:
        axes.hlines(np.arange(1, len(names)), 0, 100, color=theme.RULE, linewidth=0.4)
        axes.set_yticks(np.arange(len(names)) + 0.5, names)
        return
    family = table.drop_duplicates("model")["family"].to_numpy(str)
    starts = np.flatnonzero(np.r_[True, family[1:] != family[:-1]])
    ends = np.r_[starts[1:], len(family)]
    for end in ends[:-1]:
        axes.axhline(end, color="white", linewidth=0.8)
    wide = ends - starts >= len(family) / 45  # a label needs the height of a line of text
    axes.set_yticks(((starts + ends) / 2)[wide], family[starts][wide].tolist())


def _applies(tables: SurveyTables) -> str | None:
    if compare_layers(tables.models, tables.measurements)["ratio"].notna().any():
        return None
    return "no tensor has bdm of both initial and trained weights"


FIGURE = Figure(
    name="layers",
    title="Change by depth",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
    group="layers",
)
