"""Training experiments, table to table: runs to means over seeds, next to the numbers that the MoMos paper prints."""

from __future__ import annotations

from math import floor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

PUBLISHED: Final = Path(__file__).with_name("momos_published.csv")
KEYS: Final = [c.ARCHITECTURE, c.METHOD_KIND, c.BITS, c.S, c.CAPACITY]
"""What a number of the paper's tables is of."""

BDM: Final = "bdm"
PAPER_ORDER: Final = ("mlp", "mlp5", "resnet20", "tiny_vit_5m", "mobilevit_xxs")
KIND_ORDER: Final = ("baseline", "qat", "momos", "momos+qat")
NAMES_IN_PAPER: Final = {"tiny_vit_5m": "tiny_vit"}  # ours to the paper's, where they differ
PAPER_RECIPE: Final[dict[str, dict[str, float]]] = {
    c.LEARNING_RATE: {"mlp": 3e-4, "resnet20": 0.1, "tiny_vit_5m": 3e-4, "mobilevit_xxs": 3e-4},
    c.BATCH_SIZE: dict.fromkeys(("mlp", "resnet20", "tiny_vit_5m", "mobilevit_xxs"), 128),
    c.EPOCHS_PLANNED: dict.fromkeys(("mlp", "resnet20", "tiny_vit_5m", "mobilevit_xxs"), 200),
    c.IMAGE_SIZE: {"mlp": 32, "resnet20": 32, "tiny_vit_5m": 224, "mobilevit_xxs": 224},
}
"""As the paper's program has them by default."""

PAPER_PARAMETERS: Final = {"mlp": 986_634, "resnet20": 269_722, "tiny_vit": 5_392_764, "mobilevit_xxs": 954_234}
_AVERAGED: Final = {
    d.ACCURACY: (c.TEST_ACCURACY_FINAL, 100),
    d.ACCURACY_BEST: (c.TEST_ACCURACY_BEST, 100),
    c.RAC: (c.RAC, 1),
    d.BDM_RATIO: (d.BDM_RATIO, 1),
    c.DISTORTION: (c.DISTORTION_FINAL, 1),
    c.EPOCHS: (c.EPOCHS, 1),
    c.SECONDS: (c.SECONDS, 1),
}
"""Means: the column of the runs each is of, and what it is multiplied by."""

_PRINTED: Final = {
    "accuracy_percent": d.ACCURACY_PRINTED,
    "accuracy_sd": d.ACCURACY_SD_PRINTED,
    "rac": d.RAC_PRINTED,
    "bdm_ratio": d.BDM_RATIO_PRINTED,
}
METHOD_COLUMNS: Final = [c.MODEL, c.DATASET, c.ARCHITECTURE, c.METHOD, *KEYS[1:], c.SEED]


def sd_of(column: str) -> str:
    """Return the column that holds the sample sd of a mean over seeds."""
    return f"{column}_sd"


