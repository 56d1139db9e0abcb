"""The nearest motif of every block, exactly: distances as float64 has them, ties to the lowest index.

Three ways lead to the same answer, and which is taken was measured: a tree of boxes where blocks are short or motifs
many, brute force fused with its minimum otherwise, and chunked torch for small inputs and on GPUs.
None holds a matrix of all distances.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from complexity_lab.binary.kernels import compiling

Method = Literal["boxes", "fused", "chunked"]
SMALL = 2**24  # distances times values of a block; below, loading compiled kernels does not pay
BOXES_FROM = (0, 0, 0, 0, 0, 0, 0, 0, 1500, 3000, 7000, 10_000, 15_000)  # motifs from which a tree is faster, by s
CHUNK = {"cpu": 2**22}  # float64 differences held at the same time: what stays in cache
CHUNK_ELSEWHERE = 2**26  # half a gigabyte, so that launching kernels does not take longer than they run
LARGE_ON_GPU = 2**31  # distances times values of a block; above, brute force does more work than a tree can save
LARGEST = 1e15  # values above could overflow float32 scores


def nearest(blocks: Tensor, motifs: Tensor, method: Method | None = None) -> Tensor:
    """Return, for each block, the index of the nearest motif in squared Euclidean distance.

    Args:
        blocks: ``[m, s]``, finite.
        motifs: ``[k, s]``, finite, same dtype and device.
        method: how to search; chosen by size and device if None. The answer is the same.

    Returns:
        int64 ``[m]`` on the same device.
    """
    blocks, motifs = blocks.detach(), motifs.detach()
    chosen = method or choose(blocks, motifs)
    if chosen == "chunked":
        return _chunked(blocks, motifs)
    points, first = _distinct(motifs.cpu().numpy())
    values = np.ascontiguousarray(blocks.cpu().numpy())
    search = _Boxes(points) if chosen == "boxes" else _Fused(points)
    found = _side_by_side(search, values)
    return torch.from_numpy(first[found]).to(blocks.device)


def choose(blocks: Tensor, motifs: Tensor) -> Method:
    """Return the fastest method for this size: measured on one core for s of 2 to 16 and 60 to 32,000 motifs.

    On a GPU small searches stay there and large ones go through the CPU, whose trees look at a thousandth of the
    motifs; moving the blocks of a million weights takes a millisecond. Where the line lies was not measured on a GPU.
    Devices without float64 always go through the CPU.
    """
    (m, s), k = blocks.shape, motifs.shape[0]
    device = blocks.device.type
    if (device == "cuda" and m * k * s < LARGE_ON_GPU) or (device == "cpu" and m * k * s < SMALL):
        return "chunked"
    if s < len(BOXES_FROM) and k >= BOXES_FROM[s]:
        return "boxes"
    single = blocks.dtype == torch.float32
    return "fused" if single and _largest(blocks) < LARGEST and _largest(motifs) < LARGEST else "boxes"


def _largest(values: Tensor) -> float:
    low, high = torch.aminmax(values.detach())
    return max(-float(low), float(high))


def _chunked(blocks: Tensor, motifs: Tensor) -> Tensor:
    """Search with float64 differences, so many at a time as a device handles well."""
    found = []
    rows = max(1, CHUNK.get(blocks.device.type, CHUNK_ELSEWHERE) // motifs.numel())
    wide = motifs.double()
    for start in range(0, blocks.shape[0], rows):
        block = blocks[start : start + rows].double()
        distance = torch.zeros((block.shape[0], motifs.shape[0]), dtype=torch.float64, device=blocks.device)
        for axis in range(block.shape[1]):  # in order, as the kernels sum
            distance += (block[:, axis, None] - wide[None, :, axis]).square_()
        found.append(distance.argmin(1))
    return torch.cat(found)


def _distinct(motifs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different motifs in order of their first index, and those indices.

    Equal motifs would all be visited for every block that is nearest to them.
    """
    values = np.ascontiguousarray(motifs) + np.zeros(1, dtype=motifs.dtype)  # -0.0 becomes 0.0
    keys = _hashes(values)
    in_order = np.sort(keys)
    if not (in_order[1:] == in_order[:-1]).any():  # mostly so for weights as training leaves them
        return values, np.arange(len(values))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if not np.array_equal(values[first][inverse], values):  # two motifs share a key: compare whole rows
        _, first = np.unique(values, axis=0, return_index=True)
    first = np.sort(first)
    return values[first], first


