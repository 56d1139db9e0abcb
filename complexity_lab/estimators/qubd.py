"""QuBD, quantized block decomposition (arXiv 2605.15551): BDM of every bit plane of quantized weights, and their sum.

``C_l = sum over distinct 4x4 blocks of plane l of CTM + log2(occurrences)`` per tensor and plane, in bits;
``C_QuBD = sum over planes``. Planes are listed from the least significant. Counting is never pooled over tensors: a
model's profile is the sum of its tensors' (``total_profile``). Summing planes ignores that they depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.codes import Boundary
from complexity_lab.binary.planes import SMALLEST_SPAN, quantize
from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.estimators.bdm import bdm_of


@dataclass(frozen=True)
class Rules:
    """Which tensors are scored, and how; one set of rules has one name in ``QUBD_PRESETS``.

    Common to all: quantiles are exact for any size, ranks in float64. The published code takes ``torch.quantile``,
    which refuses more than 2^24 values and computes ranks in float32, so that large tensors may get an order
    statistic next to the right one.

    Attributes:
        bits: planes, 1 to 16.
        clip: percent of the values between the ends of the range; None for minimum to maximum.
        boundary: what happens to the rows and columns beyond the last complete 4x4 block; see ``binary.codes``.
        flatten: score tensors of more than two axes as ``[out, rest]``; otherwise they are skipped.
        min_side: a matrix with a shorter side is skipped, with a reason.
        smallest_span: a range (in the unit of the weights) below it is constant, and all planes are zero.
        only_weight: score only parameters called ``weight``, as the published code finds them.
    """

    bits: int = 8
    clip: float | None = 99.9
    boundary: Boundary = "ignore"
    flatten: bool = True
    min_side: int = 4
    smallest_span: float = SMALLEST_SPAN
    only_weight: bool = False

    def why_not(self, shape: Sequence[int], name: str | None = None) -> str | None:
        """Say why a tensor of this shape (and dotted name, if known) is not scored, or return None if it is."""
        if self.only_weight and name is not None and name.rsplit(".", 1)[-1] != "weight":
            return "not called weight"
        if len(shape) < 2:
            return f"{counted(len(shape), 'axis', 'axes')}, QuBD needs 2 or more"
        if len(shape) > 2 and not self.flatten:
            return f"{counted(len(shape), 'axis', 'axes')}, these rules score matrices only"
        rows, columns = shape[0], int(np.prod(shape[1:]))
        if min(rows, columns) < self.min_side:
            return f"a matrix of {rows}x{columns}, QuBD needs {self.min_side} or more on each side"
        return None

    def score(self, weight: Any) -> QuBD:
        """Return the QuBD of one tensor by these rules.

        Raises:
            InputError: the rules skip a tensor of this shape (ask ``why_not`` first), or a wrong dtype.
            WeightsError: NaN or infinite weights.
        """
        reason = self.why_not(np.shape(weight))
        if reason is not None:
            raise InputError(reason)
        quantized = quantize(weight, self.bits, clip=self.clip, smallest_span=self.smallest_span)
        counts = quantized.counts(self.boundary)
        grid, first = quantized.grid, counts[0]
        parts = (first, *first.leftover)
        return QuBD(
            planes=qubd_of_planes(counts),
            distinct=tuple(plane.distinct for plane in counts),
            ones=tuple(sum(part.ones for part in (plane, *plane.leftover)) for plane in counts),
            blocks=sum(part.blocks for part in parts),
            scored=sum(part.scored for part in parts),
            dropped=first.dropped,
            lo=float(grid.lo),
            hi=float(grid.hi),
            delta=float(grid.delta),
        )


QUBD_PRESETS: dict[str, Rules] = {
    # The published rules. Departures of ours: exact quantiles (see Rules); a constant tensor has all planes zero, as
    # the paper defines it, where the published code stops; a skipped or failed tensor is an error, not a score of 0.
    "qubd-paper": Rules(only_weight=True),
    # Ours. Departures from the paper: every tensor of two or more axes is scored, whatever its name (packed attention
    # projections, position embeddings); borders and matrices down to a side of 2 are counted by the recursive
    # boundary, in blocks of 3x3 and 2x2; constant is only what cannot be divided, so that scaling a tensor by a power
    # of two changes nothing.
    "fixed": Rules(boundary="recursive", min_side=2, smallest_span=0.0),
}


@dataclass(frozen=True)
class QuBD:
    """What one tensor scores.

    Attributes:
        planes: BDM of every plane in bits, least significant first.
        distinct: different 4x4 blocks seen in every plane; near 65,536 its BDM is saturated.
        ones: ones among the scored bits of every plane.
        blocks: blocks in each plane, smaller ones of the recursive boundary included.
        scored: weights in those blocks.
        dropped: weights in none.
        lo: lowest level, in the unit of the weights.
        hi: highest level.
        delta: distance of two levels; 0 for a constant tensor.
    """

    planes: tuple[float, ...]
    distinct: tuple[int, ...]
    ones: tuple[int, ...]
    blocks: int
    scored: int
    dropped: int
    lo: float
    hi: float
    delta: float

    @property
    def bits(self) -> int:
        """Planes."""
        return len(self.planes)

    @property
    def total(self) -> float:
        """``C_QuBD``, the sum over planes, in bits."""
        return float(sum(self.planes))


def qubd(weight: Any, bits: int = 8, clip: float | None = 99.9, *, boundary: Boundary = "ignore") -> QuBD:
    """Return the QuBD of one tensor: BDM of each bit plane of its quantized values.

    Args:
        weight: numpy array or torch tensor (any device), two or more axes, those after the first flattened;
            float64, float32, float16, bfloat16, or integers. Each side of the matrix 4 or more, 2 for ``recursive``.
        bits: planes, 1 to 16.
        clip: percent of the values between the ends of the range: quantiles ``(1 - clip/100) / 2`` and
            ``1 - (1 - clip/100) / 2``, what lies beyond takes the first or last level. None: minimum and maximum.
        boundary: ``ignore`` drops incomplete blocks as the paper does, ``recursive`` cuts them smaller.

    Raises:
        InputError: fewer axes, a shorter side, wrong dtype, or ``bits``, ``clip`` or ``boundary`` out of range.
        WeightsError: NaN or infinite weights.

    >>> round(qubd(np.ones((8, 8)), bits=1).total, 4)  # CTM of 4x4 zeros + log2(4)
    24.0067
    """
    min_side = 2 if boundary == "recursive" else 4
    return Rules(bits, clip, boundary, min_side=min_side).score(weight)


def qubd_tiled(weight: Any, bits: int = 8, clip: float | None = 99.9, *, boundary: Boundary = "ignore") -> float:
    """Return the tiled variant of QuBD in bits: one BDM of all planes interleaved into one matrix.

    Every weight becomes a tile of its bits (2x1 for 2 bits, 2x2 for 4, 4x2 for 8, else ``bits x 1``), so that a 4x4
    block holds all bits of a few neighbouring weights, and what planes have in common can count.

    For the arguments and errors see ``qubd``.

    >>> round(qubd_tiled(np.ones((8, 8)), bits=4), 4)  # 16 blocks of 4x4 zeros: CTM + log2(16)
    26.0067
    """
    rules = Rules(bits, clip, boundary, min_side=2 if boundary == "recursive" else 4)
    reason = rules.why_not(np.shape(weight))
    if reason is not None:
        raise InputError(reason)
    return bdm_of(quantize(weight, bits, clip=clip).tiled_counts(boundary))


def qubd_of_planes(counts: Iterable[BlockCounts]) -> tuple[float, ...]:
    """Return the BDM of block counts of planes, bits, in their order; leftovers included."""
    return tuple(map(bdm_of, counts))  # plane by plane: the table and one plane's counts stay in cache


Profile = QuBD | Sequence[float]


def plane_profile(profile: Profile) -> np.ndarray:
    """Return the planes of a result, or of numbers ready in that order, float64 ``[bits]``."""
    return np.asarray(profile.planes if isinstance(profile, QuBD) else profile, dtype=np.float64)


def total_profile(profiles: Iterable[Profile]) -> np.ndarray:
    """Return the profile of a model, the sum of its tensors' plane by plane, in bits, float64 ``[bits]``.

    Raises:
        InputError: no profiles, or of different numbers of planes.
    """
    rows = [plane_profile(profile) for profile in profiles]
    if len({row.size for row in rows}) != 1:
        raise InputError(f"profiles of {sorted({row.size for row in rows})} planes, wanted one number of planes")
    total: np.ndarray = np.sum(rows, axis=0)
    return total


def plane_ratios(profile: Profile, reference: Profile) -> np.ndarray:
    """Return ``100 * C_l / C_l(reference)`` per plane, percent, float64 ``[bits]`` (arXiv 2605.15551, Eq. 14).

    The reference is the same architecture at random initialization, the model's own initial weights, or its shuffled
    self. NaN where the reference has no block.

    Raises:
        InputError: different numbers of planes.
    """
    ours, theirs = plane_profile(profile), plane_profile(reference)
    if ours.shape != theirs.shape:
        raise InputError(f"profiles of {ours.size} and {theirs.size} planes, wanted as many in both")
    ratios = np.full(ours.shape, np.nan)
    np.divide(100 * ours, theirs, out=ratios, where=theirs > 0)
    return ratios


def suggested_bits(profile: Profile, reference: Profile, threshold: float = 99.0) -> int:
    """Return how many of the most significant planes hold all the structure that the profile shows.

    The rule (ours, not the paper's): a plane is structured if its ratio to the reference is below ``threshold``
    percent. The suggestion is the fewest most significant planes that include every structured one, so that all
    planes left out look as random as the reference; at least 1. It speaks of structure, not of accuracy, and ratios
    of saturated planes (above 12 million weights) hardly leave 100: choose the threshold by the spread of ratios
    between seeds of the reference.

    Args:
        profile: of the tensor or model.
        reference: of random weights of the same shapes, quantized by the same rules.
        threshold: percent, above 0.

    Raises:
        InputError: different numbers of planes, a plane without a ratio, or ``threshold`` not above 0.

    >>> suggested_bits([100.0, 99.9, 95.0, 60.0], [100.0] * 4)
    2
    """
    ratios = plane_ratios(profile, reference)
    if not threshold > 0:
        raise InputError(f"threshold {threshold}, wanted percent above 0")
    if np.isnan(ratios).any():
        raise InputError("a plane has no ratio because the reference has no blocks; wanted a scored reference")
    (structured,) = (ratios < threshold).nonzero()
    return int(ratios.size - structured[0]) if structured.size else 1
