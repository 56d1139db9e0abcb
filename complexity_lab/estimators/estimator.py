"""The registry of estimators: every number that a survey can be asked for, by name, with its unit and source.

To add one that reads block counts, add a ``CountEstimator`` to ``REGISTRY`` below (its function in a file of its own);
the contract tests, the survey, ``measure`` and the tables then know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.estimators.bdm import bdm_normalized, bdm_of, bdm_of_each
from complexity_lab.estimators.compressors import COMPRESSORS, PAYLOADS, Payload, compress, payload
from complexity_lab.estimators.entropy import block_entropy_normalized, block_entropy_of


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
_ALL: tuple[Estimator, ...] = (*_COUNT_ESTIMATORS, *_COMPRESSOR_ESTIMATORS)
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
