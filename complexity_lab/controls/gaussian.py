"""Matched Gaussian: independent normal weights with the mean and sd of each tensor.

It keeps location and scale and removes everything else: the shape of the distribution and the arrangement. A sign bit
needs no draw: ``P(w > 0) = Phi(mean / sd)``, so for sign bits of one tensor it is an iid null with that share of ones.
What needs values (bit planes, compressors of floats) is scored on real draws.

The sign bits of a whole model (``GaussianNull``) are independent bits whose share of ones differs from tensor to
tensor. Blocks with equally many ones are equally likely in any one tensor, so how many blocks hold how many ones is
drawn per tensor (13 or 17 numbers), added up, and spread over the codes once for the model: exact, in microseconds per
tensor, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
from scipy.special import comb, ndtr

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.codes import encode
from complexity_lab.binary.counting import SQUARE, STRING, as_matrix
from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError

Score = TypeVar("Score")
FLOATS = ("float64", "float32", "float16", "bfloat16")
CHUNK = 1 << 20  # values at a time; moments are summed in float64


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution, in the unit of the weights."""

    mean: float
    sd: float

    @property
    def ones_fraction(self) -> float:
        """Probability of a value above zero, ``Phi(mean / sd)``; 0 or 1 without spread."""
        if self.sd == 0:
            return float(self.mean > 0)
        return float(ndtr(self.mean / self.sd))

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator, dtype: Any = np.float32) -> np.ndarray:
        """Return independent values, ``[*shape]`` of a floating-point dtype."""
        values = rng.standard_normal(shape, dtype=np.float64 if np.dtype(dtype) == np.float64 else np.float32)
        with np.errstate(over="ignore"):  # beyond the largest float is an infinity, which every score refuses
            values *= self.sd
            values += self.mean
            return values.astype(dtype, copy=False)


def matched_gaussian(weights: Any) -> Gaussian:
    """Return the normal distribution with the mean and sd (divided by n) of a tensor of any shape.

    Raises:
        InputError: no values, or no floating-point weights.
        WeightsError: NaN or infinite weights, or a spread that float64 cannot hold.
    """
    array = as_numpy(weights)
    if array.size == 0 or array.dtype.name not in FLOATS:
        raise InputError(f"{counted(array.size, 'value')} of {array.dtype}, wanted at least one of {', '.join(FLOATS)}")
    flat = array.reshape(-1)
    chunks = [slice(start, start + CHUNK) for start in range(0, flat.size, CHUNK)]
    with np.errstate(invalid="ignore", over="ignore"):
        mean = sum(float(flat[chunk].astype(np.float64).sum()) for chunk in chunks) / flat.size
        squares = sum(float(np.square(flat[chunk].astype(np.float64) - mean).sum()) for chunk in chunks)
    if not np.isfinite(squares):
        raise WeightsError(f"weights with mean {mean:.3g} and sum of squares {squares:.3g}, wanted finite weights")
    return Gaussian(mean, float(np.sqrt(squares / flat.size)))


def gaussian_scores(
    weights: Any, score: Callable[[np.ndarray], Score], *, repetitions: int = 5, seed: int | tuple[int, ...] = 0
) -> list[Score]:
    """Return what a function gives for matched draws of a tensor, one result per repetition.

    Args:
        weights: numpy array or torch tensor; the draws have its shape and dtype.
        score: for instance the BDM of every bit plane of an array.
        repetitions: number of draws.
        seed: of the random stream; repetition i is the same whatever their number. Several numbers name one stream,
            for instance a seed and a tensor's place in the model.

    Raises:
        InputError: no values, no floating-point weights, or no repetition.
        WeightsError: NaN or infinite weights.
    """
    if repetitions < 1:
        raise InputError(f"{repetitions} repetitions, wanted 1 or more")
    array = as_numpy(weights)
    gaussian = matched_gaussian(array)
    rngs = (np.random.Generator(np.random.SFC64(child)) for child in np.random.SeedSequence(seed).spawn(repetitions))
    return [score(gaussian.draw(array.shape, rng, array.dtype)) for rng in rngs]


