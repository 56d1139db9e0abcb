"""LZ76: how many new words the sign bits of weights need, as an estimate of their entropy density.

The exhaustive history of a string (Lempel and Ziv 1976, doi:10.1109/TIT.1976.1055501) cuts it, left to right, into the
shortest words that did not occur before, where "before" may overlap the word: ``0001101001000101`` is
``0.001.10.100.1000.101`` and has ``c = 6`` of them; the last one may be old. The entropy density is
``c(n) log2(n) / n`` (Kaspar and Schuster 1987, doi:10.1103/PhysRevA.36.842), bits per bit.

**Bias.** Random bits tend to a density of 1, but slowly and from above. Mean (and standard deviation) of fair bits:
1.18 (0.07) of 100, 1.062 (0.018) of 1,024, 1.036 (0.008) of 4,096, 1.025 (0.0035) of 16,384, 1.018 (0.0016) of 65,536,
1.0146 (0.0007) of 262,144. Constant bits have ``c = 2``. So densities of different lengths are not comparable: compare
with random bits of the same length (the initial weights of the same model, or a shuffled copy).

**Departure.** Above ``WINDOW`` = 262,144 bits the density is the mean over consecutive windows of that length, the last
of which ends at the last bit and may overlap the one before. Memory is then bounded (8 MB), every bit is scored, and
models of different size have one bias; words further apart than a window are not found. A plain count of any length is
``lz76_components``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log2
from typing import Any

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.binarize import binarize
from complexity_lab.binary.kernels import KernelTable, compiling
from complexity_lab.errors import InputError

WINDOW = 1 << 18  # bits; of 2^16, 2^18 and 2^20 random bits one takes 28, 46 and 113 ns with the compiled loop
LONGEST = 1 << 30  # bits; states of the automaton, two per bit, are numbered in 32 bits
WORTH_COMPILING = 10**9  # squared bits, which is how the search of small inputs grows: about 0.3 s
Kernel = Callable[[np.ndarray, np.ndarray], int]


def lz76_components(bits: Any) -> int:
    """Return ``c(n)``, the number of components of the exhaustive history; 0 without bits.

    Args:
        bits: 0/1 values, or weights binarized by ``w > 0``, of any shape, read row-major. The whole input is one
            string, which takes 33 bytes of memory per bit.

    Raises:
        InputError: wrong dtype, or 2^30 bits or more.
        WeightsError: NaN or infinite weights.

    >>> lz76_components([0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1])  # the example of Lempel and Ziv
    6
    """
    array = as_numpy(bits)
    if array.size >= LONGEST:
        raise InputError(f"{array.size} bits in one string, wanted fewer than {LONGEST}; lz76_density cuts windows")
    return _components(binarize(array).reshape(-1))


def lz76_density(weights: Any) -> float:
    """Return ``c(n) log2(n) / n`` of the sign bits, bits per bit, above ``WINDOW`` bits its mean over windows.

    NaN for fewer than 2 bits. See the module for bias and departure, ``lz76_components`` for argument and errors.

    >>> lz76_density(np.zeros(1024))  # c = 2
    0.01953125
    """
    density = LZ76Density()
    density.add(weights)
    return density.value()


class LZ76Density:
    """The density of the sign bits of many tensors, joined to one string in the order in which they are added.

    Holds at most two windows of bits, whatever the size of the model.
    """

    def __init__(self) -> None:
        self.scored = 0  # weights added
        self._kept: list[np.ndarray] = []  # bits that are in no complete window yet, after the window before them
        self._kept_size = 0
        self._sum, self._windows = 0.0, 0  # of complete windows, all but one of which are no longer kept

    def add(self, values: Any) -> None:
        """Append a tensor of any shape, row-major; 0/1 values are taken as bits.

        Raises:
            InputError: wrong dtype.
            WeightsError: NaN or infinite weights.
        """
        bits = binarize(values).reshape(-1)
        self.scored += bits.size
        self._kept.append(bits)
        self._kept_size += bits.size
        if self._kept_size > 2 * WINDOW:
            self._score_complete()

    def _score_complete(self) -> None:
        """Score windows until at most two are left, so that the last window can reach back into what is kept."""
        bits = self._joined()
        while bits.size > 2 * WINDOW:
            self._sum += _density(bits[:WINDOW])
            self._windows += 1
            bits = bits[WINDOW:]
        self._kept, self._kept_size = [bits.copy()], bits.size

    def value(self) -> float:
        """Return the density of everything added so far, bits per bit; NaN for fewer than 2 bits."""
        bits = self._joined()
        if self.scored < 2:
            return float("nan")
        last = [_density(window) for window in _windows(bits)]
        return (self._sum + sum(last)) / (self._windows + len(last))

    def _joined(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=np.uint8), *self._kept])


def _windows(bits: np.ndarray) -> Iterator[np.ndarray]:
    """Yield consecutive windows; the last one ends at the last bit."""
    for start in range(0, bits.size - WINDOW, WINDOW):
        yield bits[start : start + WINDOW]
    yield bits[-WINDOW:]


def _density(bits: np.ndarray) -> float:
    return _components(bits) * log2(bits.size) / bits.size


def _components(bits: np.ndarray) -> int:
    kernel = LZ76_KERNELS.get(work=bits.size**2)
    if kernel is None:
        return _components_by_search(bits.tobytes())
    scratch = np.empty((2 * bits.size + 1, 4), dtype=np.int32)
    return int(kernel(np.ascontiguousarray(bits), scratch))


def _components_by_search(bits: bytes) -> int:
    """Count with the search of bytes: quadratic, but ready at once.

    The first place of a longer word is not before that of its beginning, so a search goes on where the last one ended.
    """
    components = start = 0
    while start < len(bits):
        end, place = start + 1, 0  # the word is bits[start:end], and without its last bit it occurs at ``place``
        while end <= len(bits) and (place := bits.find(bits[start:end], place, end - 1)) >= 0:
            end += 1
            while end <= len(bits) and bits[place + end - 1 - start] == bits[end - 1]:
                end += 1
        components += 1
        start = end
    return components


def _load() -> Kernel:
    """Load the kernel from numba's disk cache, or compile it."""
    with compiling():
        from numba import types

        from complexity_lab.estimators._lz76 import count_components

        count_components.compile((types.Array(types.uint8, 1, "C", readonly=True), types.Array(types.int32, 2, "C")))
        count_components.disable_compile(True)
    return count_components  # type: ignore[no-any-return]


LZ76_KERNELS = KernelTable(_load, WORTH_COMPILING)
