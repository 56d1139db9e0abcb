"""Normal values with the mean and sd of every tensor, see ``controls.gaussian``.

Bit planes need the values themselves, quantized anew in every draw because their quantiles differ: 100 million normal
numbers take a second and a half each time. So there are few such draws, and their sd is rough (its own relative error
is about a half).
"""

from __future__ import annotations

import numpy as np

from complexity_lab.controls.gaussian import GaussianNull, gaussian_scores
from complexity_lab.controls.null import Seed, TensorNull
from complexity_lab.estimators.qubd import Rules


def _planes(
    values: np.ndarray,
    rules: Rules,
    *,
    repetitions: int,
    seed: Seed,
    threads: int,  # noqa: ARG001 - draws take turns
) -> np.ndarray:
    return np.array(gaussian_scores(values, lambda w: rules.score(w).planes, repetitions=repetitions, seed=seed))


NULL = TensorNull(
    name="gaussian",
    label="normal values",
    description="normal values with the mean and sd of each tensor",
    keeps="moments",
    rank=20,
    bits=GaussianNull,
    planes=_planes,
    plane_draws=3,
)
