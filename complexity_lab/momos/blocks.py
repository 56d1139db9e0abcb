"""Parameters to blocks and back: what a motif replaces.

A layout says how tensors are cut into blocks of ``s`` values. It is made once for a model and reused at every
projection. Incomplete blocks are filled up with zeros, which take part in the search for the nearest motif, as in the
paper's program, but in no statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, Protocol

import torch
from torch import Tensor

from complexity_lab.errors import InputError

Padding = Literal["tensor", "vector"]
Shape = tuple[int, ...]


class Layout(Protocol):
    """How the tensors of a model are cut into blocks."""

    @property
    def s(self) -> int:
        """Values in a block."""
        ...

    @property
    def blocks(self) -> int:
        """Blocks of all tensors together."""
        ...

    @property
    def values(self) -> int:
        """Values of all tensors together, without padding."""
        ...

    @property
    def padding_positions(self) -> Tensor:
        """Positions in the flattened ``[blocks, s]`` that hold no value of any tensor, int64, on the CPU."""
        ...

    def gather(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return the blocks, ``[blocks, s]`` on the device of the tensors; float64 if one of them is, else float32."""
        ...

    def scatter(self, blocks: Tensor, tensors: Sequence[Tensor]) -> None:
        """Write blocks back into the tensors, in place, cutting the padding and rounding to the dtype of each."""
        ...


@dataclass(frozen=True)
class FlatLayout:
    """Blocks of ``s`` consecutive values of each tensor, flattened row-major.

    Attributes:
        sizes: values of each tensor.
        s: values in a block.
        padding: ``tensor`` fills up the last block of each tensor, as the paper's program does; ``vector`` joins all
            tensors first and fills up once, as the paper says.

    Raises:
        InputError: ``s`` is below 1, or no tensor has that many values. Smaller tensors are filled up.
    """

    sizes: tuple[int, ...]
    s: int
    padding: Padding = "tensor"

    def __post_init__(self) -> None:
        if self.padding not in ("tensor", "vector"):
            raise InputError(f"padding {self.padding!r}, wanted tensor or vector")
        if self.s < 1:
            raise InputError(f"blocks of s = {self.s} values, wanted at least 1")
        largest = max(self.sizes, default=0) if self.padding == "tensor" else self.values
        if self.s > largest:
            whole = "the largest trainable tensor has" if self.padding == "tensor" else "all trainable tensors have"
            raise InputError(f"blocks of s = {self.s} values, but {whole} {largest}; choose a smaller s")

    @property
    def values(self) -> int:
        """Values of all tensors together."""
        return sum(self.sizes)

    @cached_property
    def blocks(self) -> int:
        """Blocks of all tensors together."""
        parts = self.sizes if self.padding == "tensor" else (self.values,)
        return sum(-(-size // self.s) for size in parts)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Position of the first value of each tensor among the padded values."""
        step = self.s if self.padding == "tensor" else 1
        starts, at = [], 0
        for size in self.sizes:
            starts.append(at)
            at += -(-size // step) * step
        return tuple(starts)

    @cached_property
    def padding_positions(self) -> Tensor:
        """Positions among the padded values that hold none."""
        ends = [start + size for start, size in zip(self.starts, self.sizes, strict=True)]
        following = [*self.starts[1:], self.blocks * self.s]
        gaps = [torch.arange(end, after) for end, after in zip(ends, following, strict=True)]
        return torch.cat(gaps) if gaps else torch.zeros(0, dtype=torch.int64)

    def gather(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return ``[blocks, s]``."""
        flat = torch.empty(self.blocks * self.s, dtype=common_dtype(tensors), device=tensors[0].device)
        flat[self.padding_positions.to(flat.device)] = 0
        for tensor, start, size in zip(tensors, self.starts, self.sizes, strict=True):
            flat[start : start + size].view(tensor.shape).copy_(tensor)
        return flat.view(self.blocks, self.s)

    def scatter(self, blocks: Tensor, tensors: Sequence[Tensor]) -> None:
        """Write ``[blocks, s]`` back."""
        flat = blocks.reshape(-1)
        for tensor, start, size in zip(tensors, self.starts, self.sizes, strict=True):
            tensor.copy_(flat[start : start + size].view(tensor.shape))


@dataclass(frozen=True)
class TileLayout:
    """Blocks of ``rows x columns`` neighbouring values of the last two axes of each tensor.

    Axes before the last two are a batch; a tensor of one axis is a single row. A matrix ``[out, in]`` is filled up with
    zeros at the bottom and on the right, each tile is flattened row-major. The kernels of a convolution
    ``[out, in, height, width]`` are tiled one by one.

    Attributes:
        shapes: shape of each tensor.
        rows: values of a tile along the axis before the last.
        columns: values of a tile along the last axis.

    Raises:
        InputError: a side is below 1, or a tile holds more values than any tensor.
    """

    shapes: tuple[Shape, ...]
    rows: int
    columns: int

    def __post_init__(self) -> None:
        for name, side in (("rows", self.rows), ("columns", self.columns)):
            if side < 1:
                raise InputError(f"tiles with {side} {name}, wanted at least 1")
        largest = max((prod(shape) for shape in self.shapes), default=0)
        if self.s > largest:
            tile = f"tiles of {self.rows} x {self.columns} values"
            raise InputError(f"{tile}, but the largest trainable tensor has {largest}; choose smaller tiles")

    @property
    def s(self) -> int:
        """Values in a tile."""
        return self.rows * self.columns

    @property
    def values(self) -> int:
        """Values of all tensors together."""
        return sum(prod(shape) for shape in self.shapes)

    @cached_property
    def _grids(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """Batch, height, width, tiles down and tiles across of each tensor."""
        found = []
        for shape in self.shapes:
            height, width = (1, prod(shape)) if len(shape) < 2 else shape[-2:]
            batch = prod(shape[:-2])
            found.append((batch, height, width, -(-height // self.rows), -(-width // self.columns)))
        return tuple(found)

    @cached_property
    def blocks(self) -> int:
        """Tiles of all tensors together."""
        return sum(batch * down * across for batch, _, _, down, across in self._grids)

    @cached_property
    def padding_positions(self) -> Tensor:
        """Positions among the padded values that hold none."""
        ones = [torch.ones(shape, dtype=torch.float32) for shape in self.shapes]
        return torch.nonzero(self.gather(ones).reshape(-1) == 0).reshape(-1)

    def gather(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return ``[blocks, s]``."""
        dtype = common_dtype(tensors)
        tiles = []
        for tensor, (batch, height, width, down, across) in zip(tensors, self._grids, strict=True):
            padded = tensor.new_zeros((batch, down * self.rows, across * self.columns), dtype=dtype)
            padded[:, :height, :width] = tensor.reshape(batch, height, width)
            cut = padded.view(batch, down, self.rows, across, self.columns).transpose(2, 3)
            tiles.append(cut.reshape(-1, self.s))
        return torch.cat(tiles)

    def scatter(self, blocks: Tensor, tensors: Sequence[Tensor]) -> None:
        """Write ``[blocks, s]`` back."""
        at = 0
        for tensor, (batch, height, width, down, across) in zip(tensors, self._grids, strict=True):
            tiles = blocks[at : at + batch * down * across]
            at += batch * down * across
            grid = tiles.view(batch, down, across, self.rows, self.columns).transpose(2, 3)
            whole = grid.reshape(batch, down * self.rows, across * self.columns)
            tensor.copy_(whole[:, :height, :width].reshape(tensor.shape))


def common_dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    """Return float64 if one of the tensors is, else float32, which holds every half-precision value exactly."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
