"""Bits of tensors to a codebook and indices, and back: what a packed file is made of. No files here.

Values are compared as raw bits, so -0.0 differs from 0.0 and every NaN is itself: what comes back is bit for bit what
went in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from complexity_lab.momos.bound import index_bits


@dataclass(frozen=True)
class Mosaic:
    """Arrays of one type, cut into blocks of ``s`` values that are stored once each.

    Attributes:
        codebook: different blocks, unsigned integers ``[k, s]``.
        indices: which block each one is, int64 ``[m]``.
        sizes: values of each array; the last block of each is filled up with zeros.
    """

    codebook: np.ndarray
    indices: np.ndarray
    sizes: tuple[int, ...]

    @property
    def s(self) -> int:
        """Values in a block."""
        return int(self.codebook.shape[1])

    @property
    def k(self) -> int:
        """Different blocks."""
        return len(self.codebook)

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return index_bits(max(1, self.k))

    @property
    def bytes(self) -> int:
        """Bytes of codebook and bit-packed indices."""
        return self.codebook.nbytes + -(-len(self.indices) * self.bits // 8)

    def arrays(self) -> list[np.ndarray]:
        """Return the arrays again, flat."""
        return [part.reshape(-1)[:size] for part, size in zip(self._parts(), self.sizes, strict=True)]

    def _parts(self) -> list[np.ndarray]:
        ends = np.cumsum([-(-size // self.s) for size in self.sizes])[:-1]
        return [self.codebook[part] for part in np.split(self.indices, ends)]


def cut(arrays: Sequence[np.ndarray], s: int) -> np.ndarray:
    """Return flat unsigned arrays of one type as blocks ``[m, s]``, each array filled up with zeros."""
    padded = []
    for array in arrays:
        rest = -array.size % s
        padded.append(np.concatenate([array, np.zeros(rest, dtype=array.dtype)]) if rest else array)
    return np.concatenate(padded).reshape(-1, s) if padded else np.zeros((0, s), dtype=np.uint32)


def mosaic_of(arrays: Sequence[np.ndarray], s: int) -> Mosaic:
    """Return the mosaic of flat unsigned arrays of one type."""
    blocks = cut(arrays, s)
    codebook, indices = distinct_rows(blocks)
    return Mosaic(codebook, indices, tuple(array.size for array in arrays))


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different rows of an unsigned array and, for each row, which of them it is."""
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):  # a hash sorts faster than whole rows
        keys = (keys ^ rows[:, column].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    different = rows[first]
    if not np.array_equal(different[inverse], rows):  # two rows share a key: compare them as they are
        different, inverse = np.unique(rows, axis=0, return_inverse=True)
    return different, inverse.reshape(-1)


def worth_packing(arrays: Sequence[np.ndarray], s: int) -> list[bool]:
    """Tell for each array whether its blocks are shared enough that an index and a codebook are shorter than itself.

    An array pays for the blocks that no other array has, and for its indices.
    """
    blocks = cut(arrays, s)
    codebook, indices = distinct_rows(blocks)
    bits = index_bits(max(1, len(codebook)))
    counts = [-(-array.size // s) for array in arrays]
    owners = np.repeat(np.arange(len(arrays)), counts)
    pairs = np.unique(indices * len(arrays) + owners)  # each block once per array
    shared = np.bincount(pairs // len(arrays), minlength=len(codebook))
    own = np.bincount((pairs % len(arrays))[shared[pairs // len(arrays)] == 1], minlength=len(arrays))
    return [
        8 * own[i] * s * array.itemsize + counts[i] * bits < 8 * array.nbytes and array.size > 0
        for i, array in enumerate(arrays)
    ]


def pack_bits(indices: np.ndarray, bits: int) -> np.ndarray:
    """Return indices as a stream of ``bits`` bits each, least significant first, uint8."""
    pieces = []
    for start in range(0, len(indices), 2**16):  # whole bytes per piece, whatever the bits
        part = indices[start : start + 2**16, None] >> np.arange(bits)
        pieces.append(np.packbits((part & 1).astype(np.uint8), bitorder="little"))
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint8)


def unpack_bits(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Return the ``count`` indices of ``pack_bits``, int64."""
    if bits == 0:
        return np.zeros(count, dtype=np.int64)
    found = np.empty(count, dtype=np.int64)
    step = 2**16
    for start in range(0, count, step):
        size = min(step, count - start)
        first = start * bits // 8
        ones = np.unpackbits(packed[first : first + -(-size * bits // 8)], count=size * bits, bitorder="little")
        found[start : start + size] = ones.reshape(size, bits).astype(np.int64) @ (1 << np.arange(bits))
    return found
