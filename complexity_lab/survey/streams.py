"""Rows of estimators that read the values themselves, tensor after tensor: LZ76, exponents and mantissas."""

from __future__ import annotations

from math import isnan
from typing import Any

from complexity_lab.estimators.estimator import StreamEstimator
from complexity_lab.weights.source import NamedTensor

Row = dict[str, Any]


class StreamReader:
    """Feeds tensors to the estimators, and writes their rows."""

    def __init__(self, estimators: tuple[StreamEstimator, ...], tensor_rows: bool) -> None:
        self.estimators, self.tensor_rows = estimators, tensor_rows
        self.model = [(item, item.start()) for item in estimators]
        self.read_so_far = 0

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor of finite values to the model; return its own rows, none unless they are wanted."""
        self.read_so_far += tensor.values.size
        for _, accumulator in self.model:
            accumulator.add(tensor.values)
        rows = []
        for item in self.estimators if self.tensor_rows else ():
            accumulator = item.start()
            accumulator.add(tensor.values)
            rows.append(_row(place, item, accumulator.value(), accumulator.scored, tensor.values.size))
        return rows

    def without_score(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows that say why a tensor has no number."""
        if not self.tensor_rows:
            return []
        return [place | _named(item) | {"status": status, "reason": reason} for item in self.estimators]

    def model_rows(self, place: Row, failure: Exception | None) -> list[Row]:
        """Return the rows of the whole model."""
        if failure is not None:
            return [place | _named(item) | {"status": "failed", "reason": str(failure)} for item in self.estimators]
        found = [(item, accumulator.value(), accumulator.scored) for item, accumulator in self.model]
        return [_row(place, item, value, scored, self.read_so_far) for item, value, scored in found]


def _named(item: StreamEstimator) -> Row:
    return {"metric": item.name, "unit": item.unit}


def _row(place: Row, item: StreamEstimator, value: float, scored: int, size: int) -> Row:
    facts = place | _named(item) | {"scored": scored, "dropped": size - scored}
    if isnan(value):
        return facts | {"status": "skipped", "reason": f"{size} values are too few for {item.name}"}
    return facts | {"status": "ok", "value": value}
