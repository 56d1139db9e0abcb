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

from complexity_lab.statistics.saturation import is_plane_metric

Floats = npt.NDArray[np.float64]
THREE: Final = "three parts"
ARRANGEMENT_HOLDS_DISTRIBUTION: Final = "arrangement holds value distribution"
DISTRIBUTION_HOLDS_FIRST: Final = "value distribution holds sign bias, or location and scale"

DECOMPOSITION_COLUMNS: dict[str, str] = {
    "model": "id of the model",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "metric": "bdm, bdm_2d, qubd or qubd_planeN",
    "initial_mean": "mean over initial seeds; bits",
    "trained_mean": "mean over trained seeds; bits",
    "iid_mean": "expected BDM of independent bits with the trained share of ones; bits",
    "gaussian_mean": "mean of normal draws with each trained tensor's mean and sd; bits",
    "shuffle_mean": "mean of the trained weights with each tensor's values permuted; bits",
    "drop": "initial mean - trained mean; bits",
    "parts": "three parts, or which part holds another one because a null model was not stored",
    "sign_bias": "initial mean - iid mean; bits; NaN for bit planes",
    "location_scale": "initial mean - gaussian mean; bits; NaN for sign bits",
    "distribution": "(iid or gaussian mean) - shuffle mean; bits; NaN if arrangement holds it",
    "arrangement": "shuffle mean - trained mean; bits; (iid or gaussian mean) - trained mean without shuffles",
    **{
        f"{part}_share": f"{part} / drop; NaN if there is no drop, can leave 0..1 if the parts oppose each other"
        for part in ("sign_bias", "location_scale", "distribution", "arrangement")
    },
    **{
        f"{part}_percent": f"{part} in percent of the initial mean"
        for part in ("sign_bias", "location_scale", "distribution", "arrangement")
    },
    "below_null": "(iid or gaussian mean) - trained mean: value distribution and arrangement together; bits",
    "null_shift": "(iid or gaussian mean) of the initial weights - that of the trained ones; bits",
    "gained": "drop - null_shift: how much further trained weights are below that null than initial ones; bits",
    "gained_distribution": "how much further trained shuffles are below that null than initial ones; bits",
    "gained_arrangement": "how much further trained weights are below their shuffles than initial ones; bits; "
    "below their iid or gaussian null if no shuffles are stored of both states",
    "z_null": "(trained mean - iid or gaussian mean) / its sd: distance in sd of that null",
    "z_shuffle": "(trained mean - shuffle mean) / shuffle sd: distance in sd of shuffled weights",
}
PARTS: Final = ("sign_bias", "location_scale", "distribution", "arrangement")


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
    table = ratios.assign(**_levels(ratios))
    table = table.loc[table["first"].notna() | table["shuffle_mean"].notna()]
    table = _second_split(_first_split(table))
    initial, drop = table["initial_mean"].to_numpy(float), table["drop"].to_numpy(float)
    positive = np.where(drop > 0, drop, np.nan)
    parts = {part: table[part].to_numpy(float) for part in PARTS}
    table = table.assign(
        **{f"{part}_share": values / positive for part, values in parts.items()},
        **{f"{part}_percent": 100 * values / initial for part, values in parts.items()},
        z_null=_z(table, "first"),
        z_shuffle=_z(table, "shuffle"),
    )
    return table[list(DECOMPOSITION_COLUMNS)].reset_index(drop=True)


def _levels(ratios: pd.DataFrame) -> dict[str, Floats]:
    """Return the first null of each row: normal draws for bit planes, independent bits for sign bits."""
    planes = ratios["metric"].map(is_plane_metric).to_numpy(bool)
    chosen = {
        name: np.where(planes, ratios[f"gaussian_{part}"].to_numpy(float), ratios[f"iid_{part}"].to_numpy(float))
        for name, part in (
            ("first", "mean"),
            ("first_sd", "sd"),
            ("first_initial", "mean_initial"),
        )
    }
    return chosen | {"is_plane": planes}


def _first_split(table: pd.DataFrame) -> pd.DataFrame:
    """Add the steps from initial to trained over the nulls of the trained weights."""
    initial, trained, first, shuffle = (
        table[name].to_numpy(float) for name in ("initial_mean", "trained_mean", "first", "shuffle_mean")
    )
    planes = table["is_plane"].to_numpy(bool)
    no_first, no_shuffle = np.isnan(first), np.isnan(shuffle)
    step = initial - first
    return table.assign(
        drop=initial - trained,
        parts=pd.array(
            np.select(
                [no_shuffle, no_first], [ARRANGEMENT_HOLDS_DISTRIBUTION, DISTRIBUTION_HOLDS_FIRST], default=THREE
            ),
            dtype="str",
        ),
        sign_bias=np.where(planes, np.nan, step),
        location_scale=np.where(planes, step, np.nan),
        distribution=np.where(no_first, initial, first) - shuffle,
        arrangement=np.where(no_shuffle, first, shuffle) - trained,
        below_null=first - trained,
    )


def _second_split(table: pd.DataFrame) -> pd.DataFrame:
    """Add the parts of the same drop with each state held against its own nulls."""
    initial, trained, first, shuffle, first_0, shuffle_0 = (
        table[name].to_numpy(float)
        for name in (
            *("initial_mean", "trained_mean", "first", "shuffle_mean"),
            *("first_initial", "shuffle_mean_initial"),
        )
    )
    merged = np.isnan(shuffle) | np.isnan(shuffle_0)
    last, last_0 = np.where(merged, first, shuffle), np.where(merged, first_0, shuffle_0)
    return table.assign(
        null_shift=first_0 - first,
        gained=(first - trained) - (first_0 - initial),
        gained_distribution=(first - shuffle) - (first_0 - shuffle_0),
        gained_arrangement=(last - trained) - (last_0 - initial),
    )


def _z(table: pd.DataFrame, null: str) -> Floats:
    mean, sd = ("first", "first_sd") if null == "first" else ("shuffle_mean", "shuffle_sd")
    spread = table[sd].to_numpy(float)
    distance = table["trained_mean"].to_numpy(float) - table[mean].to_numpy(float)
    return np.asarray(distance / np.where(spread > 0, spread, np.nan), dtype=np.float64)
