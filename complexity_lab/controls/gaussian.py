"""Matched Gaussian: independent normal weights with the mean and sd of each tensor.

It keeps location and scale and removes everything else: the shape of the distribution and the arrangement. A sign bit
needs no draw: ``P(w > 0) = Phi(mean / sd)``, so for sign bits of one tensor it is an iid null with that share of ones.
What needs values (bit planes, compressors of floats) is scored on real draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.special import ndtr

from complexity_lab.arrays import as_numpy
from complexity_lab.controls.iid import NullDistribution, iid_null
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
        raise InputError(f"{array.size} values of {array.dtype}, wanted at least one of {', '.join(FLOATS)}")
    flat = array.reshape(-1)
    chunks = [slice(start, start + CHUNK) for start in range(0, flat.size, CHUNK)]
    with np.errstate(invalid="ignore", over="ignore"):
        mean = sum(float(flat[chunk].astype(np.float64).sum()) for chunk in chunks) / flat.size
        squares = sum(float(np.square(flat[chunk].astype(np.float64) - mean).sum()) for chunk in chunks)
    if not np.isfinite(squares):
        raise WeightsError(f"weights with mean {mean:.3g} and sum of squares {squares:.3g}, wanted finite weights")
    return Gaussian(mean, float(np.sqrt(squares / flat.size)))


def gaussian_null(weights: Any, ctm: np.ndarray, blocks: int) -> NullDistribution:
    """Return mean and sd of the sign-bit BDM of a matched Gaussian tensor, bits; analytic.

    Args:
        weights: the tensor, any shape.
        ctm: CTM table in bits, ``[2**size]``, indexed by block code.
        blocks: blocks counted in the tensor.

    Raises:
        InputError, WeightsError: as ``matched_gaussian``.
    """
    return iid_null(ctm, blocks, matched_gaussian(weights).ones_fraction)


def gaussian_scores(
    weights: Any, score: Callable[[np.ndarray], Score], *, repetitions: int = 5, seed: int = 0
) -> list[Score]:
    """Return what a function gives for matched draws of a tensor, one result per repetition.

    Args:
        weights: numpy array or torch tensor; the draws have its shape and dtype.
        score: for instance the BDM of every bit plane of an array.
        repetitions: number of draws.
        seed: of the random stream; repetition i is the same whatever their number.

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
