"""Which blocks of raw bits occur more than once, and how to cut tensors so that few different ones do.

Values are unsigned integers here, the raw bits of the weights: two blocks are equal where every bit is, so ``-0.0``
differs from ``0.0`` and a NaN equals itself. Nothing is rounded anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod

import numpy as np
import torch

from complexity_lab.errors import InputError
from complexity_lab.momos.bitpacking import packed_size
from complexity_lab.momos.blocks import FlatLayout, Padding, Shape, TileLayout
from complexity_lab.momos.bound import index_bits

SIZES = (1, 2, 4, 8, 16, 32)  # values in a block that are tried where none is given
OVERHEAD = 512  # bytes that a codebook's entries in the header may take; saving less is not worth it
BlockLayout = FlatLayout | TileLayout


@dataclass(frozen=True)
class Cut:
    """How tensors are cut into blocks.

    Attributes:
        s: values in a block.
        padding: of incomplete blocks, see ``FlatLayout``.
        tile: rows and columns of 2-D tiles, see ``TileLayout``; None for consecutive values.
    """

    s: int
    padding: Padding = "tensor"
    tile: tuple[int, int] | None = None

    def layout(self, shapes: Sequence[Shape]) -> BlockLayout:
        """Return the layout of tensors of these shapes.

        Raises:
            InputError: ``s`` or a side of the tile is below 1, or no tensor holds a whole block.
        """
        if self.tile is not None:
            return TileLayout(tuple(shapes), *self.tile)
        return FlatLayout(tuple(prod(shape) for shape in shapes), self.s, self.padding)


@dataclass(frozen=True)
class Plan:
    """What of some tensors becomes blocks, and how.

    Attributes:
        cut: how they are cut.
        members: positions of the tensors that become blocks; the others are stored as they are.
        size: bytes of codebook, indices and the other tensors.
    """

    cut: Cut
    members: tuple[int, ...]
    size: int


@dataclass(frozen=True, eq=False)
class Codebook:
    """Different blocks, the most frequent first (of equally frequent ones the earliest), and where each stands.

    Attributes:
        motifs: ``[k, s]``, raw bits.
        indices: uint32 ``[m]``, the motif of each block.
    """

    motifs: np.ndarray
    indices: np.ndarray

    @property
    def index_bits(self) -> int:
        """Bits of one index."""
        return index_bits(len(self.motifs))


def blocks_of(layout: BlockLayout, values: Sequence[np.ndarray]) -> np.ndarray:
    """Return ``[m, s]`` blocks of flattened tensors, filled up with zeros; the layout must be of their shapes."""
    if isinstance(layout, TileLayout):
        joined = np.concatenate([*values, np.zeros(1, values[0].dtype)])  # the last one is the padding
        tiles: np.ndarray = joined[_positions(layout)].reshape(-1, layout.s)
        return tiles
    flat = np.zeros(layout.blocks * layout.s, values[0].dtype)
    for tensor, start in zip(values, layout.starts, strict=True):
        flat[start : start + tensor.size] = tensor
    return flat.reshape(-1, layout.s)


def values_of(layout: BlockLayout, blocks: np.ndarray) -> list[np.ndarray]:
    """Return the flattened tensors of ``[m, s]`` blocks without the padding; undoes ``blocks_of``."""
    flat = blocks.reshape(-1)
    if isinstance(layout, FlatLayout):
        return [flat[start : start + size] for start, size in zip(layout.starts, layout.sizes, strict=True)]
    positions = _positions(layout)
    joined = np.empty(layout.values, flat.dtype)
    joined[positions[positions >= 0]] = flat[positions >= 0]
    starts = accumulate((prod(shape) for shape in layout.shapes), initial=0)
    return [joined[start:end] for start, end in pairwise(starts)]


def _positions(layout: TileLayout) -> np.ndarray:
    """Return which of all values stands at each place of the blocks, int64 ``[m * s]``; -1 for padding."""
    numbers = torch.arange(1, layout.values + 1, dtype=torch.float64)  # exact up to 2**53 values; 0 is padding
    starts = accumulate((prod(shape) for shape in layout.shapes), initial=0)
    parts = [
        numbers[start : start + prod(shape)].view(shape) for start, shape in zip(starts, layout.shapes, strict=False)
    ]
    positions: np.ndarray = layout.gather(parts).reshape(-1).long().numpy() - 1
    return positions


def codebook_of(blocks: np.ndarray) -> Codebook:
    """Return the different rows of ``[m, s]`` blocks; exact, whatever the keys of rows collide on."""
    _, first, inverse, counts = np.unique(keys_of(blocks), return_index=True, return_inverse=True, return_counts=True)
    if not np.array_equal(blocks[first[inverse]], blocks):
        rows = np.ascontiguousarray(blocks).view(np.dtype((np.void, blocks.shape[1] * blocks.itemsize))).reshape(-1)
        _, first, inverse, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(order), dtype=np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    return Codebook(blocks[first[order]], rank[inverse])


def keys_of(blocks: np.ndarray) -> np.ndarray:
    """Return an unsigned integer for each row of ``[m, s]`` blocks, equal where the rows are.

    Rows of up to 8 bytes are their own key. Longer ones are mixed into 64 bits, so that different rows share a key
    with a probability of about ``m**2 / 2**65``; sorting keys is ten times faster than sorting rows.
    """
    m, width = len(blocks), blocks.shape[1] * blocks.itemsize
    octets = np.ascontiguousarray(blocks).view(np.uint8).reshape(m, width)
    if width in (1, 2, 4, 8):
        return octets.view(f"<u{width}").reshape(m)
    if width % 8:
        octets = np.pad(octets, ((0, 0), (0, -width % 8)))
    keys = np.zeros(m, dtype=np.uint64)
    for word in octets.view("<u8").T:
        keys ^= word
        keys *= np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, as in Fibonacci hashing
        keys ^= keys >> np.uint64(29)
    return keys


def best_plan(
    values: Sequence[np.ndarray], shapes: Sequence[Shape], cuts: Sequence[Cut], parameters: Sequence[bool]
) -> Plan | None:
    """Return the cut and the tensors that give the fewest bytes, or None where storing all as they are is as short.

    Args:
        values: raw bits of tensors of one dtype, flattened.
        shapes: their shapes.
        cuts: how they may be cut; those with more values in a block than any tensor has are passed over.
        parameters: which tensors are parameters, that is, may have been projected.
    """
    sizes = np.array([tensor.size for tensor in values], dtype=np.int64)
    possible = [cut for cut in cuts if cut.s <= (sizes.max() if cut.padding == "tensor" else sizes.sum())]
    twins = [Cut(cut.s, "vector") for cut in cuts if cut.padding == "tensor" and not (sizes[:-1] % cut.s).any()]
    possible = [cut for cut in possible if cut not in twins]  # where only the last tensor is padded, both are the same
    plans = [plan for cut in possible for plan in _plans(cut, values, shapes, sizes, parameters)]
    dense = int(sizes.sum()) * values[0].itemsize
    best = min(plans, key=lambda plan: plan.size, default=None)
    return best if best is not None and best.size + OVERHEAD < dense else None


def _plans(
    cut: Cut, values: Sequence[np.ndarray], shapes: Sequence[Shape], sizes: np.ndarray, parameters: Sequence[bool]
) -> list[Plan]:
    if cut.padding == "tensor":
        plan = _plan_by_tensor(cut, values, shapes, sizes)
        return [plan] if plan else []
    # a tensor left out shifts the blocks of all later ones, so that only two choices can match a projection
    everything = tuple(int(index) for index in np.flatnonzero(sizes))
    projected = tuple(index for index in everything if parameters[index])
    found = []
    for members in {everything, projected}:
        chosen = [values[index] for index in members]
        if cut.s <= sum(tensor.size for tensor in chosen):
            blocks = blocks_of(cut.layout([shapes[index] for index in members]), chosen)
            k = len(np.unique(keys_of(blocks)))
            rest = int(sizes.sum()) - sum(tensor.size for tensor in chosen)
            found.append(Plan(cut, members, _size(k, len(blocks), cut.s, rest, values[0].itemsize)))
    return found


def _size(k: int, m: int, s: int, rest: int, itemsize: int) -> int:
    """Return the bytes of ``k`` motifs of ``s`` values, ``m`` indices and ``rest`` values outside of blocks."""
    return (k * s + rest) * itemsize + packed_size(m, index_bits(k))


def _plan_by_tensor(cut: Cut, values: Sequence[np.ndarray], shapes: Sequence[Shape], sizes: np.ndarray) -> Plan | None:
    """Leave out the tensors whose own blocks take more bytes than their values, until there is none.

    Such as running statistics beside projected weights: they would lengthen the codebook, and with it every index.
    """
    kept = [index for index, size in enumerate(sizes) if size]
    kept_shapes = [shapes[index] for index in kept]
    blocks = blocks_of(cut.layout(kept_shapes), [values[index] for index in kept])
    _, ids = np.unique(keys_of(blocks), return_inverse=True)
    owner = np.repeat(kept, _blocks_of_each(cut, kept_shapes))
    itemsize = values[0].itemsize
    while len(ids):
        k = int(np.count_nonzero(np.bincount(ids)))
        own = _blocks_of_one_owner(ids, owner, len(sizes))
        index_bytes = np.bincount(owner, minlength=len(sizes)) * index_bits(k) / 8
        loses = own * cut.s * itemsize + index_bytes >= sizes * itemsize
        if not loses[owner].any():
            members = tuple(int(index) for index in np.unique(owner))
            if cut.s > sizes[list(members)].max():
                return None  # only padded scraps are left, which no layout is for
            rest = int(sizes.sum() - sizes[list(members)].sum())
            return Plan(cut, members, _size(k, len(ids), cut.s, rest, itemsize))
        ids, owner = ids[~loses[owner]], owner[~loses[owner]]
    return None


def _blocks_of_each(cut: Cut, shapes: Sequence[Shape]) -> list[int]:
    """Return how many blocks each tensor is cut into, each for itself."""
    if cut.tile is None:
        return [-(-prod(shape) // cut.s) for shape in shapes]
    rows, columns = cut.tile
    found = []
    for shape in shapes:
        height, width = (1, prod(shape)) if len(shape) < 2 else shape[-2:]
        found.append(prod(shape[:-2]) * -(-height // rows) * -(-width // columns))
    return found


def _blocks_of_one_owner(ids: np.ndarray, owner: np.ndarray, tensors: int) -> np.ndarray:
    """Return for each tensor how many different blocks occur in it and in no other one; ``owner`` ascends."""
    first = np.full(ids.max() + 1, -1)
    last = np.full(ids.max() + 1, -1)
    last[ids] = owner  # of repeated ids the last assignment stays
    first[ids[::-1]] = owner[::-1]
    alone = first[(first == last) & (first >= 0)]
    return np.bincount(alone, minlength=tensors)


def cuts_to_try(s: int | None, padding: Padding | None, tile: tuple[int, int] | None) -> tuple[Cut, ...]:
    """Return the cuts that a caller leaves open.

    Raises:
        InputError: a number below 1, an unknown padding, or a tile beside ``s`` or ``padding``.
    """
    if padding not in (None, "tensor", "vector"):
        raise InputError(f"padding {padding!r}, wanted tensor or vector")
    if s is not None and s < 1:
        raise InputError(f"blocks of s = {s} values, wanted at least 1")
    if tile is not None:
        if s is not None or padding is not None:
            raise InputError("a tile beside s or padding, wanted one way to cut blocks; a tile of r x c has s = r c")
        if min(tile) < 1:
            raise InputError(f"a tile of {tile[0]} x {tile[1]} values, wanted at least 1 x 1")
        return (Cut(tile[0] * tile[1], tile=tile),)
    paddings: tuple[Padding, ...] = ("tensor", "vector") if padding is None else (padding,)
    return tuple(Cut(size, rule) for size in (SIZES if s is None else (s,)) for rule in paddings)
