"""Readers of one step's tensors: block counts, payloads and values collected tensor after tensor, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean, stdev
from typing import Any, Protocol

import numpy as np

from complexity_lab.binary.binarize import Signed, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, TensorCounter, as_matrix
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.estimators.compressors import Payload, PayloadStream, compress
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.estimator import CompressorEstimator, CountEstimator, StreamEstimator
from complexity_lab.weights.source import NamedTensor

Row = dict[str, Any]
MODEL: Row = {"scope": "model", "tensor": "", "kind": "", "shape": ""}
SHUFFLED = ("bdm", "bdm_2d")  # metrics of counts that get a shuffled self


class Reader(Protocol):
    """Reads the tensors of one step and writes their rows."""

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor; return its own rows, none unless they are wanted.

        Raises:
            WeightsError: NaN or infinite weights.
            InputError: a dtype that has no bits.
        """
        ...

    def unscored(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows that say why a tensor has no numbers, none unless rows of tensors are wanted."""
        ...

    def model_rows(self, failure: Exception | None, parameters: int) -> list[Row]:
        """Return the rows of the whole network of so many values, or those that say why there are none."""
        ...


def row(place: Row, metric: str, unit: str, value: float, scored: int, dropped: int) -> Row:
    """Return the row of a number."""
    found = {"metric": metric, "value": value, "unit": unit, "scored": scored, "dropped": dropped}
    return place | found | {"status": "ok", "reason": None}


def without_value(place: Row, metric: str, unit: str, status: str, reason: str) -> Row:
    """Return the row of a number that does not exist, with the reason."""
    none = {"metric": metric, "value": None, "unit": unit, "scored": None, "dropped": None}
    return place | none | {"status": status, "reason": reason}


def spread_rows(
    place: Row, metric: str, unit: str, values: Sequence[float], scored: int, dropped: int
) -> Iterator[Row]:
    """Yield mean and standard deviation of a metric over shuffles."""
    yield row(place, f"{metric}_shuffle_mean", unit, fmean(values), scored, dropped)
    if len(values) > 1:
        yield row(place, f"{metric}_shuffle_sd", unit, stdev(values), scored, dropped)
    else:
        yield without_value(place, f"{metric}_shuffle_sd", unit, "skipped", "one shuffle has no spread")


class CountReader:
    """Metrics that read block counts, and the shuffled self of ``bdm`` and ``bdm_2d``.

    It is read first: it refuses what is not finite, even if no metric reads counts.
    """

    def __init__(self, estimators: Sequence[CountEstimator], tensor_rows: bool, shuffles: int, seed: int) -> None:
        self.estimators, self.tensor_rows = estimators, tensor_rows
        self.stream = StreamCounter()
        self.squares = np.zeros(2**16, dtype=np.int64)
        self.squares_dropped = 0
        needed = {item.shape for item in estimators}
        self.counters = {shape: TensorCounter(shape) for shape in _counted_alone(needed, tensor_rows)}
        self.shuffled = [item for item in estimators if item.name in SHUFFLED and shuffles]
        shapes = tuple(dict.fromkeys(item.shape for item in self.shuffled))
        self.null = ShuffleNull(repetitions=shuffles, seed=seed, shapes=shapes) if shapes else None

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor, see ``Reader``."""
        self.stream.add(tensor.values)
        view = signed(tensor.values)
        counts = {shape: counter.count(_cut(view, shape)) for shape, counter in self.counters.items()}
        if SQUARE in counts:
            self._pool(counts[SQUARE], tensor.values.ndim)
        if self.null is not None:
            self.null.add(tensor.values)
        if not self.tensor_rows:
            return []
        return [_count_row(place, item, counts[item.shape], tensor.values.ndim) for item in self.estimators]

    def _pool(self, counts: BlockCounts, axes: int) -> None:
        """Squares never straddle tensors: the histogram of the network is the sum of its matrices'."""
        if axes < 2:
            self.squares_dropped += counts.scored + counts.dropped
            return
        self.squares[counts.codes] += counts.counts
        self.squares_dropped += counts.dropped

    def unscored(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows of a tensor without numbers."""
        wanted = self.estimators if self.tensor_rows else ()
        return [without_value(place, item.name, item.unit, status, reason) for item in wanted]

    def model_rows(self, failure: Exception | None, parameters: int) -> list[Row]:
        """Return the rows of the whole network."""
        del parameters
        if failure is not None:
            named = [(item.name, item) for item in self.estimators]
            named += [(f"{item.name}_shuffle_mean", item) for item in self.shuffled]
            return [without_value(MODEL, name, item.unit, "failed", str(failure)) for name, item in named]
        counts = {
            STRING: self.stream.result(),
            SQUARE: BlockCounts.from_histogram(SQUARE, self.squares, dropped=self.squares_dropped),
        }
        rows = [_count_row(MODEL, item, counts[item.shape]) for item in self.estimators]
        for item in self.shuffled:
            rows.extend(self._shuffle_rows(item, counts[item.shape]))
        return rows

    def _shuffle_rows(self, item: CountEstimator, counts: BlockCounts) -> Iterator[Row]:
        assert self.null is not None
        drawn = self.null.strings() if item.shape == STRING else self.null.squares()
        if not counts.blocks:
            reason = f"not one complete block of {shape_name(item.shape)} to shuffle"
            yield without_value(MODEL, f"{item.name}_shuffle_mean", item.unit, "skipped", reason)
            return
        yield from spread_rows(
            MODEL, item.name, item.unit, [item.value(each) for each in drawn], counts.scored, counts.dropped
        )


def _counted_alone(needed: set[Shape], tensor_rows: bool) -> list[Shape]:
    """Return the shapes that every tensor is counted in by itself: strings of the network run over its tensors."""
    return [shape for shape in (STRING, SQUARE) if shape in needed and (tensor_rows or shape == SQUARE)]


def _cut(view: Signed, shape: Shape) -> Signed:
    return Signed(view.values.reshape(-1) if shape == STRING else as_matrix(view.values), view.limit)


def _count_row(place: Row, item: CountEstimator, counts: BlockCounts, axes: int = 2) -> Row:
    if item.shape == SQUARE and axes < 2:
        return without_value(place, item.name, item.unit, "skipped", f"{axes} axes, squares need a matrix")
    if counts.blocks == 0:
        reason = f"{counts.dropped} weights, not one complete block of {shape_name(item.shape)}"
        return without_value(place, item.name, item.unit, "skipped", reason)
    value = item.value(counts)
    if isnan(value):
        reason = f"not defined for {counts.blocks} block(s)"
        return without_value(place, item.name, item.unit, "skipped", reason)
    return row(place, item.name, item.unit, value, counts.scored, counts.dropped)


@dataclass
class CompressorReader:
    """Compressors of the whole parameter stream; tensors have no rows of them."""

    estimators: Sequence[CompressorEstimator]

    def __post_init__(self) -> None:
        kinds: dict[Payload, None] = dict.fromkeys(item.payload for item in self.estimators)
        self.payloads = {kind: PayloadStream(kind) for kind in kinds}

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor, see ``Reader``."""
        del place
        for payload in self.payloads.values():
            payload.add(tensor.values)
        return []

    def unscored(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows of a tensor without numbers."""
        del place, status, reason
        return []

    def model_rows(self, failure: Exception | None, parameters: int) -> list[Row]:
        """Return the rows of the whole network."""
        if failure is not None:
            return [without_value(MODEL, item.name, item.unit, "failed", str(failure)) for item in self.estimators]
        data = {kind: payload.payload() for kind, payload in self.payloads.items()}
        return [
            row(MODEL, item.name, item.unit, compress(data[item.payload], item.compressor).rate, parameters, 0)
            for item in self.estimators
        ]


class StreamReader:
    """Metrics that read the values themselves: LZ76, exponents and mantissas."""

    def __init__(self, estimators: Sequence[StreamEstimator], tensor_rows: bool) -> None:
        self.estimators, self.tensor_rows = estimators, tensor_rows
        self.network = [(item, item.start()) for item in estimators]

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Add a tensor, see ``Reader``."""
        for _, accumulator in self.network:
            accumulator.add(tensor.values)
        rows = []
        for item in self.estimators if self.tensor_rows else ():
            accumulator = item.start()
            accumulator.add(tensor.values)
            rows.append(_stream_row(place, item, accumulator.value(), accumulator.scored, tensor.values.size))
        return rows

    def unscored(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows of a tensor without numbers."""
        wanted = self.estimators if self.tensor_rows else ()
        return [without_value(place, item.name, item.unit, status, reason) for item in wanted]

    def model_rows(self, failure: Exception | None, parameters: int) -> list[Row]:
        """Return the rows of the whole network."""
        if failure is not None:
            return [without_value(MODEL, item.name, item.unit, "failed", str(failure)) for item in self.estimators]
        return [_stream_row(MODEL, item, each.value(), each.scored, parameters) for item, each in self.network]


def _stream_row(place: Row, item: StreamEstimator, value: float, scored: int, size: int) -> Row:
    if isnan(value):
        return without_value(place, item.name, item.unit, "skipped", f"{size} values are too few for {item.name}")
    return row(place, item.name, item.unit, value, scored, size - scored)
