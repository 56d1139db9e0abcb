"""Bit planes of one step, and of its shuffled self: rows of every tensor as it is read, and their sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from complexity_lab.binary.planes import quantize
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.errors import WeightsError
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import Rules, total_profile
from complexity_lab.trajectory.readers import MODEL, Row, row, spread_rows, without_value
from complexity_lab.weights.source import NamedTensor, SkippedTensor

if TYPE_CHECKING:
    from complexity_lab.estimators.qubd import QuBD

UNIT = "bits"


class PlaneReader:
    """Scores the planes of tensors one by one, and keeps what the sums over the network need."""

    def __init__(self, rules: Rules, tensor_rows: bool, shuffles: int, seed: int, threads: int = 1) -> None:
        self.rules, self.tensor_rows, self.shuffles, self.seed, self.threads = (
            rules,
            tensor_rows,
            shuffles,
            seed,
            threads,
        )
        self.found: list[QuBD] = []
        self.drawn = np.zeros((shuffles, rules.bits))  # of the shuffled tensors so far, summed
        self.left_out = 0  # values of tensors that the rules skip
        self.failure: WeightsError | None = None

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor, see ``Reader``; of a parametrized weight the tensor that the network computes with."""
        if isinstance(tensor.computed, SkippedTensor):
            self.left_out += tensor.values.size
            return self.unscored(place, "skipped", tensor.computed.reason)
        tensor = tensor.computed or tensor
        reason = self.rules.why_not(np.shape(tensor.values), tensor.name)
        if reason is not None:
            self.left_out += tensor.values.size
            return self.unscored(place, "skipped", reason)
        try:
            scored = self.rules.score(tensor.values)
            drawn = self._shuffled(tensor) if self.shuffles else None
        except WeightsError as error:  # such as a range that float32 cannot hold; other metrics do not mind
            self.failure = self.failure or WeightsError(f"tensor {tensor.name}: {error}")
            return self.unscored(place, "failed", str(error))
        self.found.append(scored)
        rows = list(_rows(place, scored.planes, scored.scored, scored.dropped))
        if drawn is not None:
            self.drawn += drawn
            rows.extend(_shuffle_rows(place, drawn, scored.scored, scored.dropped))
        return rows if self.tensor_rows else []

    def _shuffled(self, tensor: NamedTensor) -> np.ndarray:
        rules = self.rules
        quantized = quantize(tensor.values, rules.bits, clip=rules.clip, smallest_span=rules.smallest_span)
        return shuffled_planes(
            quantized,
            ctm_table,
            boundary=rules.boundary,
            repetitions=self.shuffles,
            seed=(self.seed, len(self.found)),
            threads=self.threads,
        )

    def unscored(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows of a tensor without numbers."""
        return [without_value(place, "qubd", UNIT, status, reason)] if self.tensor_rows else []

    def model_rows(self, failure: Exception | None, parameters: int) -> list[Row]:
        """Return the rows of the whole network."""
        del parameters
        failure = failure or self.failure
        if failure is None and not self.found:
            failure = WeightsError("no tensor is a matrix large enough for these rules")
        if failure is not None:
            names = ("qubd", "qubd_shuffle_mean") if self.shuffles else ("qubd",)
            return [without_value(MODEL, name, UNIT, "failed", str(failure)) for name in names]
        scored = sum(each.scored for each in self.found)
        dropped = sum(each.dropped for each in self.found) + self.left_out
        rows = list(_rows(MODEL, total_profile(self.found).tolist(), scored, dropped))
        if self.shuffles:
            rows.extend(_shuffle_rows(MODEL, self.drawn, scored, dropped))
        return rows


def _rows(place: Row, planes: Sequence[float], scored: int, dropped: int) -> Iterator[Row]:
    yield row(place, "qubd", UNIT, float(sum(planes)), scored, dropped)
    for plane, value in enumerate(planes):
        yield row(place, f"qubd_plane{plane}", UNIT, value, scored, dropped)


def _shuffle_rows(place: Row, drawn: np.ndarray, scored: int, dropped: int) -> Iterator[Row]:
    """Yield the rows of shuffles ``[shuffles, planes]``: planes move together, so their sum has its own spread."""
    yield from spread_rows(place, "qubd", UNIT, drawn.sum(axis=1).tolist(), scored, dropped)
    for plane, values in enumerate(drawn.T.tolist()):
        yield from spread_rows(place, f"qubd_plane{plane}", UNIT, values, scored, dropped)
