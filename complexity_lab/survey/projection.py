"""How long the rest of a plan would take: seconds of the models measured, by their number of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from complexity_lab.zoo.card import ModelCard

if TYPE_CHECKING:
    import pandas as pd

STAGES = ["seconds_build", "seconds_load", "seconds_measure"]
FEWEST = 3  # models measured, below which no line is drawn through them


@dataclass(frozen=True)
class ProjectedTime:
    """What all models of a plan would take here.

    Attributes:
        models: in the whole plan.
        measured: of these, measured now; the projection rests on them.
        seconds: wall time of the whole plan, measured models included.
        per_model: seconds that a model costs whatever its size.
        per_million: seconds more per million parameters.
        jobs: models at the same time.
    """

    models: int
    measured: int
    seconds: float
    per_model: float
    per_million: float
    jobs: int


def projected_time(models: pd.DataFrame, cards: Sequence[ModelCard], jobs: int) -> ProjectedTime | None:
    """Fit ``seconds = a + b * parameters`` with a, b >= 0 to the models measured, and add it up over all cards.

    The seconds of a model are those of its stages (build, load, measure), so downloads of pretrained weights count as
    fast as they were here; start-up of the workers does not count. Models whose size no card tells take the mean size.

    Args:
        models: the survey's table of models; those that are ok count.
        cards: of all models of the plan.
        jobs: models at the same time; the wall time is taken as the sum over models divided by them.

    Returns:
        None with fewer than FEWEST models measured.
    """
    from scipy.optimize import nnls

    measured = models.loc[models["status"] == "ok"]
    if len(measured) < FEWEST:
        return None
    seconds = measured[STAGES].sum(axis=1).to_numpy(float)
    sizes = measured["parameters"].to_numpy(float) / 1e6
    (per_model, per_million), _ = nnls(np.column_stack([np.ones_like(sizes), sizes]), seconds)
    known = [card.parameters / 1e6 for card in cards if card.parameters is not None]
    mean = float(np.mean(known)) if known else float(sizes.mean())
    whole = sum(known) + (len(cards) - len(known)) * mean
    total = (per_model * len(cards) + per_million * whole) / jobs
    return ProjectedTime(len(cards), len(measured), float(total), float(per_model), float(per_million), jobs)