def _hashes(values: np.ndarray) -> np.ndarray:
    """Return a key for each row, uint64 ``[k]``: equal for equal rows, seldom for others."""
    words = values.view(f"u{values.itemsize}").astype(np.uint64)
    keys = np.zeros(len(values), dtype=np.uint64)
    for axis in range(values.shape[1]):
        keys = (keys ^ words[:, axis]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


class _Boxes:
    """A tree of bounding boxes over distinct motifs, 16 to a node."""

    def __init__(self, points: np.ndarray) -> None:
        k, s = points.shape
        _search = kernels(points.dtype, "boxes")
        self.kernel = _search.search_boxes
        order = np.arange(k)
        _search.sort_into_leaves(points, order)
        leaves = _by_lane(points[order], _search.LANES)
        lows, highs, counts = _boxes_around(leaves, _search.LANES)
        starts = np.cumsum([0, *map(len, lows[:-1])])
        limits = np.finfo(points.dtype)
        # four times the bound on the rounding of a distance, so that it also covers that of a box and of float64
        factor, summand = 1 + 4 * (s + 4) * float(limits.eps), 4 * (s + 4) * float(limits.tiny)
        slack = np.array([factor, summand], dtype=points.dtype)
        sides = np.concatenate(lows), np.concatenate(highs)
        self.tree = (points[order], order, leaves, *sides, starts, np.array(counts), slack)

    def __call__(self, blocks: np.ndarray, found: np.ndarray) -> None:
        """Write the nearest motif of each block into ``found``."""
        self.kernel(blocks, *self.tree, found)


def _by_lane(rows: np.ndarray, lanes: int) -> np.ndarray:
    """Return ``[n, s]`` rows as ``[ceil(n / lanes), s, lanes]``, filled up with the last row."""
    missing = -len(rows) % lanes
    full = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
    return np.ascontiguousarray(full.reshape(-1, lanes, rows.shape[1]).swapaxes(1, 2))


def _boxes_around(leaves: np.ndarray, lanes: int) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Return the lower and upper sides of the boxes of each level, by lane, and their number, leaves first."""
    lows: list[np.ndarray] = []
    highs: list[np.ndarray] = []
    counts: list[int] = []
    low, high = leaves, leaves
    while not counts or counts[-1] > lanes:
        below, above = low.min(axis=2), high.max(axis=2)
        counts.append(len(below))
        low, high = _by_lane(below, lanes), _by_lane(above, lanes)
        lows.append(low)
        highs.append(high)
    return lows, highs, counts


class _Fused:
    """Brute force over distinct motifs in float32, with a bound on its rounding, and float64 for what is left.

    A score ``|z|^2 / 2 - b z`` is a sum of ``s + 1`` terms; its rounding is below ``(s + 4) 2^-24`` times the sum of
    their absolute values, which is at most ``|z|^2 / 2 + |b| |z|``. The float64 distance that decides is itself
    rounded, by less than ``(s + 4) 2^-53`` times ``2 |b|^2 + 2 |z|^2``: for blocks far larger than every motif that is
    more, and makes ties.
    """

    def __init__(self, points: np.ndarray) -> None:
        k, s = points.shape
        _search = kernels(points.dtype, "fused")
        self.kernel, self.rows = _search.search_all, _search.ROWS
        groups = -(-k // _search.GROUP)
        squares = np.square(points, dtype=np.float64).sum(axis=1) / 2
        spread = np.zeros((groups * _search.GROUP, s), dtype=np.float32)
        spread[:k] = points
        self.points = points
        self.motifs = np.ascontiguousarray(spread.reshape(groups, _search.GROUP, s).swapaxes(1, 2))
        self.halves = np.full(groups * _search.GROUP, np.float32(3e38))
        self.halves[:k] = squares
        unit = (s + 4) * 2.0**-23
        most = float(squares.max())
        self.slack = np.array([unit * most + 1e-37, unit * float(np.sqrt(2 * most)), (s + 4) * 2.0**-52])

    def __call__(self, blocks: np.ndarray, found: np.ndarray) -> None:
        """Write the nearest motif of each block into ``found``."""
        rest = -len(blocks) % self.rows
        padded = np.concatenate([blocks, np.zeros((rest, blocks.shape[1]), blocks.dtype)]) if rest else blocks
        every = np.empty(len(padded), dtype=np.int64) if rest else found
        self.kernel(padded, self.points, self.motifs, self.halves, self.slack, every)
        found[:] = every[: len(blocks)]


@cache
def kernels(dtype: np.dtype[Any], method: Literal["boxes", "fused"]) -> Any:
    """Return the module of compiled kernels, ready for one method and values of one type.

    numba's disk cache is not safe with several writers, so whatever is compiled is compiled here, under its lock.
    """
    with compiling():
        from complexity_lab.momos import _search

        found = np.empty(_search.ROWS, dtype=np.int64)
        if method == "boxes":
            points, one = np.zeros((1, 1), dtype=dtype), np.zeros(1, dtype=np.int64)
            _search.sort_into_leaves(points, one)
            lanes, slack = np.zeros((1, 1, _search.LANES), dtype=dtype), np.ones(2, dtype=dtype)
            _search.search_boxes(points, points, one, lanes, lanes, lanes, one, one + 1, slack, found)
        else:
            groups = np.zeros((1, 1, _search.GROUP), dtype=dtype)
            blocks, halves = np.zeros((_search.ROWS, 1), dtype=dtype), np.zeros(_search.GROUP, dtype=dtype)
            _search.search_all(blocks, blocks[:1].copy(), groups, halves, np.zeros(3), found)
    return _search


def _side_by_side(search: Any, blocks: np.ndarray) -> np.ndarray:
    """Search in as many threads as torch uses; the kernels release the interpreter's lock."""
    found = np.empty(len(blocks), dtype=np.int64)
    threads = torch.get_num_threads()
    if threads == 1:
        search(blocks, found)
        return found
    step = -(-len(blocks) // (16 * threads)) * 4  # pieces, so that a thread that is done early goes on
    starts = range(0, len(blocks), step)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda at: search(blocks[at : at + step], found[at : at + step]), starts))
    return found
