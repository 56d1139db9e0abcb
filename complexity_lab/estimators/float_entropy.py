"""Entropy of the parts of stored floats: of the exponents, and of the mantissas byte by byte, in bits per weight.

What lossless codecs of weights live on (ZipNN, arXiv 2411.05239): trained or not, weights use few exponents, and their
mantissas look random unless they were rounded. Both are entropies of a histogram over all weights of a model (or of a
tensor), whatever their order, so no codec of single symbols gets below them.

- ``exponent_entropy``: of the exponent field (11, 8, 5 and 8 bits of float64, float32, float16 and bfloat16). Zeros
  and subnormal numbers have exponent field 0.
- ``mantissa_entropy``: the mantissa field (52, 23, 10 and 7 bits) is split where the bytes of the stored number are
  split, and the entropies of the parts are added. That bounds the entropy of whole mantissas from above, because the
  parts are taken as independent. The sign is in neither; ZipNN stores it with the topmost part of the mantissa.

A model of several formats has one histogram per format; its entropy is the mean over its weights, which is the sum of
the formats' entropies weighted by their numbers of weights. Which format a weight has is not counted as information.

Few values have a low entropy whatever they are: ``n`` weights show at most ``log2 n`` bits of exponent, and as much in
each part of the mantissa, so that tensors below some thousand values seem simpler than they are. Float8 weights are
read as float16 (see ``weights.source``), and those of float16 are the parts that count.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.binarize import refuse_bad, signed
from complexity_lab.errors import InputError


class FloatFormat(NamedTuple):
    """Bits of the fields of a float format; the sign takes one more, at the top."""

    exponent: int
    mantissa: int


FORMATS = {
    "float64": FloatFormat(11, 52),
    "float32": FloatFormat(8, 23),
    "float16": FloatFormat(5, 10),
    "bfloat16": FloatFormat(8, 7),
}
CHUNK = 1 << 16  # values counted at a time: in the cache, where numpy makes eight bytes of each


def exponent_entropy(weights: Any) -> float:
    """Return the entropy of the exponent field of floats of any shape, bits per weight; NaN without weights.

    Raises:
        InputError: not float64, float32, float16 or bfloat16.
        WeightsError: NaN or infinite weights.

    >>> exponent_entropy(np.array([1.0, 1.5, 2.0, -3.0], dtype=np.float32))
    1.0
    """
    entropy = ExponentEntropy()
    entropy.add(weights)
    return entropy.value()


def mantissa_entropy(weights: Any) -> float:
    """Return the summed entropies of the bytes of the mantissa field, bits per weight; NaN without weights.

    Raises:
        InputError: not float64, float32, float16 or bfloat16.
        WeightsError: NaN or infinite weights.

    >>> mantissa_entropy(np.array([1.0, 1.5, 2.0, -3.0], dtype=np.float32))
    1.0
    """
    entropy = MantissaEntropy()
    entropy.add(weights)
    return entropy.value()


class ExponentEntropy:
    """``exponent_entropy`` of tensors added one after the other."""

    def __init__(self) -> None:
        self.scored = 0  # weights added
        self._counts: dict[str, np.ndarray] = {}  # format -> numbers of weights, int64 ``[2**exponent]``

    def add(self, values: Any) -> None:
        """Count a tensor of any shape; for errors see ``exponent_entropy``."""
        name, integers = _integers(values)
        fields = FORMATS[name]
        counts = self._counts.setdefault(name, np.zeros(1 << fields.exponent, dtype=np.int64))
        for start in range(0, integers.size, CHUNK):
            chunk = integers[start : start + CHUNK] >> fields.mantissa
            counts += np.bincount(chunk & (counts.size - 1), minlength=counts.size)
        self.scored += integers.size

    def value(self) -> float:
        """Return the entropy of everything added so far, bits per weight; NaN without weights."""
        return _per_weight(list(self._counts.values()), self.scored)


class MantissaEntropy:
    """``mantissa_entropy`` of tensors added one after the other."""

    def __init__(self) -> None:
        self.scored = 0  # weights added
        self._counts: dict[str, np.ndarray] = {}  # format -> numbers of weights, int64 ``[parts, 256]``

    def add(self, values: Any) -> None:
        """Count a tensor of any shape; for errors see ``mantissa_entropy``."""
        name, integers = _integers(values)
        mantissa = FORMATS[name].mantissa
        counts = self._counts.setdefault(name, np.zeros((-(-mantissa // 8), 256), dtype=np.int64))
        for start in range(0, integers.size, CHUNK):
            chunk = integers[start : start + CHUNK]
            for part, row in enumerate(counts):
                bits = min(8, mantissa - 8 * part)
                row += np.bincount((chunk >> (8 * part)) & ((1 << bits) - 1), minlength=256)
        self.scored += integers.size

    def value(self) -> float:
        """Return the entropy of everything added so far, bits per weight; NaN without weights."""
        return _per_weight([row for rows in self._counts.values() for row in rows], self.scored)


def _integers(values: Any) -> tuple[str, np.ndarray]:
    """Return the format of finite floats and their bits as signed integers, 1-D."""
    array = as_numpy(values)
    if array.dtype.name not in FORMATS:
        raise InputError(
            f"dtype {array.dtype.name} has no exponent and mantissa, wanted weights in {', '.join(FORMATS)}; "
            "for bits take bdm or lz76_density"
        )
    view = signed(array)
    refuse_bad(view.values, view.limit)
    return array.dtype.name, view.values.reshape(-1)


def _per_weight(histograms: list[np.ndarray], weights: int) -> float:
    """Return the sum over histograms of entropy times what they count, per weight."""
    return sum(map(_information, histograms)) / weights if weights else float("nan")


def _information(counts: np.ndarray) -> float:
    """Return entropy times number of values, bits."""
    seen = counts[counts > 0]
    return float((seen * (np.log2(seen.sum()) - np.log2(seen))).sum())
