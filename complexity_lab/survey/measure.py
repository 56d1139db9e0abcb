"""One set of weights to rows: reads every tensor once, and fills the measurements and histograms of one state.

A tensor that cannot be scored is a row that says why. If a tensor holds NaN or infinities, the model-level numbers of
that state do not exist either, and their rows name the tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any, Protocol

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
from complexity_lab.controls.iid import iid_null_of
from complexity_lab.errors import ComplexityLabError, InputError, WeightsError
from complexity_lab.estimators.compressors import Compressed, Payload, PayloadStream
from complexity_lab.estimators.ctm import ctm_table, shape_name
from complexity_lab.estimators.estimator import CompressorEstimator, CountEstimator, StreamEstimator, estimator
from complexity_lab.estimators.presets import Preset
from complexity_lab.estimators.qubd import Rules
from complexity_lab.survey.compression import CompressorPool
from complexity_lab.survey.controls import ControlReader, permutation_rows
from complexity_lab.survey.planes import PlaneReader, marks
from complexity_lab.survey.streams import StreamReader
from complexity_lab.weights.source import NamedTensor, SkippedTensor, WeightSource

Row = dict[str, Any]
NULL_OF = {"bdm": STRING, "bdm_2d": SQUARE}  # estimators that get their iid null beside them
TOGETHER = 256  # tensors whose rows are written at once, which bounds what is kept of them
MODEL: Row = {"scope": "model", "tensor": "", "kind": "", "shape": ""}
REFERENCE_SHARES = {"p45": 0.45, "p50": 0.5}  # ones fractions whose expected BDM tells what this size can resolve


@dataclass(frozen=True)
class Wanted:
    """Which numbers to compute: names of metrics, and the scopes to compute them for."""

    metrics: tuple[str, ...]
    tensor_rows: bool = True  # count estimators per tensor
    tensor_compressors: bool = False  # compressors per tensor too
    preset: Preset | None = None  # QuBD by its rules beside the metrics, if it has any
    controls: tuple[str, ...] = ()  # null models beside the iid null, see ``survey.controls``

    @property
    def planes(self) -> Rules | None:
        """Rules of QuBD; None if no bit planes are asked for."""
        return None if self.preset is None else self.preset.rules

    @cached_property
    def counted(self) -> tuple[CountEstimator, ...]:
        """Estimators that read block counts."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CountEstimator))

    @cached_property
    def compressed(self) -> tuple[CompressorEstimator, ...]:
        """Compressors."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CompressorEstimator))

    @cached_property
    def streamed(self) -> tuple[StreamEstimator, ...]:
        """Estimators that read the values themselves."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, StreamEstimator))

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Block shapes that have to be counted."""
        return tuple(shape for shape in (STRING, SQUARE) if any(item.shape == shape for item in self.counted))


@dataclass
class Rows:
    """The rows of one state of one model; those of compressors are filled in when their threads are done."""

    measurements: list[Row] = field(default_factory=list)
    histograms: list[Row] = field(default_factory=list)
    parameters: int = 0  # values in the parameter stream
    failure: ComplexityLabError | None = None  # why there are no model-level numbers
    pending: list[tuple[Row, Future[Compressed]]] = field(default_factory=list)

    def wait(self) -> Rows:
        """Fill in what the compressors found."""
        for row, future in self.pending:
            error = future.exception()
            if error is not None:  # lzma may run out of memory; the other numbers stand
                self.failure = self.failure or WeightsError(f"{row['metric']}: {type(error).__name__} {error}".strip())
                row |= {"status": "failed", "reason": f"{type(error).__name__} {error}".strip()}
                continue
            result = future.result()
            row |= {"value": result.rate, "raw_bytes": result.raw_bytes, "compressed_bytes": result.compressed_bytes}
        self.pending.clear()
        return self


def measure_source(source: WeightSource, wanted: Wanted, labels: Row, pool: CompressorPool, threads: int = 1) -> Rows:
    """Read a source once and return its rows.

    Args:
        source: tensors in model order.
        wanted: which numbers.
        labels: columns that every row shares: model, state, seed.
        pool: where compressors run; they may still run when this returns, see ``Rows.wait``.
        threads: for counting one large tensor.
    """
    if wanted.preset is not None and wanted.preset.rules is None:
        labels = labels | marks(wanted.preset)  # every number of this survey is made by it
    reader = _Reader(wanted, labels, pool, threads)
    for tensor in source.tensors():
        reader.read(tensor)
    rows = reader.finish(source.label)
    if "permutation" in wanted.controls and rows.failure is None:
        made_by = marks(wanted.preset)
        nulls = permutation_rows(source, wanted.metrics, wanted.planes, labels | MODEL, marks=made_by)
        rows.measurements.extend(nulls)
    return rows


class SideReader(Protocol):
    """Reads the values of every tensor for numbers that are no function of its block counts."""

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Read a tensor of finite values and return its rows."""
        ...

    def without_score(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the rows of a tensor that has no numbers."""
        ...

    def model_rows(self, place: Row, failure: Exception | None) -> list[Row]:
        """Return the rows of the whole model, or those that say why there are none."""
        ...


@dataclass
class _Waiting:
    """A tensor that was read, and whose rows are written together with those of others."""

    place: Row
    shape: Shape
    counts: dict[Shape, BlockCounts] = field(default_factory=dict)
    small: Signed | None = None  # its values, if it is too small to be counted by itself
    skipped: str | None = None  # why it is not part of the stream
    failure: ComplexityLabError | None = None
    compressed: list[Row] = field(default_factory=list)
    beside: list[Row] = field(default_factory=list)  # of the side readers


class _Reader:
    """Collects what one pass over the tensors yields."""

    def __init__(self, wanted: Wanted, labels: Row, pool: CompressorPool, threads: int) -> None:
        self.wanted, self.labels, self.pool = wanted, labels, pool
        self.rows = Rows()
        self.waiting: list[_Waiting] = []
        self.counters = {shape: TensorCounter(shape, threads) for shape in wanted.shapes}
        self.stream = StreamCounter(threads)
        self.squares = np.zeros(2**16, dtype=np.int64)
        self.squares_dropped = 0
        self.beside = _side_readers(wanted, threads)
        kinds: tuple[Payload, ...] = tuple(dict.fromkeys(item.payload for item in wanted.compressed))
        self.payloads = {kind: PayloadStream(kind) for kind in kinds}

    def read(self, tensor: NamedTensor | SkippedTensor) -> None:
        """Add one tensor to the stream and write its rows."""
        shape = tensor.shape if isinstance(tensor, SkippedTensor) else tensor.values.shape
        place = {"scope": "tensor", "tensor": tensor.name, "kind": tensor.kind, "shape": shape_name(shape)}
        if isinstance(tensor, NamedTensor) and tensor.note:
            place["note"] = tensor.note
        read = _Waiting(self.labels | place, shape)
        self.waiting.append(read)
        if isinstance(tensor, SkippedTensor):
            read.skipped = tensor.reason
        else:
            self.rows.parameters += tensor.values.size
            try:
                self._count(tensor, read)
            except (WeightsError, InputError) as error:
                read.failure = error
        if len(self.waiting) >= TOGETHER:
            self._write_waiting()

    def _count(self, tensor: NamedTensor, read: _Waiting) -> None:
        """Count a tensor, or keep a copy of it if it is small."""
        view = signed(tensor.values)
        if SQUARE in self.counters:
            read.counts[SQUARE] = self.counters[SQUARE].count(Signed(as_matrix(view.values), view.limit))
            self._pool_squares(read.counts[SQUARE], read.shape)
        if view.values.size < SMALL:
            view = read.small = Signed(view.values.copy(), view.limit)
        elif STRING in self.counters:
            read.counts[STRING] = self.counters[STRING].count(Signed(view.values.reshape(-1), view.limit))
        self.stream.add_signed(view, read.counts.get(STRING))  # refuses what is not finite even if nothing is counted
        for payload in self.payloads.values():
            payload.add(tensor.values)
        if self.wanted.tensor_compressors:
            self._compress_tensor(tensor, read)
        for reader in self.beside:
            read.beside.extend(reader.read(tensor, read.place))

    def _write_waiting(self) -> None:
        """Write the rows of the tensors that were read so far."""
        self._count_small()
        scored = [read for read in self.waiting if read.failure is None and read.skipped is None]
        wanted = self.wanted.counted if self.wanted.tensor_rows else ()
        values = {item: iter(item.values([read.counts[item.shape] for read in scored])) for item in wanted}
        for read in self.waiting:
            place = read.place
            if read.failure is not None:
                named = type(read.failure)(f"tensor {place['tensor']}: {read.failure}")
                self.rows.failure = self.rows.failure or named
            for item in wanted:
                if read.skipped is not None:
                    row = _row(place, item.name, item.unit, status="skipped", reason=read.skipped)
                elif read.failure is not None:
                    row = _row(place, item.name, item.unit, status="failed", reason=str(read.failure))
                else:
                    row = _tensor_row(place, item, read.counts[item.shape], read.shape, next(values[item]))
                self.rows.measurements.append(row)
            if read.failure is None and read.skipped is None:
                self.rows.measurements.extend((*read.compressed, *read.beside))
                continue
            status, reason = ("skipped", read.skipped) if read.skipped is not None else ("failed", str(read.failure))
            for reader in self.beside:
                self.rows.measurements.extend(reader.without_score(place, status, reason or ""))
        self.waiting.clear()

    def _count_small(self) -> None:
        small = [(read, read.small) for read in self.waiting if read.small is not None]
        for index in find_bad([view for _, view in small]):
            read, view = small[index]
            read.failure = read.failure or bad_weights(view.values, view.limit)
        if STRING in self.counters and self.wanted.tensor_rows:
            for (read, _), counts in zip(small, count_each([view.values for _, view in small]), strict=True):
                read.counts[STRING] = counts

    def _pool_squares(self, counts: BlockCounts, shape: tuple[int, ...]) -> None:
        """Squares never straddle tensors: the model's histogram is the sum of those of its tensors."""
        if len(shape) >= 2:
            self.squares[counts.codes] += counts.counts
        self.squares_dropped += counts.dropped if len(shape) >= 2 else counts.scored + counts.dropped

    def _compress_tensor(self, tensor: NamedTensor, read: _Waiting) -> None:
        for item in self.wanted.compressed:
            stream = PayloadStream(item.payload)
            stream.add(tensor.values)
            read.compressed.append(self._submit(item, stream.payload(), read.place, tensor.values.size))

    def _submit(self, item: CompressorEstimator, data: bytes, place: Row, scored: int) -> Row:
        row = _row(place, item.name, item.unit, scored=scored, dropped=0)
        self.rows.pending.append((row, self.pool.submit(data, item.compressor)))
        return row

    def finish(self, label: str) -> Rows:
        """Write the rows of the whole model."""
        self._write_waiting()
        place = self.labels | MODEL
        if self.rows.parameters == 0 and self.rows.failure is None:
            self.rows.failure = WeightsError(f"{label} has no trainable floating-point parameters")
        if self.rows.failure is not None:
            reason = str(self.rows.failure)
            failed: tuple[CountEstimator | CompressorEstimator, ...] = (*self.wanted.counted, *self.wanted.compressed)
            for item in failed:
                row = _row(place, item.name, item.unit, status="failed", reason=reason)
                self.rows.measurements.append(row)
        else:
            self._model_rows(place)
        for reader in self.beside:
            self.rows.measurements.extend(reader.model_rows(place, self.rows.failure))
        return self.rows

    def _model_rows(self, place: Row) -> None:
        for shape in self.wanted.shapes:
            counts = self._model_counts(shape)
            self.rows.histograms.append(_histogram_row(self.labels, counts))
            for score in (item for item in self.wanted.counted if item.shape == shape):
                self.rows.measurements.append(_count_row(place, score, counts, score.value(counts)))
                if score.name in NULL_OF and counts.blocks:
                    self.rows.measurements.extend(_null_rows(place, score, counts))
        data = {kind: stream.payload() for kind, stream in self.payloads.items()}
        for item in self.wanted.compressed:
            row = self._submit(item, data[item.payload], place, self.rows.parameters)
            self.rows.measurements.append(row)

    def _model_counts(self, shape: Shape) -> BlockCounts:
        if shape == STRING:
            return self.stream.result()
        return BlockCounts.from_histogram(SQUARE, self.squares, dropped=self.squares_dropped)


def _side_readers(wanted: Wanted, threads: int) -> tuple[SideReader, ...]:
    readers: list[SideReader] = []
    if wanted.streamed:
        readers.append(StreamReader(wanted.streamed, wanted.tensor_rows))
    if wanted.preset is not None and wanted.preset.rules is not None:
        readers.append(PlaneReader(wanted.preset.rules, wanted.tensor_rows, wanted.preset))
    if wanted.controls:
        of = tuple(item.name for item in wanted.counted)
        made_by = marks(wanted.preset)
        readers.append(
            ControlReader(wanted.controls, of, wanted.planes, wanted.tensor_rows, threads=threads, marks=made_by)
        )
    return tuple(readers)


def _row(place: Row, metric: str, unit: str, **columns: Any) -> Row:
    return place | {"metric": metric, "unit": unit, "status": "ok"} | columns


def _count_row(place: Row, item: CountEstimator, counts: BlockCounts, value: float) -> Row:
    facts = {
        "scored": counts.scored,
        "dropped": counts.dropped,
        "ones": counts.ones,
        "blocks": counts.blocks,
        "distinct_blocks": counts.distinct,
    }
    if counts.blocks == 0:
        reason = f"{counts.dropped} weights, not one complete block of {shape_name(item.shape)}"
        return _row(place, item.name, item.unit, status="skipped", reason=reason, **facts)
    if isnan(value):
        reason = f"not defined for {counts.blocks} block(s)"
        return _row(place, item.name, item.unit, status="skipped", reason=reason, **facts)
    return _row(place, item.name, item.unit, value=value, **facts)


def _tensor_row(place: Row, item: CountEstimator, counts: BlockCounts, shape: Shape, value: float) -> Row:
    if item.shape == SQUARE and len(shape) < 2:
        reason = f"{len(shape)} axis, squares need a matrix"
        return _row(place, item.name, item.unit, status="skipped", reason=reason, scored=0)
    return _count_row(place, item, counts, value)


def _null_rows(place: Row, item: CountEstimator, counts: BlockCounts) -> Iterator[Row]:
    """Yield the iid null at the observed share of ones, and its mean at two fixed shares."""
    ctm = ctm_table(item.shape)
    observed = iid_null_of(counts, ctm)
    facts = {"scored": counts.scored, "dropped": counts.dropped, "ones": counts.ones, "blocks": counts.blocks}
    yield _row(place, f"{item.name}_iid_mean", item.unit, value=observed.mean, **facts)
    yield _row(place, f"{item.name}_iid_sd", item.unit, value=observed.sd, **facts)
    for suffix, share in REFERENCE_SHARES.items():
        mean = iid_null_of(counts, ctm, share).mean
        yield _row(place, f"{item.name}_iid_mean_{suffix}", item.unit, value=mean, **facts)


def _histogram_row(labels: Row, counts: BlockCounts) -> Row:
    return labels | {
        "block": shape_name(counts.shape),
        "scored": counts.scored,
        "dropped": counts.dropped,
        "ones": counts.ones,
        "codes": counts.codes.astype(np.int32),
        "counts": counts.counts,
    }