def with_methods(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of runs that ended well, with METHOD_COLUMNS of their run."""
    ok = runs.loc[runs[c.STATUS] == "ok", METHOD_COLUMNS]
    return curves.drop(columns=c.SEED).merge(ok, on=c.MODEL, how="inner")


def means_over_seeds(runs: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network and method: mean and sd over seeds of accuracy, RAC, BDM ratio and more.

    Accuracies are in percent, the final one also with its range; ``bdm_ratio`` is that of the last to the first step;
    ``seeds`` counts runs that ended well, ``failed`` those that did not. Networks in the order of the paper's table,
    others by name; baseline first, then bits, block size and capacity descending.

    Args:
        runs: the table of runs.
        ratios: what :func:`complexity_lab.statistics.trajectory.ratios` returned.
    """
    bdm = ratios.loc[(ratios[c.METRIC] == BDM) & ratios[c.PLANE].isna()].drop_duplicates(c.MODEL, keep="last")
    table = runs.assign(**{d.BDM_RATIO: runs[c.MODEL].map(bdm.set_index(c.MODEL)[d.RATIO])})
    rows = [_means(group) for _, group in table.groupby([c.ARCHITECTURE, c.METHOD], sort=False)]
    whole = dict.fromkeys((c.BITS, c.S, c.CLASSES), "Int64")
    means = pd.DataFrame(rows, columns=list(_means(table))).astype(whole | {c.CAPACITY: float})
    return _in_order(means)


def _means(group: pd.DataFrame) -> dict[str, Any]:
    first = [c.DATASET, *KEYS, c.METHOD, c.CLASSES]
    ok = group.loc[group[c.STATUS] == "ok"]
    row: dict[str, Any] = {name: group[name].iloc[0] if len(group) else None for name in first}
    row |= {d.SEEDS: len(ok), d.FAILED: len(group) - len(ok)}
    for name, (column, scale) in _AVERAGED.items():
        values = scale * ok[column].astype(float)
        row |= {name: values.mean(), sd_of(name): values.std(ddof=1)}
        if name == d.ACCURACY:
            row |= {d.ACCURACY_LOW: values.min(), d.ACCURACY_HIGH: values.max()}
    return row


def _in_order(means: pd.DataFrame) -> pd.DataFrame:
    others = sorted(set(means[c.ARCHITECTURE]) - set(PAPER_ORDER))
    ranks = {name: rank for rank, name in enumerate((*PAPER_ORDER, *others))}
    keys = pd.DataFrame(
        {
            "network": means[c.ARCHITECTURE].map(ranks),
            "kind": means[c.METHOD_KIND].map({kind: rank for rank, kind in enumerate(KIND_ORDER)}),
            "bits": -means[c.BITS].astype(float),
            "s": means[c.S].astype(float).fillna(0),
            "capacity": -means[c.CAPACITY].fillna(0),
        }
    )
    return means.loc[keys.sort_values(list(keys.columns), kind="stable").index].reset_index(drop=True)


def published() -> pd.DataFrame:
    """Return the numbers printed in Tables 1 and 2 of arXiv 2602.14896: accuracy in percent with sd, RAC, BDM ratio."""
    table = pd.read_csv(PUBLISHED)
    table = table.rename(columns={"model": c.ARCHITECTURE, "method": c.METHOD_KIND, "block_size": c.S, **_PRINTED})
    ours = {paper: name for name, paper in NAMES_IN_PAPER.items()}
    return table.assign(**{c.ARCHITECTURE: table[c.ARCHITECTURE].replace(ours)})


def with_published(means: pd.DataFrame) -> pd.DataFrame:
    """Return our means with the printed values in columns that end in ``_printed``; missing where nothing is printed.

    ``rac_formula`` is what the paper's formula gives for the paper's own parameter count, to tell a printed value that
    does not follow from it.
    """
    # missing keys must meet: pandas joins NaN with NaN only as numbers of one type
    numbers = dict.fromkeys((c.BITS, c.S, c.CAPACITY), float)
    printed = published()[[*KEYS, *_PRINTED.values()]].astype(numbers)
    joined = means.astype(numbers).merge(printed, on=KEYS, how="left")
    formula = [_rac_of_paper(*key) for key in joined[[c.ARCHITECTURE, c.BITS, c.S, c.CAPACITY]].itertuples(index=False)]
    return joined.assign(**{d.RAC_FORMULA: formula}).astype({c.BITS: "Int64", c.S: "Int64"})


def _rac_of_paper(network: str, bits: float, s: float, capacity: float) -> float:
    """Return RAC by the paper's formula at the paper's parameter count; NaN for networks that it does not have."""
    if np.isnan(s):
        return 32 / bits
    n = PAPER_PARAMETERS.get(NAMES_IN_PAPER.get(network, network))
    if n is None or np.isnan(capacity):
        return float("nan")
    m = -(-n // int(s))
    k = max(1, floor(capacity * m))
    return n * bits / (k * s * bits + m * (k - 1).bit_length())


def same_when_printed(ours: float, printed: float, decimals: int) -> bool:
    """Tell whether a value is the printed one, rounded to as many decimals."""
    return bool(abs(ours - printed) <= 0.5 * 10**-decimals + 1e-9)
