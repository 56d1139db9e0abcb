"""How full the histograms of blocks are: with every block seen, BDM grows with the logarithm of the size alone.

A histogram is called saturated when ``blocks / possible >= ln(possible)``: fair bits then leave less than one possible
block unseen on average (coupon collector), from 0.41 M weights on for 12-bit and 11.6 M for 4x4 blocks.

The stream of a model and its 4x4 blocks share one histogram. Bit planes do not: QuBD counts each tensor and plane by
itself, so that a model is as saturated as its tensors. For ``qubd`` and its planes, the saturation of a model is that
of the tensor which holds its median weight (the weighted median over tensors, weights being scored weights): it is
saturated if at least half of its scored weights lie in saturated tensors. It is read from the rows of tensors, and
unknown (NaN, not saturated) where a survey has none.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics.rows import PLANE_METRIC, measured
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
PLANE_BLOCK: Final = 16  # bits of the 4x4 blocks of a plane; smaller ones are its boundary


def possible_blocks(table: pd.DataFrame) -> Floats:
    """Return how many different blocks exist: 2 to the power of the bits in a block; NaN where none are counted.

    Args:
        table: with columns ``metric``, ``scored`` (weights in blocks) and ``blocks``.
    """
    counted = table[c.BLOCKS].to_numpy(float)
    bits = np.round(table[c.SCORED].to_numpy(float) / np.where(counted > 0, counted, np.nan))
    planes = (table[c.METRIC] == PLANE_METRIC).to_numpy(bool)
    return np.asarray(2.0 ** np.where(planes, PLANE_BLOCK, bits), dtype=np.float64)


def saturation(table: pd.DataFrame, measurements: pd.DataFrame, state: str) -> Floats:
    """Return ``blocks / possible blocks`` of each row of a table.

    Args:
        table: with columns ``model``, ``metric``, ``scored``, and ``blocks`` of the model's one histogram, NaN for bit
            planes.
        measurements: the survey's table, whose tensor rows tell about bit planes.
        state: initial or trained.
    """
    blocks = table[c.BLOCKS].to_numpy(float)
    planes = (table[c.METRIC] == PLANE_METRIC).to_numpy(bool)
    if planes.any():
        blocks = np.where(planes, table[c.MODEL].map(_median_blocks(measurements, state)).to_numpy(float), blocks)
    return np.asarray(blocks / possible_blocks(table), dtype=np.float64)


def saturated(share: Floats, possible: Floats) -> npt.NDArray[np.bool_]:
    """Tell of each saturation whether fair bits would show every possible block but one at most; False for NaN."""
    return np.asarray(share >= np.log(possible), dtype=np.bool_)


def _median_blocks(measurements: pd.DataFrame, state: str) -> "pd.Series[float]":
    """Return per model the blocks per plane of the tensor that holds its median scored weight."""
    rows = measured(measurements)
    kept = (rows[c.SCOPE] == "tensor") & (rows[c.STATUS] == "ok") & (rows[c.METRIC] == PLANE_METRIC)
    kept &= rows[c.PLANE].isna() & (rows[c.STATE] == state)
    tensors = rows.loc[kept, [c.MODEL, c.TENSOR, c.BLOCKS, c.SCORED]].drop_duplicates([c.MODEL, c.TENSOR])
    ordered = tensors.astype({c.BLOCKS: float, c.SCORED: float})
    ordered = ordered.sort_values([c.MODEL, c.BLOCKS], ascending=[True, False], kind="stable")
    by_model = ordered.groupby(c.MODEL, sort=False)[c.SCORED]
    reached = ordered.loc[by_model.cumsum() >= 0.5 * by_model.transform("sum")]
    return reached.groupby(c.MODEL, sort=False)[c.BLOCKS].first()
