"""What runs are trained under, and the means over seeds that figures draw: one line per condition and quantity.

A prepared table is long: ``quantity`` names the column of ``ratios`` or of the curves that was averaged (``ratio`` and
``ratio_shuffled`` in percent, with their ``metric`` and ``plane``; losses; accuracies in percent).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex

from complexity_lab.figures import theme
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.learning import CONDITIONS
from complexity_lab.statistics.losses import ACCURACIES
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.tables import columns as c

QUANTITY: Final = "quantity"
LINE: Final = "line"
RATIOS: Final = (d.RATIO_SHUFFLED, d.RATIO)
SPREAD: Final = [d.MEAN, d.LOW, d.HIGH, d.SEEDS]
IN_PERCENT: Final = (*RATIOS, *ACCURACIES, c.TEST_ACCURACY_FINAL)
SHUFFLED: Final = "its shuffled self"
_HUES: Final = {  # without and with weight decay, the same in sibling studies
    "true": ("#88CCEE", "#332288"),
    "random": ("#DDAA33", "#AA3355"),
    "": ("#88CCEE", "#332288"),
}


class Number(NamedTuple):
    """A number of whole networks: a column, and of ratios the metric."""

    quantity: str
    metric: str = ""


class Condition(NamedTuple):
    """What runs of one group are trained on and with."""

    examples: float
    labels: str
    weight_decay: float


def over_steps(results: StepResults, numbers: Sequence[Number]) -> pd.DataFrame:
    """Return mean, lowest and highest over seeds per group, step and number; true labels before random ones."""
    parts = []
    for number in numbers:
        rows = whole(results.ratios, number.metric) if number.metric else results.losses
        parts.append(
            over_seeds(rows, number.quantity, [c.STEP]).assign(**{QUANTITY: number.quantity, c.METRIC: number.metric})
        )
    # medians of landmarks, which join them, may lie between two steps
    return in_order(pd.concat(parts, ignore_index=True).astype({c.STEP: float}))


def over_seeds(rows: pd.DataFrame, quantity: str, keys: Sequence[str]) -> pd.DataFrame:
    """Return mean, lowest, highest and number of seeds of a column per group and keys; rows that have none left out."""
    scale = 100.0 if quantity in IN_PERCENT else 1.0
    values = rows.assign(**{d.MEAN: scale * rows[quantity].astype(float)})
    found = (
        values.groupby([*CONDITIONS, *keys], dropna=False)[d.MEAN].agg([d.MEAN, "min", "max", "count"]).reset_index()
    )
    found = found.rename(columns={"min": d.LOW, "max": d.HIGH, "count": d.SEEDS})
    return found.loc[found[d.SEEDS] > 0]


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows by quantity, network, training set and condition, true labels first, then by step."""
    keys = [QUANTITY, c.METRIC, c.PARAMETERS, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY, c.STEP]
    known = [key for key in keys if key in table]
    ascending = [key != c.LABELS for key in known]
    return table.sort_values(known, ascending=ascending, kind="stable", ignore_index=True)


