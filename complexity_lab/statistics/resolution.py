"""Is an effect above what the method can tell? Three kinds of noise next to each model's change.

``detectable``   z sd of the null model at this size, relative to its mean: one value of random weights strays so far
``seeds``        z spreads of the ratio over seeds
``permutations`` z sd over permutations of neurons that leave the function as it is, relative to the initial mean

For sign bits the null is that of independent bits, and ``1 - detectable`` is the smallest ratio to fair bits that
``controls.resolution`` calls detectable, from the stored mean of fair bits and the sd at the initial share of ones,
which is that of fair bits to a percent. For bit planes it is shuffles of the initial weights, else of the trained ones.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import null_values
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
Z: Final = 3.0  # standard deviations that count as a difference, as in ``controls.resolution``

RESOLUTION_COLUMNS: Final[dict[str, str]] = {
    c.MODEL: "id of the model",
    c.FAMILY: "family of architectures",
    c.PARAMETERS: "trainable parameters",
    c.METRIC: "what was measured",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    d.RATIO: "trained mean / initial mean",
    d.EFFECT: "|1 - ratio|",
    d.DETECTABLE: "smallest change that stands out from the null model, z sd; fraction; NaN without a null",
    c.NULL: "the null model behind it: independent bits, shuffled initial weights, shuffled trained weights, or empty",
    d.SEEDS: "z spreads of the ratio over seeds; fraction; NaN if unknown",
    d.PERMUTATIONS: "z sd over function-preserving permutations; fraction; NaN if not stored",
    d.LIMIT: "the largest of the three that are known; NaN if none is",
    d.LIMITED_BY: "which of the three that is: null, seeds or permutations; empty if none is known",
    d.RESOLVED: "effect above limit; False if nothing is known",
}


def resolution_table(ratios: pd.DataFrame, *, z: float = Z) -> pd.DataFrame:
    """Return one row per row of ``ratios`` that has a ratio, columns RESOLUTION_COLUMNS.

    Args:
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
        z: standard deviations that count as a difference.
    """
    table = ratios.loc[ratios[d.RATIO].notna()].reset_index(drop=True)
    null, detectable = _detectable(table, z)
    permutations = null_values(table, "permutation", "sd") / table[d.INITIAL_MEAN]
    noises = {
        "null": detectable,
        "seeds": z * table[d.RATIO_SD].to_numpy(float),
        "permutations": z * permutations.to_numpy(float),
    }
    limit, limited_by = _largest(noises, len(table))
    effect = table[d.EFFECT].abs().to_numpy(float)
    derived = {
        d.EFFECT: effect,
        d.DETECTABLE: detectable,
        d.SEEDS: noises["seeds"],
        d.PERMUTATIONS: noises["permutations"],
        d.LIMIT: limit,
        d.RESOLVED: effect > limit,  # False for NaN
    }
    names = {c.NULL: pd.array(null, dtype="str"), d.LIMITED_BY: pd.array(limited_by, dtype="str")}
    return table.assign(**derived).assign(**names)[list(RESOLUTION_COLUMNS)]


def _detectable(table: pd.DataFrame, z: float) -> tuple[npt.NDArray[np.object_], Floats]:
    """Return which null model each row has, and z of its sd over its mean."""
    fair = null_values(table, "fair", "mean")
    iid_sd = null_values(table, "iid", "sd", initial=True).fillna(null_values(table, "iid", "sd"))
    initial = table[d.INITIAL_MEAN]
    candidates = {
        "independent bits": iid_sd / fair.where(fair > 0),
        "shuffled initial weights": null_values(table, "shuffle", "sd", initial=True) / initial,
        "shuffled trained weights": null_values(table, "shuffle", "sd") / initial,
    }
    shares = [share.to_numpy(float) for share in candidates.values()]
    known = [~np.isnan(share) for share in shares]
    null = np.select(known, list(candidates), default="").astype(object)
    return null, np.asarray(z * np.select(known, shares, default=np.nan), dtype=np.float64)


def _largest(noises: dict[str, Floats], rows: int) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Return the largest known noise of each row, and its name."""
    values = np.stack([np.nan_to_num(noise, nan=-1.0) for noise in noises.values()]) if rows else np.empty((3, 0))
    largest = values.max(axis=0, initial=-1.0)
    names = np.array(list(noises), dtype=object)[values.argmax(axis=0)] if rows else np.empty(0, dtype=object)
    known = largest >= 0
    return np.where(known, largest, np.nan), np.where(known, names, "").astype(object)
