"""Do general-purpose compressors agree with the BDM? Change of size by training, one strip per metric."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.statistics import SurveyTables, wilson
from complexity_lab.statistics.ratios import metrics_of

Floats = npt.NDArray[np.float64]
_LABELS = {
    "bdm": "BDM",
    "bdm_2d": "BDM 4×4",
    "bdm_normalized": "normalized BDM",
    "bdm_2d_normalized": "normalized BDM 4×4",
    "block_entropy": "block entropy",
    "block_entropy_2d": "block entropy 4×4",
    "block_entropy_normalized": "normalized block entropy",
    "block_entropy_2d_normalized": "normalized block entropy 4×4",
}
_FEWEST_FOR_BOX = 8
_COLUMNS = ["model", "family", "parameters", "metric", "unit", "ratio", "ratio_sd", "change_percent", "q_value"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return every compared model and metric: ratio, and change of size in percent (negative: simpler)."""
    chosen = tables.ratios.loc[tables.ratios["ratio"].notna()]
    return chosen.assign(change_percent=-100 * chosen["effect"])[_COLUMNS].reset_index(drop=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw one strip of points per metric, with a box from eight models on, and the share that became simpler."""
    metrics = metrics_of(table)
    row_height = 0.62 if len(table) / len(metrics) > 40 else 0.42
    figure.set_size_inches(theme.PAGE_WIDTH, 1.2 + row_height * len(metrics))
    axes = figure.add_subplot()
    marks = theme.family_marks(table.drop_duplicates("model")["family"])
    change = table["change_percent"].to_numpy(float)
    symlog_axis(axes, "x", change, symlog_threshold(change))
    axes.axvline(0, color=theme.INK, linewidth=0.8, zorder=1)
    for place, metric in enumerate(metrics):
        _draw_strip(axes, table.loc[table["metric"] == metric], len(metrics) - 1 - place, marks)
    axes.set_ylim(-0.6, len(metrics) - 0.4)
    axes.set_yticks(range(len(metrics)), [_LABELS.get(metric, metric) for metric in metrics[::-1]])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("change of size by training (%, logarithmic away from zero)")
    theme.legend_below(figure, theme.family_handles(marks))


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    shares = []
    for metric in metrics_of(table):
        ratio = table.loc[table["metric"] == metric, "ratio"]
        same = int((ratio == 1).sum())
        unchanged = f" ({same} unchanged)" if same else ""
        shares.append(f"{_LABELS.get(metric, metric)} {int((ratio < 1).sum())} of {len(ratio)}{unchanged}")
    return (
        "Change of size by training per metric, one point per model; left of zero is simpler. Compressors: compressed "
        "bytes of the packed sign bits, unless the name gives another payload. Models that became simpler: "
        + ", ".join(shares)
        + ("." if table["model"].nunique() < _FEWEST_FOR_BOX else ". Boxes: quartiles; whiskers: 5 to 95 %.")
        + " At the right: share that became simpler, with its 95 % Wilson interval."
    )


def swarm(positions: Floats, *, bins: int, half_width: float) -> Floats:
    """Return vertical offsets that keep points of one strip apart: points of a bin spread evenly around zero.

    ``positions`` are in 0..1 along the strip. Equal input gives equal output; no random jitter.
    """
    offsets = np.zeros(len(positions))
    slot = np.minimum((positions * bins).astype(int), bins - 1)
    most = max(int(np.bincount(slot).max()), 1) if len(slot) else 1
    step = min(2 * half_width / most, half_width / 3)
    for index in np.unique(slot):
        members = np.flatnonzero(slot == index)
        ranked = members[np.argsort(positions[members], kind="stable")]
        offsets[ranked] = step * (np.arange(len(ranked)) - (len(ranked) - 1) / 2)
    return offsets


def _draw_strip(axes: Axes, rows: pd.DataFrame, place: int, marks: dict[str, theme.Mark]) -> None:
    change = rows["change_percent"].to_numpy(float)
    # Offsets are laid out in axis units after the symmetric-log scale, where points really collide.
    along = axes.transAxes.inverted().transform(axes.transData.transform(np.column_stack([change, change * 0])))[:, 0]
    offsets = swarm(np.clip(along, 0, 1), bins=90, half_width=0.36)
    for family, mark in marks.items():
        chosen = (rows["family"] == family).to_numpy()
        axes.scatter(
            *(change[chosen], place + offsets[chosen]),
            s=11 if len(rows) > 40 else 20,
            color=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.3,
            zorder=3,
        )
    if len(rows) >= _FEWEST_FOR_BOX:
        _draw_box(axes, change, place)
    below = wilson(int((change < 0).sum()), len(change))
    axes.annotate(
        f"{100 * below.estimate:.0f} % [{100 * below.low:.0f}, {100 * below.high:.0f}]",
        xy=(1.01, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=7,
    )


def _draw_box(axes: Axes, change: Floats, place: int) -> None:
    axes.boxplot(
        [change],
        positions=[place],
        orientation="horizontal",
        widths=0.84,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        zorder=2,
        boxprops={"color": theme.FAINT, "linewidth": 0.8},
        whiskerprops={"color": theme.FAINT, "linewidth": 0.8},
        capprops={"color": theme.FAINT, "linewidth": 0.8},
        medianprops={"color": theme.INK, "linewidth": 1.4},
    )


FIGURE = Figure(
    name="compressor_ratios",
    title="BDM and compressors compared",
    applies=needs_ratios,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
