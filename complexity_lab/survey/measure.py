"""One set of weights to rows: reads every tensor once, and fills the measurements and histograms of one state.

A tensor that cannot be scored is a row that says why. If a tensor holds NaN or infinities, the model-level numbers of
that state do not exist either, and their rows name the tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from complexity_lab.binary.binarize import Signed, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, TensorCounter, as_matrix
from complexity_lab.controls.iid import iid_null_of
from complexity_lab.errors import ComplexityLabError, InputError, WeightsError
from complexity_lab.estimators.compressors import Compressed, Payload, PayloadStream, compress
from complexity_lab.estimators.ctm import ctm_table, shape_name
from complexity_lab.estimators.estimator import CompressorEstimator, CountEstimator, estimator
from complexity_lab.weights.source import NamedTensor, SkippedTensor, WeightSource

Row = dict[str, Any]
NULL_OF = {"bdm": STRING, "bdm_2d": SQUARE}  # estimators that get their iid null beside them
REFERENCE_SHARES = {"p45": 0.45, "p50": 0.5}  # ones fractions whose expected BDM tells what this size can resolve


@dataclass(frozen=True)
class Wanted:
    """Which numbers to compute: names of metrics, and the scopes to compute them for."""

    metrics: tuple[str, ...]
    tensor_rows: bool = True  # count estimators per tensor
    tensor_compressors: bool = False  # compressors per tensor too

    @cached_property
    def counted(self) -> tuple[CountEstimator, ...]:
        """Estimators that read block counts."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CountEstimator))

    @cached_property
    def compressed(self) -> tuple[CompressorEstimator, ...]:
        """Compressors."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CompressorEstimator))

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


@contextmanager
def compressor_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads for compressors; an interrupt does not wait for them."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def measure_source(
    source: WeightSource, wanted: Wanted, labels: Row, pool: ThreadPoolExecutor, threads: int = 1
) -> Rows:
    """Read a source once and return its rows.

    Args:
        source: tensors in model order.
        wanted: which numbers.
        labels: columns that every row shares: model, state, seed.
        pool: where compressors run; they may still run when this returns, see ``Rows.wait``.
        threads: for counting one large tensor.
    """
    reader = _Reader(wanted, labels, pool, threads)
    for tensor in source.tensors():
        reader.read(tensor)
    return reader.finish(source.label)


class _Reader:
    """Collects what one pass over the tensors yields."""

    def __init__(self, wanted: Wanted, labels: Row, pool: ThreadPoolExecutor, threads: int) -> None:
        self.wanted, self.labels, self.pool = wanted, labels, pool
        self.rows = Rows()
        self.counters = {shape: TensorCounter(shape, threads) for shape in wanted.shapes}
        self.stream = StreamCounter(threads)
        self.squares = np.zeros(2**16, dtype=np.int64)
        self.squares_dropped = 0
        kinds: tuple[Payload, ...] = tuple(dict.fromkeys(item.payload for item in wanted.compressed))
        self.payloads = {kind: PayloadStream(kind) for kind in kinds}

    def read(self, tensor: NamedTensor | SkippedTensor) -> None:
        """Add one tensor to the stream and write its rows."""
        place = self.labels | {"scope": "tensor", "tensor": tensor.name, "kind": tensor.kind}
        if isinstance(tensor, SkippedTensor):
            place["shape"] = shape_name(tensor.shape)
            self._append_all(place, "skipped", tensor.reason)
            return
        place["shape"] = shape_name(tensor.values.shape)
        self.rows.parameters += tensor.values.size
        try:
            self._score(tensor, place)
        except (WeightsError, InputError) as error:
            named = type(error)(f"tensor {tensor.name}: {error}")
            self.rows.failure = self.rows.failure or named
            self._append_all(place, "failed", str(error))

    def _append_all(self, place: Row, status: str, reason: str) -> None:
        if self.wanted.tensor_rows:
            for item in self.wanted.counted:
                self.rows.measurements.append(_row(place, item.name, item.unit, status=status, reason=reason))

    def _score(self, tensor: NamedTensor, place: Row) -> None:
        view = signed(tensor.values)
        flat = Signed(view.values.reshape(-1), view.limit)
        counts: dict[Shape, BlockCounts] = {}
        for shape, counter in self.counters.items():
            counts[shape] = counter.count(flat if shape == STRING else Signed(as_matrix(view.values), view.limit))
        self.stream.add_signed(view, counts.get(STRING))  # refuses what is not finite even if nothing is counted
        if SQUARE in counts:
            self._pool_squares(counts[SQUARE], tensor.values.shape)
        for payload in self.payloads.values():
            payload.add(tensor.values)
        if self.wanted.tensor_rows:
            for item in self.wanted.counted:
                self.rows.measurements.append(_tensor_row(place, item, counts[item.shape], tensor.values.shape))
        if self.wanted.tensor_compressors:
            self._compress_tensor(tensor, place)

    def _pool_squares(self, counts: BlockCounts, shape: tuple[int, ...]) -> None:
        """Squares never straddle tensors: the model's histogram is the sum of those of its tensors."""
        if len(shape) >= 2:
            self.squares[counts.codes] += counts.counts
        self.squares_dropped += counts.dropped if len(shape) >= 2 else counts.scored + counts.dropped

    def _compress_tensor(self, tensor: NamedTensor, place: Row) -> None:
        for item in self.wanted.compressed:
            stream = PayloadStream(item.payload)
            stream.add(tensor.values)
            self._submit(item, stream.payload(), place, tensor.values.size)

    def _submit(self, item: CompressorEstimator, data: bytes, place: Row, scored: int) -> None:
        row = _row(place, item.name, item.unit, scored=scored, dropped=0)
        self.rows.measurements.append(row)
        self.rows.pending.append((row, self.pool.submit(compress, data, item.compressor)))

    def finish(self, label: str) -> Rows:
        """Write the rows of the whole model."""
        place = self.labels | {"scope": "model", "tensor": "", "kind": "", "shape": ""}
        if self.rows.parameters == 0 and self.rows.failure is None:
            self.rows.failure = WeightsError(f"{label} has no trainable floating-point parameters")
        if self.rows.failure is not None:
            reason = str(self.rows.failure)
            for name in self.wanted.metrics:
                row = _row(place, name, estimator(name).unit, status="failed", reason=reason)
                self.rows.measurements.append(row)
            return self.rows
        self._model_rows(place)
        return self.rows

    def _model_rows(self, place: Row) -> None:
        for shape in self.wanted.shapes:
            counts = self._model_counts(shape)
            self.rows.histograms.append(_histogram_row(self.labels, counts))
            for score in (item for item in self.wanted.counted if item.shape == shape):
                self.rows.measurements.append(_count_row(place, score, counts))
                if score.name in NULL_OF and counts.blocks:
                    self.rows.measurements.extend(_null_rows(place, score, counts))
        data = {kind: stream.payload() for kind, stream in self.payloads.items()}
        for item in self.wanted.compressed:
            self._submit(item, data[item.payload], place, self.rows.parameters)

    def _model_counts(self, shape: Shape) -> BlockCounts:
        if shape == STRING:
            return self.stream.result()
        return BlockCounts.from_histogram(SQUARE, self.squares, dropped=self.squares_dropped)


def _row(place: Row, metric: str, unit: str, **columns: Any) -> Row:
    return place | {"metric": metric, "unit": unit, "status": "ok"} | columns


def _count_row(place: Row, item: CountEstimator, counts: BlockCounts) -> Row:
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
    value = item.value(counts)
    if np.isnan(value):
        reason = f"not defined for {counts.blocks} block(s)"
        return _row(place, item.name, item.unit, status="skipped", reason=reason, **facts)
    return _row(place, item.name, item.unit, value=value, **facts)


def _tensor_row(place: Row, item: CountEstimator, counts: BlockCounts, shape: tuple[int, ...]) -> Row:
    if item.shape == SQUARE and len(shape) < 2:
        reason = f"{len(shape)} axis, squares need a matrix"
        return _row(place, item.name, item.unit, status="skipped", reason=reason, scored=0)
    return _count_row(place, item, counts)


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
