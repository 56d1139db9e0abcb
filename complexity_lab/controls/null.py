"""What a null model is: weights, or only their counts, with some of what they are kept and the rest left to chance.

There are three families, by what a draw needs to see: the counts of a model (``CountNull``, analytic), its tensors one
after the other (``TensorNull``), or the network as a whole (``NetworkNull``). A null model gives numbers; rows of
tables are made of them elsewhere. To add one, write a file in ``controls/nulls`` that names it ``NULL``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.controls.iid import NullDistribution
from complexity_lab.estimators.qubd import Rules

if TYPE_CHECKING:
    from torch import nn

Kept = Literal["size", "model", "tensor", "channel", "row", "moments", "function"]
Seed = tuple[int, ...]  # names one random stream: the seed, and the number of the tensor, counted from 1


@dataclass(frozen=True, kw_only=True)
class NullModel:
    """What all null models say of themselves.

    Attributes:
        name: in tables and on the command line.
        label: a few words for legends.
        description: what it keeps and what it leaves to chance, for tables.
        keeps: the share of ones of the ``model``, or of every ``tensor``, output ``channel`` or ``row`` (a line along
            the last axis); ``moments``, mean and sd of every tensor; the ``function`` of the network; or its ``size``
            alone.
        rank: the lower, the earlier in tables and legends.
        metrics: names in the registry of estimators, of block counts, that it has numbers for.
        opt_in: whether it is drawn only if it is asked for.
    """

    name: str
    label: str
    description: str
    keeps: Kept
    rank: int = 100
    metrics: tuple[str, ...] = ("bdm", "bdm_2d")
    opt_in: bool = True


@dataclass(frozen=True, kw_only=True)
class CountNull(NullModel):
    """A null model whose mean and sd follow from the counts of a whole model, without a draw.

    Attributes:
        distribution: mean and sd in the unit of the metric, bits, for counts of one block or more.
        has_sd: whether the sd is of interest; a mean at another share of ones is a scale, not a test.
    """

    distribution: Callable[[BlockCounts], NullDistribution]
    has_sd: bool = True
    opt_in: bool = False


class BitDraws(Protocol):
    """Several draws of the sign bits of a model, tensor after tensor."""

    def add(self, weights: np.ndarray) -> None:
        """Append the draws of a tensor of any shape.

        Raises:
            WeightsError: they cannot be drawn; the message says why.
        """
        ...

    def strings(self) -> list[BlockCounts]:
        """Return the counts of strings of 12 of the stream, one per draw; the last call."""
        ...

    def squares(self) -> list[BlockCounts]:
        """Return the counts of 4x4 squares, added up over the tensors, one per draw; the last call."""
        ...


class DrawBits(Protocol):
    """Starts the draws of a model."""

    def __call__(self, *, repetitions: int, seed: int, shapes: tuple[Shape, ...]) -> BitDraws:
        """Return so many empty draws that will count blocks of these shapes."""
        ...


class DrawPlanes(Protocol):
    """Draws the bit planes of one tensor."""

    def __call__(self, values: np.ndarray, rules: Rules, *, repetitions: int, seed: Seed, threads: int) -> np.ndarray:
        """Return the BDM of every plane of every draw, float64 ``[repetitions, bits]``, bits.

        Args:
            values: of a tensor that the rules score.
            rules: of the planes.
            repetitions: number of draws.
            seed: of the random stream.
            threads: no number depends on it.

        Raises:
            WeightsError: they cannot be drawn; the message says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TensorNull(NullModel):
    """A null model that is drawn tensor by tensor.

    Attributes:
        bits: draws sign bits.
        planes: draws bit planes; None if it has none, and ``no_planes`` says why.
        no_planes: the reason why there are no bit planes at all.
        no_overlap: the reason why there are none of blocks that overlap (boundary ``correlated``), None if there are.
        plane_draws: draws of planes at most, where they cost more than those of sign bits.
        tensor_rows: whether the planes of each tensor are told too, not only their sums over the model.
    """

    bits: DrawBits
    planes: DrawPlanes | None = None
    no_planes: str = "only sign bits are drawn"
    no_overlap: str | None = None
    plane_draws: int | None = None
    tensor_rows: bool = False

    def why_no_planes(self, rules: Rules) -> str | None:
        """Say why bit planes by these rules cannot be drawn, or return None if they can."""
        if self.planes is None:
            return self.no_planes
        return self.no_overlap if rules.boundary == "correlated" else None


class NetworkDraws(NamedTuple):
    """Scores of draws of a network.

    Attributes:
        scores: float64 ``[draws, scores]``.
        moved: weights in tensors in which something moved.
        left: the other weights.
    """

    scores: np.ndarray
    moved: int
    left: int


class DrawNetworks(Protocol):
    """Changes a network in place, scores it, and puts back what was there."""

    def __call__(
        self, module: nn.Module, score: Callable[[], list[float]], *, repetitions: int, seed: int, model: str
    ) -> NetworkDraws:
        """Return the scores of the draws.

        Args:
            module: the network; as it was when this returns or raises.
            score: reads the weights as they are.
            repetitions: number of draws.
            seed: of the random stream.
            model: what the network is called, so that its states can share what was found out; empty if nothing.

        Raises:
            InputError: it cannot be drawn; the message says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class NetworkNull(NullModel):
    """A null model that changes a whole network.

    Attributes:
        scores: draws and scores networks.
        draws: at most.
    """

    scores: DrawNetworks
    draws: int
