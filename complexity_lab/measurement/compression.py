"""Compressors: payloads of the whole stream and of every tensor, compressed here or by threads, the longest first."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from complexity_lab.errors import WeightsError
from complexity_lab.estimators.compressors import Compressed, Payload, PayloadStream, compress
from complexity_lab.estimators.estimator import CompressorEstimator
from complexity_lab.measurement.reader import Rows
from complexity_lab.measurement.rows import Facts, Quantity, Target
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.tables.rows import Measurement, Status
from complexity_lab.weights.source import NamedTensor

# seconds per byte of packed random bits, relative to gzip; one that is not listed is taken to be as slow as the slowest
_SLOWNESS = {"gzip": 1.0, "bz2": 5.0, "zstd": 12.0, "lzma": 18.0}
_Job = tuple[float, int, bytes, str, "Future[Compressed]"]


class Compressing(Protocol):
    """Where payloads are compressed."""

    def submit(self, data: bytes, compressor: str) -> Future[Compressed]:
        """Have ``data`` compressed; the result, or the error, is in the future."""
        ...


class CompressHere:
    """Compresses at once, in the thread that asks."""

    def submit(self, data: bytes, compressor: str) -> Future[Compressed]:
        """Compress ``data``; the result, or the error, is in the future."""
        future: Future[Compressed] = Future()
        try:
            future.set_result(compress(data, compressor))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result gets it, as from a thread
            future.set_exception(error)
        return future


class CompressorPool:
    """Threads for compressors, which release the interpreter's lock.

    A free thread takes the job that will run longest. In order of arrival the slowest compressor of the last state
    would come last, with all other threads idle beside it.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._jobs: list[_Job] = []
        self._arrival = itertools.count()
        self._lock = threading.Lock()

    def submit(self, data: bytes, compressor: str) -> Future[Compressed]:
        """Have ``data`` compressed by one of the threads; the result, or the error, is in the future."""
        future: Future[Compressed] = Future()
        seconds = len(data) * _SLOWNESS.get(compressor, max(_SLOWNESS.values()))
        with self._lock:
            heapq.heappush(self._jobs, (-seconds, next(self._arrival), data, compressor, future))
        self._pool.submit(self._run_longest)
        return future

    def _run_longest(self) -> None:
        with self._lock:
            _, _, data, compressor, future = heapq.heappop(self._jobs)
        try:
            future.set_result(compress(data, compressor))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            future.set_exception(error)


@contextmanager
def compressor_pool(threads: int) -> Iterator[CompressorPool]:
    """Yield threads for compressors; an interrupt does not wait for them."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield CompressorPool(pool)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class CompressorReader:
    """Collects payloads. Its rows have no value until ``resolve`` knows what the compressors found."""

    def __init__(self, spec: MeasurementSpec, compressing: Compressing) -> None:
        self.estimators, self.per_tensor, self.compressing = spec.compressed, spec.tensor_compressors, compressing
        kinds: dict[Payload, None] = dict.fromkeys(item.payload for item in self.estimators)
        self.payloads = {kind: PayloadStream(kind) for kind in kinds}
        self.pending: dict[int, tuple[Measurement, Future[Compressed]]] = {}  # by the identity of the row
        self.read_so_far = 0

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Add a tensor, see ``Reader``."""
        self.read_so_far += tensor.values.size
        for payload in self.payloads.values():
            payload.add(tensor.values)
        rows = []
        for item in self.estimators if self.per_tensor else ():
            stream = PayloadStream(item.payload)
            stream.add(tensor.values)
            rows.append(self._submit(target, item, stream.payload(), tensor.values.size))
        return rows

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the rows that say why a model has no numbers; of a tensor other metrics say it."""
        wanted = self.estimators if target.scope == "model" else ()
        return [target.missing(Quantity(item.name, item.unit), status, reason) for item in wanted]

    def model_rows(self, target: Target) -> Rows:
        """Return the rows of the whole model."""
        data = {kind: stream.payload() for kind, stream in self.payloads.items()}
        return [self._submit(target, item, data[item.payload], self.read_so_far) for item in self.estimators]

    def _submit(self, target: Target, item: CompressorEstimator, data: bytes, scored: int) -> Measurement:
        row = target.number(Quantity(item.name, item.unit), float("nan"), Facts(scored, 0))
        self.pending[id(row)] = (row, self.compressing.submit(data, item.compressor))
        return row

    def resolve(self, rows: Rows) -> tuple[Rows, WeightsError | None]:
        """Return rows with what the compressors found, and the first error of those that failed."""
        failure: WeightsError | None = None
        found = []
        for row in rows:
            _, future = self.pending.pop(id(row), (None, None))
            error = None if future is None else future.exception()
            if error is not None:  # lzma may run out of memory; the other numbers stand
                reason = f"{type(error).__name__} {error}".strip()
                failure = failure or WeightsError(f"{row.metric}: {reason}")
                row = replace(row, value=None, status="failed", reason=reason)
            elif future is not None:
                result = future.result()
                raw, compressed = result.raw_bytes, result.compressed_bytes
                row = replace(row, value=result.rate, raw_bytes=raw, compressed_bytes=compressed)
            found.append(row)
        return found, failure
