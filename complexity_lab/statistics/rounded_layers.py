"""Rounding one layer or one network: do planes rank beforehand what it costs?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.correlation import RankCorrelation, partial_spearman, spearman
from complexity_lab.statistics.intervals import Interval, median_interval
from complexity_lab.statistics.rounding import TOLERANCE
from complexity_lab.tables import columns as c

Floats = npt.NDArray[np.float64]
SEED: Final = 0  # of bootstraps and permutations
PREDICTORS: Final[dict[str, tuple[str, int]]] = {
    "planes that cannot be dropped": (c.SHOWN, 1),
    "rounding error of the weights": (c.RELATIVE_ERROR, 1),
    "fewer weights": (c.WEIGHTS, -1),
}
"""What is known of a layer beforehand: its column, and the sign with which more of it should cost more."""

LAYER_LOSS_COLUMNS: Final[dict[str, str]] = {
    c.REFERENCE: "of the suggestion",
    c.MODEL: "network and seed",
    c.ARCHITECTURE: "of the network",
    c.SEED: "of the training",
    c.TENSOR: "name",
    c.KIND: "of the tensor",
    c.SHAPE: "64x3x7x7",
    c.WEIGHTS: "values in the tensor",
    c.SHOWN: "most significant planes that include every structured or unresolved one",
    d.AT_ONCE: "1 or shown: what a margin of 0 suggests",
    c.BITS: "that this tensor alone was rounded to",
    c.RELATIVE_ERROR: "squared rounding error over squared norm of the tensor",
    d.LOST: "percentage points of validation accuracy",
    d.LOSS_RISE: "of the validation cross-entropy; nats",
}


@dataclass(frozen=True)
class Prediction:
    """Whether the suggestion ranks networks as their need does, also with the number of parameters held fixed."""

    reference: str
    plain: RankCorrelation
    given_size: RankCorrelation
    by_size: RankCorrelation  # of parameters with need, which needs no planes


def rank_predictions(predictions: pd.DataFrame) -> list[Prediction]:
    """Return Spearman's rho over networks of suggested mean bits and need.

    Args:
        predictions: rows of one margin of what :func:`complexity_lab.statistics.rounding.predictions` returned.
    """
    found = []
    for reference, rows in predictions.groupby(c.REFERENCE, sort=False):
        suggested, need, size = (rows[name].to_numpy(float) for name in (d.SUGGESTED_BITS, d.NEED, c.PARAMETERS))
        rng = np.random.default_rng(SEED)
        found.append(
            Prediction(
                str(reference),
                spearman(suggested, need, rng=rng),
                partial_spearman(suggested, need, numbers=[size], rng=rng),
                spearman(size, need, rng=rng),
            )
        )
    return found


def layer_losses(layers: pd.DataFrame, sensitivities: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """Return a row per reference, network, scored tensor and bits that were tried with that tensor alone rounded.

    Columns are LAYER_LOSS_COLUMNS; tensors without a suggestion are left out.
    """
    suggested = layers.loc[layers[c.SUGGESTED].astype(bool)]
    tried = sensitivities.loc[sensitivities[c.VALIDATION_LOSS].notna()]
    numbers = [c.BITS, c.RELATIVE_ERROR, c.VALIDATION_ACCURACY, c.VALIDATION_LOSS]
    rows = suggested.merge(tried[[c.MODEL, c.TENSOR, *numbers]], on=[c.MODEL, c.TENSOR])
    floats = losses.loc[losses[c.METHOD] == "float"].set_index(c.MODEL)
    derived = {
        d.AT_ONCE: rows[c.SHOWN].clip(lower=1),
        d.LOST: 100 * (rows[c.MODEL].map(floats[c.VALIDATION_ACCURACY]).astype(float) - rows[c.VALIDATION_ACCURACY]),
        d.LOSS_RISE: rows[c.VALIDATION_LOSS] - rows[c.MODEL].map(floats[c.VALIDATION_LOSS]).astype(float),
    }
    return rows.assign(**derived)[list(LAYER_LOSS_COLUMNS)]


@dataclass(frozen=True)
class LayerRank:
    """How well something known of a layer beforehand ranks what rounding it alone costs.

    ``rho`` is the median over networks of the rank correlation over their layers (mean over seeds), with a bootstrap
    interval over networks; ``models`` are those where it is defined.
    """

    predictor: str
    bits: int
    rho: Interval
    models: int


def layer_ranks(losses: pd.DataFrame) -> list[LayerRank]:
    """Return how well planes, rounding errors and sizes rank the rise of the loss.

    Args:
        losses: rows of one reference of what :func:`layer_losses` returned.
    """
    found = []
    for bits, rows in losses.groupby(c.BITS):
        for predictor, (column, sign) in PREDICTORS.items():
            rhos = pd.Series(
                {
                    key: _rho(sign * group[column].to_numpy(float), group[d.LOSS_RISE].to_numpy(float))
                    for key, group in rows.groupby([c.ARCHITECTURE, c.SEED], sort=False)
                },
                dtype=float,
            )
            means = np.asarray(rhos.groupby(level=0).mean().dropna(), dtype=np.float64)
            interval = median_interval(means, rng=np.random.default_rng(SEED))
            found.append(LayerRank(predictor, int(str(bits)), interval, len(means)))
    return found


def _rho(x: Floats, y: Floats) -> float:
    """Return Spearman's rho; NaN for fewer than four layers, or where one of the two is constant."""
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])


def tried_as_suggested(losses: pd.DataFrame, margin: int) -> pd.DataFrame:
    """Return the rows of ``layer_losses`` whose bits are what a margin suggests."""
    return losses.loc[losses[c.BITS] == losses[d.AT_ONCE] + margin]


def layers_that_break(losses: pd.DataFrame, margin: int) -> pd.DataFrame:
    """Return layers whose suggestion with this margin, tried for one layer at a time, lost more than TOLERANCE."""
    tried = tried_as_suggested(losses, margin)
    return tried.loc[tried[d.LOST] > TOLERANCE + 1e-9].sort_values(d.LOST, ascending=False, ignore_index=True)
