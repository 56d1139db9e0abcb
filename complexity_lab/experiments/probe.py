"""What a training run watches its weights with: the probe of trajectories on the whole parameter stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.estimator import estimator
from complexity_lab.estimators.qubd import qubd_rules
from complexity_lab.trajectory.probe import StepProbe

if TYPE_CHECKING:
    from torch import nn

PROBED = ("bdm", "gzip", "bz2", "lzma", "zstd", "gzip:float32")  # columns of the epochs table
PLANES = "qubd"  # the sum of 8 planes by the rules ``fixed``, and every plane; rows of the table of steps alone


@dataclass(frozen=True)
class WeightProbe:
    """Computes metrics of a module's trainable parameters, in model order; what ``train`` takes as ``probe``.

    Raises:
        InputError: a metric that the table of epochs has no column for, and that is not ``qubd``.
        UnknownNameError: no such metric.
    """

    metrics: tuple[str, ...] = ("bdm",)

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name == PLANES:
                continue
            estimator(name)
            if name not in PROBED:
                known = ", ".join((*PROBED, PLANES))
                raise InputError(f"metric {name} cannot be watched during training, wanted {known}")

    @cached_property
    def probe(self) -> StepProbe | None:
        """The probe of one step; None if nothing is watched."""
        counted = tuple(name for name in self.metrics if name != PLANES)
        rules = qubd_rules("fixed") if PLANES in self.metrics else None
        return StepProbe(counted, rules) if self.metrics else None

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        """Return a number per metric, and one per plane; what is not defined for so few weights is left out.

        Raises:
            WeightsError: NaN or infinite weights.
        """
        rows = self.probe.rows_of(model) if self.probe is not None else []
        for row in rows:
            if row["status"] == "failed":
                raise WeightsError(row["reason"])
        return {row["metric"]: row["value"] for row in rows if row["status"] == "ok"}
