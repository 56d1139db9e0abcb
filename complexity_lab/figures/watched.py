"""What figures of networks in training share: lines over steps with the range of seeds, looks of arms, axes."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from complexity_lab.figures import theme
from complexity_lab.figures.numbers import count
from complexity_lab.statistics.learning import CONDITIONS, StudyTables, landmarks

Arm = tuple[str, float]  # labels and weight decay
SOLID: Final = "-"
DOTTED: Final[Any] = (0, (1, 1.3))
DASHED: Final[Any] = (0, (2.5, 2))
NAMES: Final = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "train_accuracy": "training",
    "validation_accuracy": "validation",
    "test_accuracy": "test accuracy (%)",
    "qubd_self": "QuBD,\n% of shuffled self",
    "bdm_self": "BDM,\n% of shuffled self",
    "qubd_start": "QuBD,\n% of step 0",
    "bdm_start": "BDM,\n% of step 0",
}
_BLUE: Final = ("#88CCEE", "#332288")  # true labels: without weight decay, with it
_RED: Final = ("#DDAA33", "#AA3355")  # random labels
_PERCENT: Final = ("_self", "_start", "_accuracy")


def over_time(tables: StudyTables, quantities: Sequence[str]) -> pd.DataFrame:
    """Return mean, lowest and highest over seeds per group, step and quantity; ratios and accuracies in percent."""
    keys = [*CONDITIONS, "step"]
    parts = []
    for name in quantities:
        scale = 100.0 if name.endswith(_PERCENT) else 1.0
        values = tables.curves.assign(value=scale * tables.curves[name])
        part = values.groupby(keys, dropna=False)["value"].agg(mean="mean", low="min", high="max", seeds="count")
        parts.append(part.reset_index().assign(quantity=name))
    found = pd.concat(parts, ignore_index=True)
    return found.loc[found["seeds"] > 0].sort_values(
        ["quantity", "parameters", "examples", "labels", "weight_decay", "step"],
        ascending=[True, True, True, False, True, True],  # true labels before random ones
        kind="stable",
        ignore_index=True,
    )


def marked_steps(tables: StudyTables, names: Sequence[str]) -> pd.DataFrame:
    """Return a row per group and landmark: ``step`` and ``mean`` are the median over the seeds that got there.

    ``quantity`` is its name, ``seeds`` how many got there, ``low`` and ``high`` their range; NaN if none did.
    """
    rows = []
    for _, group in landmarks(tables).groupby("group", sort=True):
        same = {key: group.iloc[0][key] for key in CONDITIONS}
        for name in names:
            steps = group[name].dropna().to_numpy(float)
            known = len(steps) > 0
            middle = float(np.median(steps)) if known else np.nan
            spread = {"low": steps.min() if known else np.nan, "high": steps.max() if known else np.nan}
            rows.append(same | spread | {"quantity": name, "step": middle, "mean": middle, "seeds": len(steps)})
    return pd.DataFrame(rows)


def arms_of(table: pd.DataFrame) -> list[Arm]:
    """Return the arms of a table: true labels first, weight decay rising."""
    pairs = {(str(labels), float(decay)) for labels, decay in zip(table["labels"], table["weight_decay"], strict=True)}
    return sorted(pairs, key=lambda arm: (arm[0] != "true", arm[1]))


def arm_label(arm: Arm, arms: Iterable[Arm]) -> str:
    """Return how an arm is called among others: what they share is left out.

    >>> arm_label(("true", 0.01), [("true", 0.0), ("true", 0.01)])
    'weight decay 0.01'
    """
    labels, decay = arm
    everything = list(arms)
    words = f"{labels} labels" if len({each[0] for each in everything}) > 1 else ""
    decays = f"weight decay {decay:g}" if decay else "no weight decay"
    return ", ".join(part for part in (words, decays if len({each[1] for each in everything}) > 1 else "") if part)


def colour_of(arm: Arm) -> str:
    """Return the colour of an arm: blue for true labels, red for random ones; dark with weight decay."""
    labels, decay = arm
    return (_BLUE if labels == "true" else _RED)[decay > 0]


def arm_handles(arms: Sequence[Arm]) -> list[Line2D]:
    """Return a legend handle per arm."""
    return [
        Line2D([], [], color=colour_of(arm), linewidth=1.6, label=arm_label(arm, arms)) for arm in arms if len(arms) > 1
    ]


def line(axes: Axes, rows: pd.DataFrame, colour: str, dashes: Any = SOLID, *, band: bool = True) -> None:
    """Draw the mean over seeds against steps, and the range of the seeds behind it."""
    axes.plot(rows["step"], rows["mean"], color=colour, linestyle=dashes, linewidth=1.1, solid_capstyle="round")
    if band:
        axes.fill_between(rows["step"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)


def mark_step(axes: Axes, step: float, colour: str) -> None:
    """Draw a thin vertical line at a step; nothing for a step that was never reached (NaN)."""
    if np.isfinite(step):
        axes.axvline(step, color=colour, linewidth=0.7, linestyle=DASHED, zorder=0.5)


def step_axis(axes: Axes, last: float) -> None:
    """Make x logarithmic from step 1 on, with step 0 on its left."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.35)
    axes.set_xlim(-0.12, last * 1.08)
    decades = [0.0, *(10.0**power for power in range(int(np.log10(max(last, 1))) + 1))]
    axes.xaxis.set_major_locator(FixedLocator(decades))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value).replace("\N{NO-BREAK SPACE}", "")))
    axes.set_xlabel("training step")


def ends_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the lowest and highest values of rows, of all seeds, float64 ``[2 rows]``."""
    return rows[["low", "high"]].to_numpy(float).ravel()


def percent_axis(axes: Axes, values: np.ndarray) -> None:
    """Give y room for percentages around 100, with a line at 100."""
    low, high = min(float(values.min()), 99.5), max(float(values.max()), 100.2)
    room = 0.06 * (high - low)
    axes.set_ylim(low - room, high + 2 * room)
    axes.axhline(100, color=theme.FAINT, linewidth=0.6, zorder=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y")


def legend(figure: Canvas, handles: list[Line2D], columns: int = 4) -> None:
    """Put a legend of so many columns under all axes."""
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)))


def why_not(tables: StudyTables, study: str, columns: Sequence[str]) -> str | None:
    """Return why a figure of one kind of study cannot be drawn of these tables, None if it can."""
    if tables.study != study:
        return f"this is a study of {tables.study}, the figure is of {study}"
    if tables.curves.empty:
        return "no run has ended well"
    missing = [name for name in columns if name not in tables.curves or not tables.curves[name].notna().any()]
    return f"{', '.join(missing)} was not measured" if missing else None
