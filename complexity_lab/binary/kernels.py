"""When and how the compiled kernels are used: loading, threads, scratch memory.

numba's import and first compile cost about two seconds in a fresh environment and 0.4 s from its disk cache, so small
inputs are counted in numpy until a process has seen enough values to earn it. numba's disk cache is not safe with
several writers, so a kernel is loaded or compiled under a file lock.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from complexity_lab.binary import codes
from complexity_lab.binary.binarize import Signed, count_bad
from complexity_lab.cache import cache_directory

WORTH_COMPILING = 4_000_000  # values; numpy counts them in about 0.1 s
Kernel = Callable[..., Any]


class KernelTable:
    """The compiled kernels of this process, loaded once it has done enough work to be worth their start-up."""

    def __init__(self, load: Callable[..., Kernel], worth: int) -> None:
        """Prepare: ``load(*key)`` loads or compiles a kernel, from ``worth`` units of work on."""
        self.load, self.worth = load, worth
        self.seen = 0
        self.lock = threading.Lock()
        self.loaded: dict[tuple[Any, ...], Kernel] = {}

    def get(self, *key: Any, work: int) -> Kernel | None:
        """Return the kernel of a key, or None while the process has done too little work."""
        with self.lock:
            self.seen += work
            if self.seen < self.worth:
                return None
            if key not in self.loaded:
                self.loaded[key] = self.load(*key)
            return self.loaded[key]

    def warm(self) -> None:
        """Use the compiled kernels from now on, whatever the size."""
        self.seen = self.worth


@contextmanager
def compiling() -> Iterator[None]:
    """Hold the lock of numba's disk cache, and have numba use it for modules that are imported inside."""
    from filelock import FileLock

    directory = _writable_cache()
    with FileLock(directory / "lock"):
        import numba

        numba.config.CACHE_DIR = str(directory)  # type: ignore[attr-defined]  # read by the decorators of the next import
        yield


def _load(name: str, dtype: np.dtype[Any]) -> Kernel:
    """Load a kernel from numba's cache, or compile it, for read-only values of one integer type."""
    with compiling():
        from numba import from_dtype, types

        from complexity_lab.binary import _kernels

        kernel = getattr(_kernels, name)
        axes = {"count_strings": (1, 2), "count_squares": (2, 1)}[name]
        element = from_dtype(dtype)
        values = types.Array(element, axes[0], "C", readonly=True)
        kernel.disable_compile(False)
        kernel.compile((values, element, types.Array(types.uint32, axes[1], "C")))
        kernel.disable_compile(True)  # writable values are then passed as read-only, not compiled for anew
    return kernel  # type: ignore[no-any-return]


KERNELS = KernelTable(_load, WORTH_COMPILING)


def _writable_cache() -> Path:
    """Return a directory for compiled kernels: in the user's cache, or a private temporary one where that is closed."""
    directory = cache_directory() / "kernels"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "lock").touch()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="complexity-lab-kernels-"))
    return directory


def add_strings(view: Signed, histogram: np.ndarray, threads: int = 1) -> bool:
    """Add blocks of 12 of a 1-D view to a histogram (2 x 4096, uint32); return whether a value was bad.

    Values beyond the last complete block are neither counted nor checked.
    """
    kernel = KERNELS.get("count_strings", view.values.dtype, work=view.values.size)
    if kernel is None:
        return _add_in_numpy(view, (12,), histogram[0])
    if threads == 1 or view.values.size < WORTH_COMPILING:
        return bool(kernel(view.values, view.limit, histogram))
    step = -(-view.values.size // (threads * 48)) * 48
    pieces = [view.values[start : start + step] for start in range(0, view.values.size, step)]
    return _side_by_side(kernel, pieces, view.limit, histogram)


def add_squares(view: Signed, histogram: np.ndarray, threads: int = 1) -> bool:
    """Add 4x4 blocks of a 2-D view to a histogram (65536, uint32); return whether a value in a block was bad."""
    kernel = KERNELS.get("count_squares", view.values.dtype, work=view.values.size)
    if kernel is None:
        return _add_in_numpy(view, (4, 4), histogram)
    if threads == 1 or view.values.size < WORTH_COMPILING:
        return bool(kernel(view.values, view.limit, histogram))
    step = -(-view.values.shape[0] // (threads * 4)) * 4
    pieces = [view.values[start : start + step] for start in range(0, view.values.shape[0], step)]
    return _side_by_side(kernel, pieces, view.limit, histogram)


def _side_by_side(kernel: Kernel, pieces: list[np.ndarray], limit: Any, histogram: np.ndarray) -> bool:
    """Count pieces in threads (the kernels release the GIL), each into its own histogram."""
    own = [np.zeros_like(histogram) for _ in pieces]
    with ThreadPoolExecutor(len(pieces)) as pool:
        bad = list(pool.map(kernel, pieces, [limit] * len(pieces), own))
    for part in own:
        histogram += part
    return any(bad)


def _add_in_numpy(view: Signed, shape: tuple[int, ...], histogram: np.ndarray) -> bool:
    counted = codes.count_bits((view.values > 0).view(np.uint8), shape, "ignore")
    histogram[counted.codes] += counted.counts.astype(np.uint32)
    return count_bad(view.values, view.limit) > 0
