"""The registry of estimators: every number that a survey can be asked for, by name, with its unit and source.

Four families: functions of block counts, compressors of a payload, those that read the values themselves, tensor after
tensor, and the bit planes of quantized values. To add one, add a ``CountEstimator`` or a ``StreamEstimator`` to
``REGISTRY`` below (its function in a file of its own); the contract tests, the survey, ``measure`` and the tables then
know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.estimators.bdm import bdm_normalized, bdm_of, bdm_of_each
from complexity_lab.estimators.compressors import COMPRESSORS, PAYLOADS, Payload, compress, payload
from complexity_lab.estimators.entropy import block_entropy_normalized, block_entropy_of
from complexity_lab.estimators.float_entropy import ExponentEntropy, MantissaEntropy
from complexity_lab.estimators.lz76 import LZ76Density
from complexity_lab.estimators.qubd import QUBD_PRESETS, Rules


class Estimator(Protocol):
    """One number about weights."""

    @property
    def name(self) -> str:
        """The name in tables and on the command line."""
        ...

    @property
    def unit(self) -> str:
        """The unit of the number."""
        ...

    @property
    def source(self) -> str:
        """Where it is defined."""
        ...

    def score(self, weights: Any) -> float:
        """Return the number for weights or ready 0/1 values of any shape."""
        ...


@dataclass(frozen=True)
class CountEstimator:
    """A function of the block histogram."""

    name: str
    unit: str
    shape: Shape
    value: Callable[[BlockCounts], float]
    source: str
    each: Callable[[Sequence[BlockCounts]], list[float]] | None = None  # many at once, where that is faster

    def values(self, many: Sequence[BlockCounts]) -> list[float]:
        """Return the number for each of many counts of this shape, none of which has leftovers."""
        return [self.value(counts) for counts in many] if self.each is None else self.each(many)

    def score(self, weights: Any) -> float:
        """Count the blocks of the weights and return the number."""
        return self.value(block_counts(weights, self.shape))


@dataclass(frozen=True)
class CompressorEstimator:
    """The rate of a compressor on a payload of the weights."""

    name: str
    compressor: str
    payload: Payload
    unit: str = "raw/compressed"
    source: str = "arXiv 2602.14896, section 4"

    def score(self, weights: Any) -> float:
        """Build the payload of the weights and return raw bytes over compressed bytes."""
        return compress(payload(weights, self.payload), self.compressor).rate


class Accumulator(Protocol):
    """What a ``StreamEstimator`` has seen so far of a model, or of one tensor."""

    @property
    def scored(self) -> int:
        """Weights that entered the number."""
        ...

    def add(self, values: Any) -> None:
        """Append a tensor of any shape, row-major; the tensors of a model are added in model order.

        Raises:
            InputError: a dtype that this estimator does not read; nothing was added then.
            WeightsError: NaN or infinite weights; nothing was added then.
        """
        ...

    def value(self) -> float:
        """Return the number for everything added so far; NaN if it is not defined for so few weights."""
        ...


@dataclass(frozen=True)
class StreamEstimator:
    """A number that reads the weights themselves, one tensor after the other, and need not hold them."""

    name: str
    unit: str
    source: str
    start: Callable[[], Accumulator]

    def score(self, weights: Any) -> float:
        """Add the weights to a fresh accumulator and return its number."""
        accumulator = self.start()
        accumulator.add(weights)
        return accumulator.value()


@dataclass(frozen=True)
class PlaneEstimator:
    """The bit planes of quantized weights and their sum, by rules that a preset may replace."""

    name: str
    unit: str
    source: str
    rules: Rules

    def score(self, weights: Any) -> float:
        """Return the sum over planes; NaN for a tensor that the rules do not score."""
        return float("nan") if self.rules.why_not(np.shape(weights)) else self.rules.score(weights).total


_BDM = "Zenil et al. 2018, doi:10.3390/e20080605"
_COUNT_ESTIMATORS = (
    CountEstimator("bdm", "bits", STRING, bdm_of, _BDM, bdm_of_each),
    CountEstimator("bdm_normalized", "1", STRING, bdm_normalized, _BDM),
    CountEstimator("block_entropy", "bits/block", STRING, block_entropy_of, _BDM),
    CountEstimator("block_entropy_normalized", "1", STRING, block_entropy_normalized, _BDM),
    CountEstimator("bdm_2d", "bits", SQUARE, bdm_of, _BDM, bdm_of_each),
    CountEstimator("bdm_2d_normalized", "1", SQUARE, bdm_normalized, _BDM),
    CountEstimator("block_entropy_2d", "bits/block", SQUARE, block_entropy_of, _BDM),
    CountEstimator("block_entropy_2d_normalized", "1", SQUARE, block_entropy_normalized, _BDM),
)
_COMPRESSOR_ESTIMATORS = tuple(
    CompressorEstimator(name if kind == PAYLOADS[0] else f"{name}:{kind}", name, kind)
    for kind in PAYLOADS
    for name in COMPRESSORS
)
_STREAM_ESTIMATORS = (
    StreamEstimator("lz76_density", "bits/bit", "Lempel and Ziv 1976, doi:10.1109/TIT.1976.1055501", LZ76Density),
    StreamEstimator("exponent_entropy", "bits/weight", "arXiv 2411.05239", ExponentEntropy),
    StreamEstimator("mantissa_entropy", "bits/weight", "arXiv 2411.05239", MantissaEntropy),
)
QUBD = PlaneEstimator("qubd", "bits", "arXiv 2605.15551", QUBD_PRESETS["fixed"])
_ALL: tuple[Estimator, ...] = (*_COUNT_ESTIMATORS, *_COMPRESSOR_ESTIMATORS, *_STREAM_ESTIMATORS, QUBD)
REGISTRY: dict[str, Estimator] = {item.name: item for item in _ALL}


def estimator(name: str) -> Estimator:
    """Return an estimator by name.

    Raises:
        UnknownNameError: no such estimator; the message suggests the nearest and lists all.
    """
    if name not in REGISTRY:
        hint = nearest_names(name, tuple(REGISTRY)) or f"; there are {', '.join(REGISTRY)}"
        raise UnknownNameError(f"unknown metric {name!r}{hint}")
    return REGISTRY[name]
