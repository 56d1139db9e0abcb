"""Do general-purpose compressors agree with the BDM? Change of size by training, one strip per metric."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import theme
from complexity_lab.figures.axes import symlog_axis, symlog_threshold
from complexity_lab.figures.figure import Figure, needs_ratios
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.strips import FEWEST_FOR_BOX, draw_strip
from complexity_lab.statistics import SurveyTables, wilson
from complexity_lab.statistics.ratios import metrics_of
from complexity_lab.statistics.rows import plane_of

Floats = npt.NDArray[np.float64]
_COLUMNS = ["model", "family", "parameters", "metric", "unit", "ratio", "ratio_sd", "change_percent", "q_value"]


def prepare(tables: SurveyTables) -> pd.DataFrame:
    """Return every compared model and metric, single planes left out: change of size in percent (negative: simpler)."""
    planes = [metric for metric in metrics_of(tables.ratios) if plane_of(metric) is not None]
    chosen = tables.ratios.loc[tables.ratios["ratio"].notna() & ~tables.ratios["metric"].isin(planes)]
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
        rows, height = table.loc[table["metric"] == metric], len(metrics) - 1 - place
        draw_strip(axes, rows["change_percent"].to_numpy(float), rows["family"], height, marks)
        _draw_share(axes, rows["change_percent"].to_numpy(float), height)
    axes.set_ylim(-0.6, len(metrics) - 0.4)
    axes.set_yticks(range(len(metrics)), [metric_label(metric) for metric in metrics[::-1]])
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
        shares.append(f"{metric_label(metric)} {int((ratio < 1).sum())} of {len(ratio)}{unchanged}")
    return (
        "Change of size by training per metric, one point per model; left of zero is simpler. Compressors: compressed "
        "bytes of the packed sign bits, unless the name gives another payload. Models that became simpler: "
        + ", ".join(shares)
        + ("." if table["model"].nunique() < FEWEST_FOR_BOX else ". Boxes: quartiles; whiskers: 5 to 95 %.")
        + " At the right: share that became simpler, with its 95 % Wilson interval."
    )


def _draw_share(axes: Axes, change: Floats, place: int) -> None:
    below = wilson(int((change < 0).sum()), len(change))
    axes.annotate(
        f"{100 * below.estimate:.0f} % [{100 * below.low:.0f}, {100 * below.high:.0f}]",
        xy=(1.01, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=7,
    )


FIGURE = Figure(
    name="compressor_ratios",
    title="BDM and compressors compared",
    applies=needs_ratios,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
