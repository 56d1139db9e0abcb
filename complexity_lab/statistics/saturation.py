"""How full the histograms of blocks are: with every block seen, BDM grows with the logarithm of the size alone.

A histogram is called saturated when ``blocks / possible >= ln(possible)``: fair bits then leave less than one possible
block unseen on average (coupon collector), from 0.41 M weights on for 12-bit and 11.6 M for 4x4 blocks.

The stream of a model and its 4x4 blocks share one histogram. Bit planes do not: QuBD counts each tensor and plane by
itself, so that a model is as saturated as its tensors. For ``qubd`` and its planes, the saturation of a model is that
of the tensor which holds its median weight (the weighted median over tensors, weights being scored weights): it is
saturated if at least half of its scored weights lie in saturated tensors. It is read from the rows of tensors, and
unknown (NaN, not saturated) where a survey has none.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from complexity_lab.statistics.rows import plane_of, possible_blocks

QUBD = "qubd"


def saturation(table: pd.DataFrame, measurements: pd.DataFrame, state: str) -> npt.NDArray[np.float64]:
    """Return ``blocks / possible blocks`` of each row of a table with columns ``model``, ``metric`` and ``blocks``.

    Args:
        table: one row per model and metric; ``blocks`` of the model's one histogram, NaN for bit planes.
        measurements: the survey's table, whose tensor rows tell about bit planes.
        state: initial or trained.
    """
    blocks = table["blocks"].to_numpy(float)
    planes = table["metric"].map(is_plane_metric).to_numpy(bool)
    if planes.any():
        blocks = np.where(planes, table["model"].map(_median_blocks(measurements, state)).to_numpy(float), blocks)
    return np.asarray(blocks / table["metric"].map(possible_blocks).to_numpy(float), dtype=np.float64)


def saturated(share: npt.NDArray[np.float64], metrics: "pd.Series[str]") -> npt.NDArray[np.bool_]:
    """Tell of each saturation whether fair bits would show every possible block but one at most; False for NaN."""
    limit = np.log(metrics.map(possible_blocks).to_numpy(float))
    return np.asarray(share >= limit, dtype=np.bool_)


def is_plane_metric(metric: str) -> bool:
    """Tell whether a metric is ``qubd`` or one of its planes, which are counted tensor by tensor."""
    return metric == QUBD or plane_of(metric) is not None


def _median_blocks(measurements: pd.DataFrame, state: str) -> "pd.Series[float]":
    """Return per model the blocks per plane of the tensor that holds its median scored weight."""
    kept = (
        (measurements["scope"] == "tensor")
        & (measurements["status"] == "ok")
        & (measurements["metric"] == QUBD)
        & (measurements["state"] == state)
    )
    tensors = measurements.loc[kept, ["model", "tensor", "blocks", "scored"]].drop_duplicates(["model", "tensor"])
    ordered = tensors.sort_values(["model", "blocks"], ascending=[True, False], kind="stable")
    ordered = ordered.astype({"blocks": float, "scored": float})
    by_model = ordered.groupby("model", sort=False)["scored"]
    reached = ordered.loc[by_model.cumsum() >= 0.5 * by_model.transform("sum")]
    return reached.groupby("model", sort=False)["blocks"].first()
