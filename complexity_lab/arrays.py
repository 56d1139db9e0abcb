"""The one place where torch tensors become numpy arrays, and where it is known which have no array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complexity_lab.errors import InputError, WeightsError

if TYPE_CHECKING:
    import torch

_WANTED = "wanted float64, float32, float16, bfloat16, or 0/1 integers"


def as_numpy(values: Any) -> np.ndarray:
    """Return an array for a numpy array, a torch tensor on any device, or a sequence of numbers.

    The shape stays, memory is shared where it can be, and bfloat16 becomes ``ml_dtypes.bfloat16``.

    Raises:
        InputError: a sparse or nested tensor, a dtype that numpy lacks (float8), or a ragged sequence.
        WeightsError: a tensor without values (on the meta device, or not initialized).
    """
    if not _is_torch(values):
        try:
            return np.asarray(values)
        except ValueError:
            raise InputError(f"a {type(values).__name__} that is no array of numbers, {_WANTED}") from None
    require_loaded(values, "the tensor")
    if reason := why_not_dense(values):
        raise InputError(f"{reason}, wanted a dense tensor; call its to_dense()")
    return array_of(values)


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return the array of a dense torch tensor that is known to have values, see ``as_numpy``.

    Raises:
        InputError: a dtype that numpy lacks (float8).
    """
    try:
        array: np.ndarray = tensor.numpy(force=True)
    except TypeError:
        if dtype_name(tensor) != "bfloat16":
            raise InputError(f"dtype {dtype_name(tensor)}, {_WANTED}") from None
        import ml_dtypes
        import torch

        array = tensor.detach().contiguous().view(torch.int16).numpy(force=True).view(ml_dtypes.bfloat16)
    return array


def is_array(values: Any) -> bool:
    """Tell whether these are a torch tensor or an array in memory, not a number or a list."""
    in_memory = hasattr(values, "__array_interface__") and not isinstance(values, np.generic)
    return _is_torch(values) or (in_memory and hasattr(values, "strides"))


def shape_of(values: Any) -> tuple[int, ...]:
    """Return the shape of an array or tensor; a nested tensor has none and gives ``()``."""
    return () if getattr(values, "is_nested", False) else tuple(values.shape)


def dtype_name(values: Any) -> str:
    """Return the dtype without byte order or library: ``float32``, ``bfloat16``, ``float8_e4m3fn``."""
    return str(getattr(values.dtype, "name", values.dtype)).removeprefix("torch.")


def why_not_dense(values: Any) -> str | None:
    """Say why a tensor has no plain array of values (sparse, nested), or return None."""
    if getattr(values, "is_nested", False):
        return "a nested tensor"
    layout = str(getattr(values, "layout", "torch.strided")).removeprefix("torch.")
    return None if layout == "strided" else f"a tensor of layout {layout}"


def require_loaded(values: Any, what: str) -> None:
    """Raise ``WeightsError`` if a torch tensor has no values: on the meta device, or lazily initialized."""
    if not _is_torch(values):
        return
    from torch.nn.parameter import is_lazy

    if is_lazy(values):
        raise WeightsError(f"{what} is not initialized yet; run the model once before it is measured")
    if values.is_meta:
        raise WeightsError(f"{what} is on the meta device: its values were not loaded; load the weights first")


def _is_torch(values: Any) -> bool:
    return hasattr(values, "detach") and hasattr(values, "is_floating_point")
