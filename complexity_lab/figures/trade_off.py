"""Accuracy against relative algorithmic compression, for every method: what a shorter description costs."""

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from complexity_lab.figures import mosaics, theme
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics.training import TrainingTables, means_over_seeds


def prepare(tables: TrainingTables) -> pd.DataFrame:
    """Return accuracy (percent: mean, sd and range over seeds) and RAC per model and method."""
    table = means_over_seeds(tables.runs)
    columns = ["dataset", "model", "method", "kind", "bits", "s", "capacity", "seeds"]
    columns += ["accuracy", "accuracy_sd", "accuracy_low", "accuracy_high", "rac"]
    return table.loc[table["accuracy"].notna(), columns].reset_index(drop=True)


def draw(table: pd.DataFrame, figure: Canvas) -> None:
    """Draw a panel per model, a line per block size and one for QAT, the baseline at a RAC of 1."""
    models = mosaics.by_size(table["model"])
    figure.set_size_inches(theme.PAGE_WIDTH, 2.9)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for axes, model in zip(panels, models, strict=True):
        rows = table.loc[table["model"] == model]
        for (kind, s), line in rows.groupby(["kind", "s"], dropna=False):
            colour, marker = _look(str(kind), float(str(s)))
            ordered = line.sort_values("rac")
            axes.errorbar(
                *(ordered["rac"], ordered["accuracy"], mosaics.range_bars(ordered, "accuracy")),
                color=colour,
                marker=marker,
                markersize=3.5,
                capsize=2,
                elinewidth=0.7,
            )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(mosaics.label(model), fontsize=8)
        axes.set_xlabel("RAC (dense bits / bits)")
    panels[0].set_ylabel("test accuracy (%)")
    kinds = table[["kind", "s"]].drop_duplicates().sort_values(["kind", "s"])
    handles = [
        Line2D([], [], color=_look(kind, s)[0], marker=_look(kind, s)[1], markersize=3.5, label=_name(kind, s))
        for kind, s in kinds.itertuples(index=False)
    ]
    theme.legend_below(figure, handles)


def _look(kind: str, s: float) -> tuple[str, str]:
    if kind == "baseline":
        return theme.SOFT, "s"
    return ("#DDAA33", "^") if kind == "qat" else (mosaics.look(s, 1.0).colour, "o")


def _name(kind: str, s: float) -> str:
    return {"baseline": "baseline", "qat": "QAT"}.get(kind, f"{kind.replace('momos', 'MoMos')}, s = {s:g}")


def caption(table: pd.DataFrame) -> str:
    """Return the caption with its numbers."""
    parts = []
    for model in mosaics.by_size(table["model"]):
        rows = table.loc[table["model"] == model]
        base = rows.loc[rows["kind"] == "baseline", "accuracy"]
        if base.empty:
            continue
        near = rows.loc[rows["accuracy"] >= base.iloc[0] - 1]
        best = near.sort_values("rac").iloc[-1]
        parts.append(f"{mosaics.label(model)}: RAC {best['rac']:.1f} ({best['method']})")
    told = f" The highest RAC within one point of the baseline: {'; '.join(parts)}." if parts else ""
    return f"Test accuracy of the last weights against RAC, means over seeds with their range.{told}"


def _applies(tables: TrainingTables) -> str | None:
    return None if tables.ok["method"].nunique() > 1 else "only one method was trained"


FIGURE = Figure(
    name="trade_off",
    title="Accuracy against compression",
    applies=_applies,
    prepare=prepare,
    draw=draw,
    caption=caption,
)
