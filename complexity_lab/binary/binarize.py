"""Numbers to bits: 1 exactly if the number is above zero (0, -0 and negatives give 0).

NaN and infinities have no bit and are errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError

_INFINITY_BITS = {"float64": 0x7FF0 << 48, "float32": 0x7F800000, "float16": 0x7C00, "bfloat16": 0x7F80}


# all bits but the sign, by bytes per value
_TOPS = {size: np.dtype(f"i{size}").type((1 << (8 * size - 1)) - 1) for size in (1, 2, 4, 8)}


class Signed(NamedTuple):
    """Values whose sign tells the bit: positive integers are ones.

    ``values`` keeps the shape of the weights and shares their memory where it can; ``limit`` is the smallest absolute
    bit pattern that is not a number to score.
    """

    values: np.ndarray
    limit: np.signedinteger[Any]


def signed(values: Any) -> Signed:
    """View floats, or ready 0/1 integers, as signed integers of the same signs, C-contiguous.

    Raises:
        InputError: another dtype, or integers that are not all 0 or 1.
    """
    array = as_numpy(values)
    known = _READY.get(array.dtype)
    if known is not None and array.flags.c_contiguous and array.flags.aligned:
        return Signed(array.view(known[0]), known[1])
    if array.dtype == np.bool_:
        return Signed(np.ascontiguousarray(array).view(np.int8), np.int8(2))
    if np.issubdtype(array.dtype, np.integer):
        if array.size and (int(array.min()) < 0 or int(array.max()) > 1):
            raise InputError(f"integers from {array.min()} to {array.max()}, wanted 0/1 bits or floating-point weights")
        return Signed(np.ascontiguousarray(array, dtype=np.int8), np.int8(2))
    if array.dtype.name not in _INFINITY_BITS:
        raise InputError(f"dtype {array.dtype}, wanted float64, float32, float16, bfloat16, or 0/1 integers")
    native = np.require(array.astype(array.dtype.newbyteorder("="), copy=False), requirements=["C", "A"])
    integer, limit = _integer_view(native.dtype)
    return Signed(native.view(integer), limit)


def _integer_view(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.signedinteger[Any]]:
    integer = np.dtype(f"int{8 * dtype.itemsize}")
    return integer, integer.type(_INFINITY_BITS[dtype.name])


# models hold hundreds of tensors, most of them small: what is ready to be viewed takes no other step
_READY = {np.dtype(name): _integer_view(np.dtype(name)) for name in ("float64", "float32", "float16")}


def binarize(values: Any) -> np.ndarray:
    """Return the bits of an array, uint8 0/1 of the same shape.

    Raises:
        InputError: wrong dtype.
        WeightsError: NaN or infinite values.
    """
    view = signed(values)
    refuse_bad(view.values, view.limit)
    return (view.values > 0).astype(np.uint8)


def count_bad(values: np.ndarray, limit: np.signedinteger[Any]) -> int:
    """Return how many values of a signed view are NaN or infinite."""
    return int(np.count_nonzero(_is_bad(values, limit)))


def find_bad(views: Sequence[Signed]) -> list[int]:
    """Return which of many small views hold NaN or infinite values; all of one dtype are looked at together."""
    groups: dict[np.dtype[Any], list[int]] = {}
    for index, view in enumerate(views):
        groups.setdefault(view.values.dtype, []).append(index)
    found = []
    for indices in groups.values():
        together = np.concatenate([views[index].values.reshape(-1) for index in indices])
        limit = views[indices[0]].limit
        if np.logical_or.reduce(_is_bad(together, limit)):
            found += [index for index in indices if count_bad(views[index].values, limit)]
    return sorted(found)


def _is_bad(values: np.ndarray, limit: np.signedinteger[Any]) -> np.ndarray:
    bad: np.ndarray = (values & _TOPS[values.dtype.itemsize]) >= limit
    return bad


def refuse_bad(values: np.ndarray, limit: np.signedinteger[Any]) -> None:
    """Raise ``WeightsError`` with their number if any value is NaN or infinite."""
    if np.logical_or.reduce(_is_bad(values, limit), axis=None):
        raise bad_weights(values, limit)


def bad_weights(values: np.ndarray, limit: np.signedinteger[Any]) -> WeightsError:
    """Return the error that says how many values are NaN or infinite."""
    return WeightsError(
        f"{count_bad(values, limit)} of {counted(values.size, 'weight')} are NaN or infinite; they have no bit"
    )
