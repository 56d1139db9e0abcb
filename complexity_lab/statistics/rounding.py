"""A study of rounding, table to table: what is left of the accuracy, and whether plane profiles knew it before.

Methods of rounding, all per output channel and without data (``quantization.rounding``):

``float``      not rounded
``uniform``    every tensor of two or more axes to the same bits
``suggested``  bits by the planes of each tensor: those that show structure, and ``margin`` more
``flat``       the same as if no plane had shown any: 1 + margin, and the highest bits for tensors too small to tell
``bare``       planes below the threshold and ``margin`` more, without asking whether chance put them there
``by_error``   as many bits in all as ``suggested``, spent where the rounding error of the weights falls most

Losses are in percentage points of accuracy, a network's own float accuracy less that of its rounded weights.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
Part = Literal["validation", "test"]
TOLERANCE: Final = 1.0  # percentage points that may be lost
_ROUNDING: Final = 1e-9  # of a difference of two percentages
LOST: Final[dict[Part, str]] = {"validation": d.VALIDATION_LOST, "test": d.TEST_LOST}
_ACCURACY: Final[dict[Part, str]] = {"validation": c.VALIDATION_ACCURACY, "test": c.TEST_ACCURACY}
NETWORK: Final = [c.ARCHITECTURE, c.FAMILY, c.PARAMETERS]
ROUNDED: Final = [c.METHOD, c.REFERENCE, c.MARGIN, c.BITS]
OTHERS: Final = ("flat", "bare", "by_error")

MEAN_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(NETWORK, "of the network"),
    **dict.fromkeys(ROUNDED, "how it was rounded"),
    d.SEEDS: "networks",
    c.MEAN_BITS: "mean over the rounded weights and seeds",
    d.VALIDATION_LOST: "mean over seeds; percentage points",
    d.TEST_LOST: "mean over seeds; percentage points",
    c.TEST_ACCURACY: "mean over seeds; percent",
    d.TEST_LOW: "lowest of the seeds; percent",
    d.TEST_HIGH: "highest of the seeds; percent",
}
PREDICTION_COLUMNS: Final[dict[str, str]] = {
    c.REFERENCE: "of the suggestion",
    c.MARGIN: "planes kept below the structure",
    **dict.fromkeys(NETWORK, "of the network"),
    d.SEEDS: "networks",
    d.SUGGESTED_BITS: "mean bits of a weight, mean over seeds",
    d.SUGGESTED_LOW: "lowest of the seeds",
    d.SUGGESTED_HIGH: "highest of the seeds",
    d.NEED: "fewest uniform bits from which on no more than TOLERANCE is lost on test images, mean over seeds",
    d.NEED_LOW: "lowest of the seeds",
    d.NEED_HIGH: "highest of the seeds",
    d.LOST: "by the suggestion, mean over seeds; percentage points of test accuracy",
    d.COVERED_PERCENT: "of the weights are in tensors whose planes suggest something",
}


def losses(networks: pd.DataFrame, roundings: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of networks that ended well, with ``validation_lost`` and ``test_lost``: percentage points."""
    ok = roundings.loc[roundings[c.MODEL].isin(networks.loc[networks[c.STATUS] == "ok", c.MODEL])]
    floats = ok.loc[ok[c.METHOD] == "float"].set_index(c.MODEL)
    lost = {
        LOST[part]: 100 * (ok[c.MODEL].map(floats[accuracy]).astype(float) - ok[accuracy])
        for part, accuracy in _ACCURACY.items()
    }
    return ok.assign(**lost).reset_index(drop=True)


