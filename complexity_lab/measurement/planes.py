"""Bit planes: of every tensor as it is read, and their sums over the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from complexity_lab.errors import WeightsError
from complexity_lab.estimators.estimator import QUBD
from complexity_lab.estimators.qubd import QuBD, Rules, total_profile
from complexity_lab.measurement.reader import Rows
from complexity_lab.measurement.rows import Facts, Quantity, Target
from complexity_lab.tables.rows import Status
from complexity_lab.weights.source import NamedTensor, SkippedTensor

SUM = Quantity(QUBD.name, QUBD.unit)
NO_MATRIX = "no tensor is a matrix large enough for these rules"


def scorable(tensor: NamedTensor, rules: Rules) -> tuple[NamedTensor, str | None]:
    """Return what planes are scored of, and the reason why it is not scored, if there is one.

    Of a parametrized weight that is the tensor that the model computes with, as in the published code.
    """
    if isinstance(tensor.computed, SkippedTensor):
        return tensor, tensor.computed.reason
    tensor = tensor.computed or tensor
    return tensor, rules.why_not(np.shape(tensor.values), tensor.name)


class PlaneReader:
    """Scores tensors one by one and keeps what the model's rows need."""

    def __init__(self, rules: Rules, tensor_rows: bool) -> None:
        self.rules, self.tensor_rows = rules, tensor_rows
        self.found: list[QuBD] = []
        self.left_out = 0  # values of tensors that the rules skip
        self.failure: str | None = None  # why there are no numbers of the model

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Score a tensor, see ``Reader``; a range that cannot be quantized fails here alone."""
        tensor, reason = scorable(tensor, self.rules)
        if reason is not None:
            self.left_out += tensor.values.size
            return self.without_score(target, "skipped", reason)
        try:
            scored = self.rules.score(tensor.values)
        except WeightsError as error:  # such as a range that float32 cannot hold; other metrics do not mind
            self.failure = self.failure or f"tensor {tensor.name}: {error}"
            return self.without_score(target, "failed", str(error))
        self.found.append(scored)
        if not self.tensor_rows:
            return []
        facts = Facts(scored.scored, scored.dropped, blocks=scored.blocks)
        return _rows(target, scored.planes, facts, scored.ones, scored.distinct)

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the row that says why there are no planes."""
        return [target.missing(SUM, status, reason)] if self.tensor_rows or target.scope == "model" else []

    def model_rows(self, target: Target) -> Rows:
        """Return the rows of the whole model: sums over its tensors, or why there are none."""
        failure = self.failure or (None if self.found else NO_MATRIX)
        if failure is not None:
            return self.without_score(target, "failed", failure)
        dropped = sum(each.dropped for each in self.found) + self.left_out
        facts = Facts(sum(each.scored for each in self.found), dropped)
        ones = np.sum([each.ones for each in self.found], axis=0).tolist()
        return _rows(target, total_profile(self.found).tolist(), facts, ones)


def _rows(
    target: Target, planes: Sequence[float], facts: Facts, ones: Sequence[int], distinct: Sequence[int] | None = None
) -> Rows:
    rows = [target.number(SUM, float(sum(planes)), facts)]
    for plane, value in enumerate(planes):
        seen = None if distinct is None else distinct[plane]
        quantity = SUM._replace(plane=plane)
        rows.append(target.number(quantity, value, facts._replace(ones=ones[plane], distinct_blocks=seen)))
    return rows
