"""When and how the compiled loop of the shuffle null is used; ``binary.kernels`` does the same for counting."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from complexity_lab.binary.counting import SMALL
from complexity_lab.binary.kernels import compiling

Kernel = Callable[[np.ndarray, int, np.ndarray, np.ndarray], None]


def arrangements(ones: np.ndarray, length: int, values: int, rng: np.random.Generator) -> np.ndarray:
    """Return groups of 0/1, uint8 ``[groups, length]``, each drawn uniformly among all with its number of ones.

    Args:
        ones: int64 ``[groups]``, each 0 to ``length``.
        length: bits per group.
        values: values of the tensor that the groups belong to. It alone decides the route, so that what a seed gives
            does not depend on what the process did before.
        rng: numpy's generator.
    """
    if values < SMALL:
        return rng.permuted((np.arange(length) < ones[:, np.newaxis]).astype(np.uint8), axis=1)
    packed = np.empty((ones.size, -(-length // 64)), dtype="<u8")
    _arrange()(np.ascontiguousarray(ones, dtype=np.int64), length, rng.integers(1, 2**64, 4, dtype=np.uint64), packed)
    return np.unpackbits(packed.view(np.uint8), axis=1, count=length, bitorder="little")


@cache
def _arrange() -> Kernel:
    """Load the kernel from numba's disk cache, or compile it."""
    with compiling():
        from numba import types

        from complexity_lab.controls._shuffle_kernels import arrange

        array = types.Array
        signature = (array(types.int64, 1, "C"), types.int64, array(types.uint64, 1, "C"), array(types.uint64, 2, "C"))
        arrange.compile(signature)
        arrange.disable_compile(True)
    return arrange  # type: ignore[no-any-return]
