"""Estimators that read the values themselves, tensor after tensor: LZ76, exponents and mantissas."""

from __future__ import annotations

from math import isnan

from complexity_lab.counted import counted
from complexity_lab.estimators.estimator import StreamEstimator
from complexity_lab.measurement.reader import Rows
from complexity_lab.measurement.rows import Facts, Quantity, Target
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.tables.rows import Measurement, Status
from complexity_lab.weights.source import NamedTensor


class StreamReader:
    """Feeds tensors to the estimators."""

    def __init__(self, spec: MeasurementSpec) -> None:
        self.estimators, self.tensor_rows = spec.streamed, spec.tensor_rows
        self.model = [(item, item.start()) for item in self.estimators]
        self.read_so_far = 0

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Add a tensor, see ``Reader``."""
        self.read_so_far += tensor.values.size
        for _, accumulator in self.model:
            accumulator.add(tensor.values)
        rows = []
        for item in self.estimators if self.tensor_rows else ():
            accumulator = item.start()
            accumulator.add(tensor.values)
            rows.append(_row(target, item, accumulator.value(), accumulator.scored, tensor.values.size))
        return rows

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the rows that say why there are no numbers."""
        wanted = self.estimators if self.tensor_rows or target.scope == "model" else ()
        return [target.missing(Quantity(item.name, item.unit), status, reason) for item in wanted]

    def model_rows(self, target: Target) -> Rows:
        """Return the rows of the whole model."""
        return [_row(target, item, each.value(), each.scored, self.read_so_far) for item, each in self.model]


def _row(target: Target, item: StreamEstimator, value: float, scored: int, size: int) -> Measurement:
    quantity, facts = Quantity(item.name, item.unit), Facts(scored, size - scored)
    if isnan(value):
        return target.missing(
            quantity,
            "skipped",
            f"{counted(size, 'value')} {'is' if size == 1 else 'are'} too few for {item.name}",
            facts,
        )
    return target.number(quantity, value, facts)