class GaussianNull:
    """Counts the blocks of several matched Gaussian models, tensor after tensor, as the survey counts the model's.

    Strings of 12 straddle tensors as in ``StreamCounter``; squares are cut per tensor and added up, vectors hold none.
    """

    def __init__(self, *, repetitions: int = 20, seed: int = 0, shapes: tuple[Shape, ...] = (STRING, SQUARE)) -> None:
        """Prepare ``repetitions`` draws.

        Raises:
            InputError: no repetition, or shapes other than ``(12,)`` and ``(4, 4)``.
        """
        if repetitions < 1:
            raise InputError(f"{repetitions} repetitions, wanted 1 or more")
        if not shapes or not set(shapes) <= {STRING, SQUARE}:
            raise InputError(f"blocks of shapes {shapes}, wanted {STRING}, {SQUARE} or both")
        self.repetitions, self.shapes = repetitions, shapes
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._by_ones = {shape: np.zeros((repetitions, prod(shape) + 1), dtype=np.int64) for shape in shapes}
        self._loose: list[np.ndarray] = []  # bits [repetitions, n] of strings that straddle tensors
        self._length = 0  # of the stream so far
        self._dropped = 0  # values in no square

    def add(self, weights: Any) -> None:
        """Append the draws of a tensor, numpy or torch, of any shape.

        Raises:
            InputError, WeightsError: as ``matched_gaussian``.
        """
        array = as_numpy(weights)
        share = matched_gaussian(array).ones_fraction
        if STRING in self.shapes:
            missing = min(-self._length % 12, array.size)
            body = (array.size - missing) // 12
            self._draw(STRING, body, share)
            self._loose.append(self._rng.random((self.repetitions, array.size - 12 * body)) < share)
            self._length += array.size
        if SQUARE in self.shapes:
            rows, columns = as_matrix(array).shape
            blocks = (rows // 4) * (columns // 4) if array.ndim >= 2 else 0
            self._draw(SQUARE, blocks, share)
            self._dropped += array.size - 16 * blocks

    def strings(self) -> list[BlockCounts]:
        """Return the counts of strings of 12 of the stream, one per repetition."""
        bits = np.concatenate(self._loose, axis=1) if self._loose else np.zeros((self.repetitions, 0), dtype=bool)
        whole = bits.shape[1] - bits.shape[1] % 12
        found = []
        for histogram, loose in zip(self._histograms(STRING), bits, strict=True):
            histogram += np.bincount(encode(loose[:whole].reshape(-1, 12)), minlength=histogram.size)
            found.append(BlockCounts.from_histogram(STRING, histogram, dropped=bits.shape[1] - whole))
        return found

    def squares(self) -> list[BlockCounts]:
        """Return the counts of 4x4 squares, added up over the tensors, one per repetition."""
        histograms = self._histograms(SQUARE)
        return [BlockCounts.from_histogram(SQUARE, histogram, dropped=self._dropped) for histogram in histograms]

    def _draw(self, shape: Shape, blocks: int, share: float) -> None:
        """Draw how many of so many blocks hold 0, 1, 2, ... ones."""
        ones = np.arange(prod(shape) + 1)
        law = comb(prod(shape), ones) * share**ones * (1 - share) ** ones[::-1]
        self._by_ones[shape] += self._rng.multinomial(blocks, law / law.sum(), size=self.repetitions)

    def _histograms(self, shape: Shape) -> list[np.ndarray]:
        """Spread the blocks of equally many ones over their codes, int64 ``[2**size]`` per repetition."""
        ones = np.bitwise_count(np.arange(2 ** prod(shape)))
        rng = self._rng.spawn(1)[0]
        found = []
        for totals in self._by_ones[shape]:
            histogram = np.zeros(ones.size, dtype=np.int64)
            for number, total in enumerate(totals.tolist()):
                (codes,) = (ones == number).nonzero()
                histogram[codes] = rng.multinomial(total, np.full(codes.size, 1 / codes.size))
            found.append(histogram)
        return found
