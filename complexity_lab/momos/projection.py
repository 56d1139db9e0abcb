"""MoMos, the mosaic of motifs (arXiv 2602.14896): every block of weights becomes the nearest of few motifs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import torch
from torch import Tensor, nn

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.blocks import FlatLayout, Layout, Padding, TileLayout
from complexity_lab.momos.bound import motifs_of, rac
from complexity_lab.momos.motifs import MotifChoice, motif_choice
from complexity_lab.momos.nearest import nearest

HALF = (torch.float16, torch.bfloat16)
PROJECTED = (torch.float32, torch.float64, *HALF)


@dataclass(frozen=True, eq=False)
class Projection:
    """What one projection did. Padding counts nowhere.

    Attributes:
        distortion: sum of squared changes of all weights (paper, Figure 3).
        num_changed_weights: weights that have another value than before.
        values: weights projected, n.
        s: values in a block.
        q: bits of a stored value, for ``rac``.
        motifs: ``[k, s]``.
        assignment: int64 ``[m]``, the motif of each block.
    """

    distortion: float
    num_changed_weights: int
    values: int
    s: int
    q: int
    motifs: Tensor = field(repr=False)
    assignment: Tensor = field(repr=False)

    @property
    def k(self) -> int:
        """Motifs that could be chosen."""
        return self.motifs.shape[0]

    @property
    def blocks(self) -> int:
        """Blocks, m."""
        return self.assignment.shape[0]

    @cached_property
    def motif_counts(self) -> Tensor:
        """Blocks of each motif, int64 ``[k]``."""
        return torch.bincount(self.assignment, minlength=self.k)

    @property
    def used_motifs(self) -> int:
        """Motifs that at least one block was given."""
        return int((self.motif_counts > 0).sum())

    @cached_property
    def distinct_motifs(self) -> int:
        """Motifs of different values; positions are drawn without regard to values."""
        return int(torch.unique(self.motifs, dim=0).shape[0])

    @property
    def rac(self) -> float:
        """Relative algorithmic compression of this mosaic, see ``bound.rac``."""
        return rac(n=self.values, s=self.s, k=self.k, q=self.q, m=self.blocks)


class MoMos:
    """Projects a model onto a mosaic of ``k`` motifs, in place.

    One codebook serves all trainable parameters: weights, biases, norms. Buffers and frozen parameters stay. Every
    call chooses motifs anew from the blocks of the model as it is. Optimizer state is not touched.

    Args:
        s: values in a block.
        k: number of motifs, at most the number of blocks. Give ``k`` or ``capacity``, not both.
        capacity: motifs as a share of the blocks, above 0 and at most 1; 0.01 where neither is given.
        q: bits of a stored value, for the relative algorithmic compression; values are not rounded.
        force_zero: make the first motif zero, so that it wins ties.
        choice: how motifs are chosen: ``random`` (the paper), ``kmeans``, ``frequent``, or a function.
        padding: ``tensor`` fills up the last block of each tensor with zeros, ``vector`` only the last of all.
        tile: rows and columns of 2-D tiles, instead of runs of ``s`` values; ``s`` is then their product.
        generator: of the random choice, on the CPU; torch's global one if None.

    Raises:
        InputError: an argument out of its range, or ``k`` and ``capacity`` together.

    Example:
        >>> model = nn.Linear(64, 64)
        >>> stats = MoMos(s=4, capacity=0.05)(model)
        >>> stats.k, stats.blocks
        (52, 1040)
    """

    def __init__(
        self,
        s: int | None = None,
        k: int | None = None,
        capacity: float | None = None,
        q: int = 32,
        force_zero: bool = True,
        *,
        choice: str | MotifChoice = "random",
        padding: Padding = "tensor",
        tile: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        _refuse_bad_blocks(s, padding, tile)
        if k is not None and capacity is not None:
            raise InputError(f"k = {k} and capacity = {capacity}: give one of them")
        if k is not None and k < 1:
            raise InputError(f"k = {k}, wanted at least 1 motif")
        if q < 1:
            raise InputError(f"q = {q}, wanted at least 1 bit")
        self.s = tile[0] * tile[1] if tile else 4 if s is None else s
        self.k = k
        self.capacity = 0.01 if k is None and capacity is None else capacity
        if self.capacity is not None:
            motifs_of(self.capacity, 1)
        self.q = q
        self.force_zero = force_zero
        self.choice = motif_choice(choice) if isinstance(choice, str) else choice
        self.padding: Padding = padding
        self.tile = tile
        self.generator = generator
        self._layout: tuple[tuple[torch.Size, ...], Layout] | None = None

    def __call__(self, model: nn.Module) -> Projection:
        """Project a model in place and return what that did.

        Raises:
            InputError: no trainable parameters, blocks larger than them, or more motifs than blocks.
            WeightsError: NaN or infinite weights (the parameter is named); nothing is changed then.
        """
        names, tensors = trainable(model)
        return self.project(tensors, names)

    @torch.no_grad()
    def project(self, tensors: Sequence[Tensor], names: Sequence[str] = ()) -> Projection:
        """Project tensors in place with one common codebook; see ``__call__``."""
        layout = self.layout(tensors)
        k = self.motifs_for(layout)
        before = layout.gather(tensors)
        refuse_not_finite(before, tensors, names)
        motifs = self.choice(before, k, force_zero=self.force_zero, generator=self.generator)
        assignment = nearest(before, motifs)
        after = motifs[assignment]
        layout.scatter(after, tensors)
        if any(tensor.dtype != before.dtype for tensor in tensors):
            after = layout.gather(tensors)  # what rounding to a narrower dtype made of it
        change = (after - before).reshape(-1)
        change[layout.padding_positions.to(change.device)] = 0
        return Projection(
            distortion=_sum_of_squares(change),
            num_changed_weights=int(torch.count_nonzero(change)),
            values=layout.values,
            s=layout.s,
            q=self.q,
            motifs=motifs,
            assignment=assignment,
        )

    def layout(self, tensors: Sequence[Tensor]) -> Layout:
        """Return how these tensors are cut; made once for tensors of the same shapes."""
        shapes = tuple(tensor.shape for tensor in tensors)
        if self._layout is None or self._layout[0] != shapes:
            made: Layout = (
                FlatLayout(tuple(tensor.numel() for tensor in tensors), self.s, self.padding)
                if self.tile is None
                else TileLayout(shapes, *self.tile)
            )
            self._layout = shapes, made
        return self._layout[1]

    def motifs_for(self, layout: Layout) -> int:
        """Return the number of motifs for a layout.

        Raises:
            InputError: ``k`` is above the number of blocks.
        """
        if self.k is None:
            return motifs_of(self.capacity or 0, layout.blocks)
        if self.k > layout.blocks:
            raise InputError(
                f"k = {self.k} motifs, but there are {counted(layout.blocks, 'block')} of {counted(layout.s, 'value')}"
            )
        return self.k


def trainable(model: nn.Module) -> tuple[tuple[str, ...], tuple[Tensor, ...]]:
    """Return names and tensors of the parameters that are projected: trainable, not empty, shared ones once.

    Raises:
        InputError: there is none, one of them is not a float of 16 to 64 bits, or they lie on several devices.
    """
    found = [(name, p) for name, p in model.named_parameters() if p.requires_grad and p.numel()]
    if not found:
        raise InputError(f"{type(model).__name__} has no trainable parameters, so there is nothing to project")
    for name, parameter in found:
        if parameter.dtype not in PROJECTED:
            raise InputError(f"parameter {name} is {parameter.dtype}, wanted float64, float32, float16 or bfloat16")
    devices = {str(parameter.device) for _, parameter in found}
    if len(devices) > 1:
        raise InputError(f"parameters lie on {', '.join(sorted(devices))}; one codebook needs them on one device")
    return tuple(name for name, _ in found), tuple(parameter for _, parameter in found)


def _refuse_bad_blocks(s: int | None, padding: str, tile: tuple[int, int] | None) -> None:
    """Raise ``InputError`` for a kind of block that is not defined, before there is a model to cut."""
    if s is not None and s < 1:
        raise InputError(f"s = {s}, wanted at least 1 value in a block")
    if padding not in get_args(Padding):
        raise InputError(f"padding {padding!r}, wanted tensor or vector")
    if tile is None:
        return
    rows, columns = tile
    if min(rows, columns) < 1:
        raise InputError(f"tiles of {rows} x {columns} values, wanted at least 1 row and 1 column")
    if padding != "tensor":
        raise InputError(f"padding {padding!r} and tiles exclude each other: tiles are filled up in each tensor")
    if s not in (None, rows * columns):
        raise InputError(f"s = {s} and tiles of {rows} x {columns}: give one of them")


def refuse_not_finite(blocks: Tensor, tensors: Sequence[Tensor], names: Sequence[str]) -> None:
    """Raise ``WeightsError`` if a value is NaN or infinite, naming the first parameter that holds one."""
    if bool(torch.isfinite(blocks.sum())) or bool(torch.isfinite(blocks).all()):
        return  # a finite sum means finite values; a sum may overflow where no value is infinite
    for index, tensor in enumerate(tensors):
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            name = names[index] if names else f"tensor {index}"
            raise WeightsError(
                f"{bad} of {counted(tensor.numel(), 'weight')} of {name} are NaN or infinite; the training step "
                "before diverged"
            )


def _sum_of_squares(values: Tensor) -> float:
    """Sum squares in float64, in pieces that stay in cache."""
    pieces = (values[start : start + 2**16].double() for start in range(0, values.numel(), 2**16))
    return sum(float(torch.dot(piece, piece)) for piece in pieces)
