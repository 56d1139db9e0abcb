"""When and how the compiled kernels of the bit planes are used; ``kernels`` does the same for the sign bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from complexity_lab.binary.kernels import Kernel, KernelTable, compiling

WORTH_COMPILING = 32_000_000  # values x planes; numpy counts them in about 0.1 s
LEVELS = 1 << 16  # levels that are counted plane after plane; they and one histogram stay in the second-level cache


def _load(name: str, values: np.dtype[Any], other: np.dtype[Any]) -> Kernel:
    """Load a kernel from numba's cache, or compile it, for read-only values."""
    with compiling():
        from numba import from_dtype, types

        from complexity_lab.binary import _plane_kernels

        kernel = getattr(_plane_kernels, name)
        element, second = from_dtype(values), from_dtype(other)
        real = types.float64 if values == np.float64 else types.float32
        array = types.Array
        kernel.disable_compile(False)
        if name == "find_outside":
            kernel.compile((array(element, 1, "C", readonly=True), real, real, array(second, 1, "C")))
        else:
            scratch = (array(element, 1, "C"), array(second, 1, "C"), array(types.uint32, 2, "C"))
            kernel.compile((array(element, 2, "C", readonly=True), real, real, real, *scratch))
        kernel.disable_compile(True)  # writable values are then passed as read-only, not compiled for anew
    return kernel  # type: ignore[no-any-return]


PLANE_KERNELS = KernelTable(_load, WORTH_COMPILING)


def raw(values: np.ndarray) -> np.ndarray:
    """View half precision as the integers that tell the kernels its format: float16 int16, bfloat16 uint16."""
    if values.dtype.itemsize > 2:
        return values
    return values.view(np.int16 if values.dtype == np.float16 else np.uint16)


def real(values: np.ndarray) -> np.ndarray:
    """Return numbers in the precision of the arithmetic: float64 as it is, everything else as float32."""
    return values.astype(np.float64 if values.dtype == np.float64 else np.float32, copy=False)


def outside(flat: np.ndarray, low: np.floating[Any], high: np.floating[Any], capacity: int) -> np.ndarray | None:
    """Return positions of values (1-D) not within ``low`` and ``high``, NaN among them; None if above ``capacity``."""
    view = raw(flat)
    kernel = PLANE_KERNELS.get("find_outside", view.dtype, np.dtype(np.int64), work=view.size)
    whole = 0 if kernel is None else view.size - view.size % 64
    rest = real(flat[whole:])
    last = whole + (~((rest >= low) & (rest <= high))).nonzero()[0]
    if kernel is None:
        return last if last.size <= capacity else None
    found = np.empty(capacity, dtype=np.int64)
    count = kernel(view[:whole], low, high, found)
    return None if count < 0 else np.append(found[:count], last)


def histograms_in_kernel(
    matrix: np.ndarray, bits: int, lo: np.floating[Any], delta: np.floating[Any], top: np.floating[Any]
) -> np.ndarray | None:
    """Return the histogram of 4x4 blocks of every plane, uint32 ``[bits, 65536]``, or None if not worth it yet."""
    view = raw(matrix)
    level = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    kernel = PLANE_KERNELS.get("count_planes", view.dtype, level, work=bits * view.size)
    if kernel is None:
        return None
    histograms = np.zeros((bits, 65536), dtype=np.uint32)
    kernel(view, lo, delta, top, np.zeros(64, view.dtype), np.empty(LEVELS, level), histograms)
    return histograms
