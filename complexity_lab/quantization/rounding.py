"""Post-training quantization of one weight tensor: per output channel, symmetric, scaled by the largest weight.

The simplest rounding there is, that of the QuBD study (arXiv 2605.15551, experiments): no data, no calibration, no
compensation of one weight's error by another. What a network loses by it is an upper limit of what it has to lose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.counted import counted
from complexity_lab.errors import InputError, UnknownNameError, WeightsError

if TYPE_CHECKING:
    from torch import nn

MAX_BITS = 8
FLOATS = ("float64", "float32", "float16", "bfloat16")


def rounded(weight: Any, bits: int) -> np.ndarray:
    """Return a tensor with the weights of each output channel (axis 0) rounded to at most ``2**bits - 1`` values.

    From 2 bits on, ``scale * clip(round(w / scale), -top, top)`` with ``top = 2**(bits - 1) - 1``, ``scale =
    max|w| / top`` per channel and halves to even. With 1 bit, plus (``w > 0``) or minus the mean of ``|w|`` of the
    channel. A channel of zeros stays zero. At 2 bits the values are three: -max, 0 and max.

    Args:
        weight: numpy array or torch tensor, two or more axes; float64, float32, float16 or bfloat16.
        bits: 1 to 8.

    Returns:
        A new array of the same shape, float64 for float64 weights and float32 for all others.

    Raises:
        InputError: fewer axes, no values, a wrong dtype, or ``bits`` out of range.
        WeightsError: NaN or infinite weights.

    >>> rounded(np.array([[-1.0, 0.4, 0.9], [0.0, 0.0, 0.0]]), bits=2).tolist()
    [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    >>> rounded(np.array([[-1.0, 0.5]]), bits=1).tolist()
    [[-0.75, 0.75]]
    """
    channels = _channels(weight, bits)
    if bits == 1:
        size = np.abs(channels).mean(axis=1, keepdims=True, dtype=np.float64).astype(channels.dtype)
        found = np.where(channels > 0, size, -size)
    else:
        top = channels.dtype.type(2 ** (bits - 1) - 1)
        scale = np.abs(channels).max(axis=1, keepdims=True) / top
        divisor = np.where(scale > 0, scale, 1)  # zeros, or weights too small for float32 to be divided
        found = np.clip(np.rint(channels / divisor), -top, top) * scale
    result: np.ndarray = (found + 0.0).reshape(np.shape(weight))  # no negative zeros
    return result


def relative_error(weight: Any, bits: int) -> float:
    """Return ``|w - rounded(w)|^2 / |w|^2`` over a tensor, a number without unit; 0 for a tensor of zeros.

    For the arguments and errors see ``rounded``.

    >>> relative_error(np.array([[1.0, 0.4]]), bits=2).__round__(4)
    0.1379
    """
    values = _channels(weight, bits).astype(np.float64)
    power = float(np.square(values).sum())
    lost = values - rounded(weight, bits).reshape(values.shape)
    return float(np.square(lost).sum()) / power if power > 0 else 0.0


@contextmanager
def with_rounded_weights(module: nn.Module, bits: Mapping[str, int]) -> Iterator[None]:
    """Round parameters, each to its bits, and put back what was there.

    Raises:
        UnknownNameError: the module has no parameter of a name.
    """
    import torch

    parameters = dict(module.named_parameters())
    unknown = [name for name in bits if name not in parameters]
    if unknown:
        raise UnknownNameError(f"{type(module).__name__} has no parameter {unknown[0]!r}; name them as it does")
    kept = {name: parameters[name].detach().clone() for name in bits}
    try:
        with torch.no_grad():
            for name, number in bits.items():
                parameters[name].copy_(torch.from_numpy(rounded(kept[name], number)))
        yield
    finally:
        with torch.no_grad():
            for name, values in kept.items():
                parameters[name].copy_(values)


def _channels(weight: Any, bits: int) -> np.ndarray:
    """Return checked weights as ``[channels, rest]``, float32 or float64."""
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= MAX_BITS:
        raise InputError(f"{bits} bits, wanted a whole number from 1 to {MAX_BITS}")
    values = as_numpy(weight)
    if values.dtype.name not in FLOATS:
        raise InputError(f"dtype {values.dtype}, wanted {', '.join(FLOATS)}")
    if values.ndim < 2 or values.size == 0:
        raise InputError(f"a tensor of shape {values.shape}, wanted two or more axes and at least one value")
    matrix: np.ndarray = values.reshape(len(values), -1)
    matrix = matrix.astype(np.float64 if values.dtype == np.float64 else np.float32, copy=False)
    bad = int(matrix.size - np.isfinite(matrix).sum())
    if bad:
        raise WeightsError(f"{bad} of {counted(matrix.size, 'weight')} are NaN or infinite; wanted finite ones")
    return matrix
