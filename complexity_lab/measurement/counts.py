"""Block counts: of every tensor, of the whole stream, and the numbers and null models that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np

from complexity_lab.binary.binarize import Signed, bad_weights, find_bad, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import (
    SMALL,
    SQUARE,
    STRING,
    StreamCounter,
    TensorCounter,
    as_matrix,
    count_each,
)
from complexity_lab.controls.null import CountNull
from complexity_lab.counted import counted
from complexity_lab.errors import WeightsError
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.estimator import CountEstimator
from complexity_lab.measurement.reader import Rows
from complexity_lab.measurement.rows import Facts, Quantity, Subject, Target
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.tables.rows import Histogram, Measurement, Status
from complexity_lab.weights.source import NamedTensor


@dataclass
class Counted:
    """The blocks of one tensor; strings of a small one are counted together with those of others."""

    axes: int
    counts: dict[Shape, BlockCounts] = field(default_factory=dict)
    small: Signed | None = None  # its values, if it is too small to be counted by itself


class CountReader:
    """Counts every tensor once. It refuses what is not finite, even if no metric reads counts.

    Small tensors are only checked and counted by ``settle``, many at once.
    """

    def __init__(self, spec: MeasurementSpec, threads: int) -> None:
        self.estimators, self.tensor_rows, self.shapes = spec.counted, spec.tensor_rows, spec.shapes
        self.nulls = [null for null in spec.nulls if isinstance(null, CountNull)]
        self.counters = {shape: TensorCounter(shape, threads) for shape in self.shapes}
        self.stream = StreamCounter(threads)
        self.squares = np.zeros(2**16, dtype=np.int64)
        self.squares_dropped = 0

    def read(self, tensor: NamedTensor) -> Counted:
        """Add a tensor, and count it or keep a copy of its values if it is small.

        Raises:
            WeightsError: NaN or infinite weights.
            InputError: a dtype that has no bits.
        """
        view = signed(tensor.values)
        found = Counted(view.values.ndim)
        if SQUARE in self.counters:
            found.counts[SQUARE] = self.counters[SQUARE].count(Signed(as_matrix(view.values), view.limit))
            self._add_squares(found.counts[SQUARE], found.axes)
        if view.values.size < SMALL:
            view = found.small = Signed(view.values.copy(), view.limit)
        elif STRING in self.counters:
            found.counts[STRING] = self.counters[STRING].count(Signed(view.values.reshape(-1), view.limit))
        self.stream.add_signed(view, found.counts.get(STRING))
        return found

    def _add_squares(self, counts: BlockCounts, axes: int) -> None:
        """Squares never straddle tensors: the histogram of the model is the sum of those of its matrices."""
        if axes < 2:
            self.squares_dropped += counts.scored + counts.dropped
            return
        self.squares[counts.codes] += counts.counts
        self.squares_dropped += counts.dropped

    def settle(self, batch: Sequence[Counted]) -> Iterator[tuple[int, WeightsError]]:
        """Count the small tensors of a batch; yield which of the batch hold NaN or infinities, with the error."""
        small = [(index, item.small) for index, item in enumerate(batch) if item.small is not None]
        for place in find_bad([view for _, view in small]):
            index, view = small[place]
            yield index, bad_weights(view.values, view.limit)
        if STRING in self.counters and self.tensor_rows:
            for (index, _), counts in zip(small, count_each([view.values for _, view in small]), strict=True):
                batch[index].counts[STRING] = counts

    def tensor_rows_of(self, batch: Sequence[tuple[Target, Counted]]) -> list[Rows]:
        """Return the rows of every tensor of a settled batch, none unless they are asked for."""
        rows: list[Rows] = [[] for _ in batch]
        for item in self.estimators if self.tensor_rows else ():
            values = item.values([read.counts[item.shape] for _, read in batch])
            for found, (target, read), value in zip(rows, batch, values, strict=True):
                found.append(_tensor_row(target, item, read, value))
        return rows

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the rows that say why there are no numbers."""
        wanted = self.estimators if self.tensor_rows or target.scope == "model" else ()
        return [target.missing(Quantity(item.name, item.unit), status, reason) for item in wanted]

    def model_rows(self, target: Target) -> Rows:
        """Return the rows of the whole model, each metric followed by null models from its counts."""
        rows: Rows = []
        for shape in self.shapes:
            counts = self._model_counts(shape)
            for item in (item for item in self.estimators if item.shape == shape):
                rows.append(_row(target, item, counts, item.value(counts)))
                rows.extend(self._null_rows(target, item, counts))
        return rows

    def _null_rows(self, target: Target, item: CountEstimator, counts: BlockCounts) -> Iterator[Measurement]:
        facts = Facts(counts.scored, counts.dropped, counts.ones, counts.blocks)
        for null in self.nulls if counts.blocks else ():
            if item.name not in null.metrics:
                continue
            found = null.distribution(counts)
            yield target.number(Quantity(item.name, item.unit, None, null.name, "mean"), found.mean, facts)
            if null.has_sd:
                yield target.number(Quantity(item.name, item.unit, None, null.name, "sd"), found.sd, facts)

    def histograms(self, subject: Subject) -> list[Histogram]:
        """Return how often each block occurs in the whole model, one row per block shape."""
        return [_histogram(subject, self._model_counts(shape)) for shape in self.shapes]

    def _model_counts(self, shape: Shape) -> BlockCounts:
        if shape == STRING:
            return self.stream.result()
        return BlockCounts.from_histogram(SQUARE, self.squares, dropped=self.squares_dropped)


def _tensor_row(target: Target, item: CountEstimator, read: Counted, value: float) -> Measurement:
    if item.shape == SQUARE and read.axes < 2:
        reason = f"{counted(read.axes, 'axis', 'axes')}, squares need a matrix"
        return target.missing(Quantity(item.name, item.unit), "skipped", reason, Facts(scored=0))
    return _row(target, item, read.counts[item.shape], value)


def _row(target: Target, item: CountEstimator, counts: BlockCounts, value: float) -> Measurement:
    quantity, facts = Quantity(item.name, item.unit), Facts.of_counts(counts)
    if counts.blocks == 0:
        reason = f"{counted(counts.dropped, 'weight')}, not one complete block of {shape_name(item.shape)}"
        return target.missing(quantity, "skipped", reason, facts)
    if isnan(value):
        return target.missing(quantity, "skipped", f"not defined for {counted(counts.blocks, 'block')}", facts)
    return target.number(quantity, value, facts)


def _histogram(subject: Subject, counts: BlockCounts) -> Histogram:
    return Histogram(
        study=subject.study,
        model=subject.model,
        state=subject.state,
        seed=subject.seed,
        block=shape_name(counts.shape),
        scored=counts.scored,
        dropped=counts.dropped,
        ones=counts.ones,
        codes=counts.codes.astype(np.int32),
        counts=counts.counts,
    )
