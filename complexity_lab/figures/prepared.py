"""Columns that prepared tables of figures have besides those of statistics, and how they come about."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

CHANGE_PERCENT: Final = "change_percent"  # 100 (ratio - 1): below zero is simpler
SD_PERCENT: Final = "sd_percent"  # its spread over seeds, percentage points
WITHIN_NOISE: Final = "within_noise"  # the change is below two standard deviations over seeds
SHOWN_PERCENT: Final = "shown_percent"  # the change, 0 within noise: what a colour shows
EFFECT_PERCENT: Final = "effect_percent"  # size of the change
NULL_PERCENT: Final = "null_percent"  # size of the change that the share of ones would make
NOISE_PERCENT: Final = "noise_percent"  # standard deviation of the ratio over seeds
DROP_PERCENT: Final = "drop_percent"
RANK: Final = "rank"  # of the model, the first shown has the lowest
LAYER: Final = "layer"  # position of a tensor among those of its model that are shown, from 0
LAYER_TYPE: Final = "layer_type"
TOTAL: Final = "total"  # of the whole model
CONSTANT_LAYERS: Final = "constant_layers"


def compared(ratios: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """Return the rows of ``ratios`` that have a ratio, planes left out, of one metric or of all."""
    known = ratios[d.RATIO].notna() & ratios[c.PLANE].isna()
    return ratios.loc[known if metric is None else known & (ratios[c.METRIC] == metric)]


def with_noise(table: pd.DataFrame, sd: str) -> pd.DataFrame:
    """Return a table that has CHANGE_PERCENT with WITHIN_NOISE and SHOWN_PERCENT; ``sd`` in percentage points."""
    quiet = table[CHANGE_PERCENT].abs() < 2 * table[sd]
    return table.assign(**{WITHIN_NOISE: quiet, SHOWN_PERCENT: table[CHANGE_PERCENT].where(~quiet, 0.0)})


def with_order(table: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return a table of tensors with ``order``: what order the tensors of each model come in; null if unknown."""
    tensors = measurements.loc[measurements[c.SCOPE] == "tensor"]
    return table.assign(**{c.ORDER: table[c.MODEL].map(tensors.groupby(c.MODEL)[c.ORDER].first()).astype("str")})


def ranked(table: pd.DataFrame, models: list[str]) -> pd.Series[float]:
    """Return the place of each row's model in a list of models, NaN if it is not in it."""
    return table[c.MODEL].map({model: rank for rank, model in enumerate(models)})


def examples(totals: pd.Series[float], most: int) -> list[str]:
    """Return at most so many models, lowest total first: all if they fit, else the ends and even steps between.

    >>> examples(pd.Series({"b": 2.0, "a": 1.0, "d": 4.0, "c": 3.0}), 2)
    ['a', 'd']
    """
    lowest_first = totals.dropna().sort_index().sort_values(kind="stable").index.astype(str).tolist()
    if len(lowest_first) <= most:
        return lowest_first
    return [lowest_first[round(position)] for position in np.linspace(0, len(lowest_first) - 1, most)]