def means_over_seeds(lost: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network and way of rounding, columns MEAN_COLUMNS.

    Args:
        lost: what :func:`losses` returned, as for all functions here.
    """
    means = lost.groupby([*NETWORK, *ROUNDED], dropna=False, sort=False).agg(
        **{
            d.SEEDS: (c.SEED, "nunique"),
            **{name: (name, "mean") for name in (c.MEAN_BITS, *LOST.values())},
            d.TEST_LOW: (c.TEST_ACCURACY, "min"),
            d.TEST_HIGH: (c.TEST_ACCURACY, "max"),
            c.TEST_ACCURACY: (c.TEST_ACCURACY, "mean"),
        }
    )
    means[[c.TEST_ACCURACY, d.TEST_LOW, d.TEST_HIGH]] *= 100
    return means.reset_index()[list(MEAN_COLUMNS)]


def margin_by_validation(means: pd.DataFrame, reference: str) -> int:
    """Return the least margin at which no network loses more than TOLERANCE on validation images, mean over seeds.

    The largest margin of the study if there is none.
    """
    rows = means.loc[(means[c.METHOD] == "suggested") & (means[c.REFERENCE] == reference)]
    worst = rows.groupby(c.MARGIN)[d.VALIDATION_LOST].max()
    enough = worst.index[worst <= TOLERANCE + _ROUNDING]
    return int(enough.min() if len(enough) else rows[c.MARGIN].max())


def needs(lost: pd.DataFrame, part: Part = "test") -> pd.DataFrame:
    """Return ``model architecture seed need``: the fewest uniform bits from which on no more than TOLERANCE is lost.

    ``need`` is one above the most bits tried where even those lose more.
    """
    uniform = lost.loc[lost[c.METHOD] == "uniform"].sort_values(c.BITS, kind="stable")
    keys = [c.MODEL, c.ARCHITECTURE, c.SEED]
    found = uniform.groupby(keys, sort=False)[LOST[part]].agg(lambda values: fewest_enough(values.to_numpy(float)))
    return found.rename(d.NEED).reset_index()


def fewest_enough(lost: Floats) -> int:
    """Return from which number of bits on, 1 first, no loss exceeds TOLERANCE.

    >>> fewest_enough(np.array([40.0, 0.5, 1.2, 0.0, 0.1])), fewest_enough(np.array([9.0, 9.0]))
    (4, 3)
    """
    (too_many,) = (lost > TOLERANCE + _ROUNDING).nonzero()
    return int(too_many[-1]) + 2 if len(too_many) else 1


def predictions(lost: pd.DataFrame) -> pd.DataFrame:
    """Return a row per reference, margin and network: suggested and needed bits, columns PREDICTION_COLUMNS."""
    rows = lost.loc[lost[c.METHOD] == "suggested"].merge(needs(lost)[[c.MODEL, d.NEED]], on=c.MODEL)
    covered = 100 * rows[c.SUGGESTED_WEIGHTS].astype(float) / rows[c.WEIGHTS].astype(float)
    groups = rows.assign(**{d.COVERED_PERCENT: covered}).groupby([c.REFERENCE, c.MARGIN, *NETWORK], sort=False)
    table = groups.agg(
        **{
            d.SEEDS: (c.SEED, "nunique"),
            d.SUGGESTED_BITS: (c.MEAN_BITS, "mean"),
            d.SUGGESTED_LOW: (c.MEAN_BITS, "min"),
            d.SUGGESTED_HIGH: (c.MEAN_BITS, "max"),
            d.NEED_LOW: (d.NEED, "min"),
            d.NEED_HIGH: (d.NEED, "max"),
            d.NEED: (d.NEED, "mean"),
            d.LOST: (d.TEST_LOST, "mean"),
            d.COVERED_PERCENT: (d.COVERED_PERCENT, "mean"),
        }
    )
    return table.reset_index()[list(PREDICTION_COLUMNS)]


def comparisons(means: pd.DataFrame) -> pd.DataFrame:
    """Return per reference, margin, other method and network what the suggestion loses, and takes, more than it.

    Columns ``reference margin other architecture``, ``validation_lost`` and ``test_lost`` (percentage points, the
    suggestion's loss less that of the other) and ``mean_bits`` (the suggestion's less the other's).

    Args:
        means: what :func:`means_over_seeds` returned.
    """
    keys, numbers = [c.REFERENCE, c.MARGIN, c.ARCHITECTURE], [*LOST.values(), c.MEAN_BITS]
    ours = means.loc[means[c.METHOD] == "suggested", [*keys, *numbers]]
    theirs = means.loc[means[c.METHOD].isin(OTHERS), [*keys, c.METHOD, *numbers]]
    both = ours.merge(theirs, on=keys, suffixes=("", "_other"))
    less = {name: both[name] - both[f"{name}_other"] for name in numbers}
    return both.rename(columns={c.METHOD: d.OTHER}).assign(**less)[
        [c.REFERENCE, c.MARGIN, d.OTHER, c.ARCHITECTURE, *numbers]
    ]


def model_profiles(layers: pd.DataFrame) -> pd.DataFrame:
    """Return ``architecture reference plane percent``: the planes of whole networks against each reference.

    Planes count from 0, the least significant. A network's profile is the sum over its scored tensors and seeds, and so
    is its reference's.

    Args:
        layers: the table of rounded layers.
    """
    scored = layers.loc[layers[c.PROFILE].notna() & layers[c.PERCENT].notna()]
    rows = []
    for (network, reference), group in scored.groupby([c.ARCHITECTURE, c.REFERENCE], sort=False):
        profiles, percents = (np.stack(group[name].to_list()) for name in (c.PROFILE, c.PERCENT))
        whole = 100 * profiles.sum(axis=0) / (100 * profiles / percents).sum(axis=0)
        rows += [(network, reference, plane, value) for plane, value in enumerate(whole)]
    return pd.DataFrame(rows, columns=[c.ARCHITECTURE, c.REFERENCE, c.PLANE, d.PERCENT])
