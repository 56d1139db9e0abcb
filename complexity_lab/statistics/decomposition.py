"""Every drop in parts: what the lowest moments explain, what the values explain, and what only arrangement can.

Each null model keeps less of the trained weights than the next, and the parts are the steps between them::

    sign bits (bdm, bdm_2d)   initial -> iid bits, same share of ones -> values permuted in each tensor -> trained
                                  sign bias                value distribution                  arrangement
    bit planes (qubd, ...)    initial -> normal, same mean and sd     -> values permuted in each tensor -> trained
                                  location and scale       value distribution                  arrangement

For sign bits the value distribution is that each tensor has its own share of ones (norms start at one, biases at zero).
For bit planes it is the shape of each tensor's distribution. Where the middle null was not stored, its two parts are
one, told apart no further: ``parts`` names what there is.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import null_values
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.tables import columns as c
from complexity_lab.tables.rows import Statistic

Floats = npt.NDArray[np.float64]
THREE: Final = "three parts"
ARRANGEMENT_HOLDS_DISTRIBUTION: Final = "arrangement holds value distribution"
DISTRIBUTION_HOLDS_FIRST: Final = "value distribution holds sign bias, or location and scale"
PARTS: Final = (d.SIGN_BIAS, d.LOCATION_SCALE, d.DISTRIBUTION, d.ARRANGEMENT)


def share_of(part: str) -> str:
    """Return the column that holds a part as a share of the drop."""
    return f"{part}_share"


def percent_of(part: str) -> str:
    """Return the column that holds a part in percent of the initial mean."""
    return f"{part}_percent"


DECOMPOSITION_COLUMNS: dict[str, str] = {
    c.MODEL: "id of the model",
    c.FAMILY: "family of architectures",
    c.PARAMETERS: "trainable parameters",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    d.INITIAL_MEAN: "mean over initial seeds; bits",
    d.TRAINED_MEAN: "mean over trained seeds; bits",
    d.IID_MEAN: "expected BDM of independent bits with the trained share of ones; bits",
    d.GAUSSIAN_MEAN: "mean of normal draws with each trained tensor's mean and sd; bits",
    d.SHUFFLE_MEAN: "mean of the trained weights with each tensor's values permuted; bits",
    d.DROP: "initial mean - trained mean; bits",
    d.PARTS: "three parts, or which part holds another one because a null model was not stored",
    d.SIGN_BIAS: "initial mean - iid mean; bits; NaN for bit planes",
    d.LOCATION_SCALE: "initial mean - gaussian mean; bits; NaN for sign bits",
    d.DISTRIBUTION: "(iid or gaussian mean) - shuffle mean; bits; NaN if arrangement holds it",
    d.ARRANGEMENT: "shuffle mean - trained mean; bits; (iid or gaussian mean) - trained mean without shuffles",
    **{
        share_of(part): f"{part} / drop; NaN if there is no drop, can leave 0..1 if the parts oppose each other"
        for part in PARTS
    },
    **{percent_of(part): f"{part} in percent of the initial mean" for part in PARTS},
    d.BELOW_NULL: "(iid or gaussian mean) - trained mean: value distribution and arrangement together; bits",
    d.NULL_SHIFT: "(iid or gaussian mean) of the initial weights - that of the trained ones; bits",
    d.GAINED: "drop - null_shift: how much further trained weights are below that null than initial ones; bits",
    d.GAINED_DISTRIBUTION: "how much further trained shuffles are below that null than initial ones; bits",
    d.GAINED_ARRANGEMENT: "how much further trained weights are below their shuffles than initial ones; bits; "
    "below their iid or gaussian null if no shuffles are stored of both states",
    d.Z_NULL: "(trained mean - iid or gaussian mean) / its sd: distance in sd of that null",
    d.Z_SHUFFLE: "(trained mean - shuffle mean) / shuffle sd: distance in sd of shuffled weights",
}


def decompose(ratios: pd.DataFrame) -> pd.DataFrame:
    """Split ``initial - trained``: one row per row of ``ratios`` that has a null model, columns DECOMPOSITION_COLUMNS.

    The parts that are there add up to the drop. What initial weights already lack against their null (constant norms
    and biases against fair bits, uniform against normal values) is part of sign bias, or of location and scale, which
    can therefore be negative. Shares are NaN where nothing dropped.

    A second split of the same drop keeps that out: ``null_shift + gained_distribution + gained_arrangement``, where
    each state is held against its own null models; NaN where those of the initial weights are not stored.

    Args:
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
    """
    levels = _Levels(ratios)
    initial, trained, first, shuffle = levels.initial, levels.trained, levels.first, levels.shuffle
    drop = initial - trained
    no_first, no_shuffle = np.isnan(first), np.isnan(shuffle)
    names = np.select([no_shuffle, no_first], [ARRANGEMENT_HOLDS_DISTRIBUTION, DISTRIBUTION_HOLDS_FIRST], THREE)
    parts = {
        d.SIGN_BIAS: np.where(levels.planes, np.nan, initial - first),
        d.LOCATION_SCALE: np.where(levels.planes, initial - first, np.nan),
        d.DISTRIBUTION: np.where(no_first, initial, first) - shuffle,
        d.ARRANGEMENT: np.where(no_shuffle, first, shuffle) - trained,
    }
    positive = np.where(drop > 0, drop, np.nan)
    table = ratios.assign(
        **{d.IID_MEAN: levels.iid, d.GAUSSIAN_MEAN: levels.gaussian, d.SHUFFLE_MEAN: shuffle},
        **{d.DROP: drop, d.PARTS: pd.array(names, dtype="str"), **parts},
        **{share_of(part): values / positive for part, values in parts.items()},
        **{percent_of(part): 100 * values / np.where(initial > 0, initial, np.nan) for part, values in parts.items()},
        **_second_split(levels),
        **{
            d.Z_NULL: _distance(trained, first, levels.first_sd),
            d.Z_SHUFFLE: _distance(trained, shuffle, levels.shuffle_sd),
        },
    )
    return table.loc[~(no_first & no_shuffle), list(DECOMPOSITION_COLUMNS)].reset_index(drop=True)


class _Levels:
    """The numbers that the parts are steps between; the first null is normal draws for bit planes, else iid bits."""

    def __init__(self, ratios: pd.DataFrame) -> None:
        def null(name: str, statistic: Statistic, *, initial: bool = False) -> Floats:
            return np.asarray(null_values(ratios, name, statistic, initial=initial), dtype=np.float64)

        self.planes = (ratios[c.METRIC] == PLANE_METRIC).to_numpy(bool)
        self.initial, self.trained = ratios[d.INITIAL_MEAN].to_numpy(float), ratios[d.TRAINED_MEAN].to_numpy(float)
        self.iid, self.gaussian = null("iid", "mean"), null("gaussian", "mean")
        self.first = np.where(self.planes, self.gaussian, self.iid)
        self.first_sd = np.where(self.planes, null("gaussian", "sd"), null("iid", "sd"))
        self.first_initial = np.where(
            self.planes, null("gaussian", "mean", initial=True), null("iid", "mean", initial=True)
        )
        self.shuffle, self.shuffle_sd = null("shuffle", "mean"), null("shuffle", "sd")
        self.shuffle_initial = null("shuffle", "mean", initial=True)


def _second_split(levels: _Levels) -> dict[str, Floats]:
    """Return the parts of the same drop with each state held against its own nulls."""
    first, shuffle, first_0, shuffle_0 = levels.first, levels.shuffle, levels.first_initial, levels.shuffle_initial
    merged = np.isnan(shuffle) | np.isnan(shuffle_0)
    last, last_0 = np.where(merged, first, shuffle), np.where(merged, first_0, shuffle_0)
    return {
        d.BELOW_NULL: first - levels.trained,
        d.NULL_SHIFT: first_0 - first,
        d.GAINED: (first - levels.trained) - (first_0 - levels.initial),
        d.GAINED_DISTRIBUTION: (first - shuffle) - (first_0 - shuffle_0),
        d.GAINED_ARRANGEMENT: (last - levels.trained) - (last_0 - levels.initial),
    }


def _distance(trained: Floats, mean: Floats, sd: Floats) -> Floats:
    return np.asarray((trained - mean) / np.where(sd > 0, sd, np.nan), dtype=np.float64)
