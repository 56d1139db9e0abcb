"""Compressors of one model side by side, the longest job first."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from complexity_lab.estimators.compressors import Compressed, compress

# seconds per byte of packed random bits, relative to gzip; one that is not listed is taken to be as slow as the slowest
_SLOWNESS = {"gzip": 1.0, "bz2": 5.0, "zstd": 12.0, "lzma": 18.0}
_Job = tuple[float, int, bytes, str, "Future[Compressed]"]


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
