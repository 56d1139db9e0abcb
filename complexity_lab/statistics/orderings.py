"""The orderings of methods that the MoMos paper reports, as differences of accuracy with their standard errors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

Ordering = Literal["capacity", "capacity, ends", "block size", "bits"]
ORDERING_COLUMNS: Final[dict[str, str]] = {
    c.DATASET: "trained on",
    c.ARCHITECTURE: "network",
    d.ORDERING: "what first has more of: capacity (to the next lower), capacity, ends (highest to lowest), "
    "block size (s = 2 first, s = 4 second, at the lowest capacity), bits (QAT 8 first, QAT 4 second)",
    c.S: "values in a block; missing for bits and block size",
    d.FIRST: "method that the paper has higher",
    d.SECOND: "method that the paper has lower",
    d.ACCURACY: "of first, mean over seeds; percent",
    d.DIFFERENCE: "accuracy of first less that of second; percentage points",
    d.STANDARD_ERROR: "of the difference: sqrt((sd^2 + sd^2) / n); percentage points; NaN below two seeds",
    d.N: "seeds of the method that has fewer",
    d.GUESSING: "accuracy of guessing; percent",
}


def orderings(means: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair of methods that the paper orders and that was trained, columns ORDERING_COLUMNS.

    Args:
        means: what :func:`complexity_lab.statistics.training.means_over_seeds` returned.
    """
    known = means.loc[means[d.ACCURACY].notna()]
    rows = [row for _, network in known.groupby(c.ARCHITECTURE, sort=False) for row in _of_network(network)]
    return pd.DataFrame(rows, columns=list(ORDERING_COLUMNS)).astype({c.S: "Int64"})


def _of_network(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    motifs = rows.loc[rows[c.METHOD_KIND] == "momos"]
    for _, group in motifs.groupby(c.S):
        ordered = [row for _, row in group.sort_values(c.CAPACITY, ascending=False).iterrows()]
        for higher, lower in pairwise(ordered):
            yield _pair("capacity", higher, lower) | {c.S: higher[c.S]}
        if len(ordered) > 2:
            yield _pair("capacity, ends", ordered[0], ordered[-1]) | {c.S: ordered[0][c.S]}
    lowest = motifs.loc[motifs[c.CAPACITY] == motifs[c.CAPACITY].min()]
    yield from _first_two("block size", lowest, c.S, 2, 4)
    yield from _first_two("bits", rows.loc[rows[c.METHOD_KIND] == "qat"], c.BITS, 8, 4)


def _first_two(
    ordering: Ordering, rows: pd.DataFrame, column: str, first: int, second: int
) -> Iterator[dict[str, object]]:
    higher, lower = (rows.loc[rows[column] == value] for value in (first, second))
    if len(higher) and len(lower):
        yield _pair(ordering, higher.iloc[0], lower.iloc[0])


def _pair(ordering: Ordering, higher: pd.Series, lower: pd.Series) -> dict[str, object]:
    seeds = min(int(higher[d.SEEDS]), int(lower[d.SEEDS]))
    spread = np.hypot(higher[d.ACCURACY_SD], lower[d.ACCURACY_SD])
    return {
        **{name: higher[name] for name in (c.DATASET, c.ARCHITECTURE, d.ACCURACY)},
        **{d.ORDERING: ordering, d.FIRST: higher[c.METHOD], d.SECOND: lower[c.METHOD], d.N: seeds},
        d.DIFFERENCE: higher[d.ACCURACY] - lower[d.ACCURACY],
        d.STANDARD_ERROR: spread / np.sqrt(seeds) if seeds > 1 else np.nan,
        d.GUESSING: 100 / higher[c.CLASSES],
    }