def whole(ratios: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of one metric of whole networks, planes left out."""
    return ratios.loc[(ratios[c.METRIC] == metric) & ratios[c.PLANE].isna()]


def landmark_steps(results: StepResults, names: Sequence[str]) -> pd.DataFrame:
    """Return a row per group and landmark: step and mean are the median over the seeds that reached it.

    ``quantity`` is its name, ``seeds`` how many reached it, ``low`` and ``high`` their range; NaN if none did. What is
    said of complexity is said of QuBD.
    """
    own = results.landmarks.loc[results.landmarks[c.METRIC] == PLANE_METRIC]
    rows = []
    for _, group in own.groupby(c.GROUP, sort=True):
        for name in names:
            steps = group[name].dropna().to_numpy(float)
            middle, low, high = np.quantile(steps, [0.5, 0.0, 1.0]) if len(steps) else [np.nan] * 3
            about = {key: group.iloc[0][key] for key in CONDITIONS} | {QUANTITY: name, c.METRIC: ""}
            rows.append(about | {c.STEP: middle, d.MEAN: middle, d.LOW: low, d.HIGH: high, d.SEEDS: len(steps)})
    return pd.DataFrame(rows, columns=[*CONDITIONS, QUANTITY, c.METRIC, c.STEP, *SPREAD]).astype({c.STEP: float})


def condition_of(row: pd.Series) -> Condition:
    """Return the condition of a row that has columns CONDITIONS; missing labels are empty, missing numbers NaN."""
    labels = "" if pd.isna(row[c.LABELS]) else str(row[c.LABELS])
    examples, decay = (np.nan if pd.isna(row[name]) else float(row[name]) for name in (c.EXAMPLES, c.WEIGHT_DECAY))
    return Condition(examples, labels, decay)


def conditions_of(table: pd.DataFrame) -> list[Condition]:
    """Return the conditions of a table: true labels first, then by weight decay and training set."""
    rows = table[[c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY]].drop_duplicates()
    found = dict.fromkeys(condition_of(row) for _, row in rows.iterrows())
    return sorted(found, key=lambda it: (it.labels != "true", it.labels, it.weight_decay, it.examples))


def label_of(condition: Condition, among: Iterable[Condition], *, examples: bool = False) -> str:
    """Return what a condition is called among others: what they share is left out; "all runs" if nothing differs.

    >>> two = [Condition(100, "true", 0.0), Condition(100, "true", 0.01)]
    >>> label_of(two[1], two), label_of(two[0], two[:1])
    ('weight decay 0.01', 'all runs')
    """
    every = list(among)
    words = []
    if examples and len({it.examples for it in every}) > 1:
        words.append(f"{condition.examples:,.0f} examples")
    if len({it.labels for it in every}) > 1:
        words.append(f"{condition.labels or 'unknown'} labels")
    if len({it.weight_decay for it in every}) > 1:
        words.append(f"weight decay {condition.weight_decay:g}" if condition.weight_decay else "no weight decay")
    return ", ".join(words) or "all runs"


def with_lines(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column ``line``: the label of each row's condition."""
    every = conditions_of(table)
    return table.assign(**{LINE: [label_of(condition_of(row), every) for _, row in table.iterrows()]})


def line_colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour per line of :func:`with_lines`: blue of true labels, red of random ones, dark the most decay."""
    every = conditions_of(table)
    decays = sorted({it.weight_decay for it in every})
    found = {}
    for it in every:
        rank = decays.index(it.weight_decay) / (len(decays) - 1) if len(decays) > 1 else 1.0
        hues = _HUES.get(it.labels, (theme.FAINT, theme.INK))
        found[label_of(it, every)] = to_hex(LinearSegmentedColormap.from_list("decay", hues)(rank))
    return found


def seeds_of(table: pd.DataFrame) -> str:
    """Return of how many seeds the means are, for a sentence.

    >>> seeds_of(pd.DataFrame({"seeds": [3, 2]}))
    'means of 3 seeds, bands from the lowest to the highest'
    """
    most = int(table[d.SEEDS].max())
    return f"means of {most} seeds, bands from the lowest to the highest" if most > 1 else "of 1 seed"


def why_not(results: StepResults, study: str, numbers: Sequence[Number]) -> str | None:
    """Return why a figure of one kind of study cannot be drawn of these results, None if it can."""
    asked = str(results.plan.get("study", "")) or "no kind that has this figure"
    if asked != study:
        return f"this is a study of {asked}, the figure is of {study}"
    return missing(results, numbers)


def missing(results: StepResults, numbers: Sequence[Number]) -> str | None:
    """Return which numbers no run has, None if all are there."""
    if results.ratios.empty:
        return "no run has ended well"
    for number in numbers:
        rows = whole(results.ratios, number.metric) if number.metric else results.losses
        if not rows[number.quantity].notna().any():
            return f"{' of '.join(part for part in number if part)} was not measured"
    return None
