"""The one place where torch tensors become numpy arrays, and where it is known which have no array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complexity_lab.errors import InputError, WeightsError

if TYPE_CHECKING:
    import torch

_WANTED = "wanted float64, float32, float16, bfloat16, or 0/1 integers"
_NO_KERNEL = (  # what a library's own dequantize() may raise without the device or the extension it was made for
    *(RuntimeError, AssertionError, ImportError, TypeError, ValueError, LookupError, AttributeError),
)
# Their values are read as float16, which holds each of them exactly; NaN stays NaN, and an infinity one.
FLOAT8 = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")


def as_numpy(values: Any) -> np.ndarray:
    """Return an array for a numpy array, a torch tensor on any device, or a sequence of numbers.

    The shape stays, memory is shared where it can be, and bfloat16 becomes ``ml_dtypes.bfloat16``. Float8 becomes
    float16, and a quantized tensor what its ``dequantize()`` returns.

    Raises:
        InputError: a sparse or nested tensor, one of a class without an array or that cannot be dequantized, or a
            ragged sequence.
        WeightsError: a tensor without values (on the meta device, or not initialized).
    """
    if not _is_torch(values):
        try:
            return _with_float16(np.asarray(values))
        except ValueError:
            raise InputError(f"a {type(values).__name__} that is no array of numbers, {_WANTED}") from None
    require_loaded(values, "the tensor")
    if reason := why_not_dense(values):
        raise InputError(f"{reason}, wanted a dense tensor; call its to_dense()")
    return array_of(_dequantized(values) if is_quantized(values) else values)


def _dequantized(values: Any) -> torch.Tensor:
    try:
        plain: torch.Tensor = values.dequantize()
    except _NO_KERNEL as error:
        kind = dtype_name(values) if values.is_quantized else type(values).__name__
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"a tensor of {kind} that cannot be dequantized here ({text}); save it dequantized") from None
    return plain


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return the array of a dense torch tensor that is known to have values, see ``as_numpy``.

    Raises:
        InputError: a dtype that numpy lacks.
    """
    try:
        array: np.ndarray = tensor.numpy(force=True)
    except TypeError:
        name = dtype_name(tensor)
        if name != "bfloat16" and name not in FLOAT8:
            raise InputError(f"dtype {name}, {_WANTED}") from None
        import ml_dtypes
        import torch

        integers = torch.int16 if name == "bfloat16" else torch.int8
        array = tensor.detach().contiguous().view(integers).numpy(force=True).view(getattr(ml_dtypes, name))
    return _with_float16(array)


def _with_float16(array: np.ndarray) -> np.ndarray:
    """Return float8 as float16, anything else as it is."""
    return array.astype(np.float16) if array.dtype.name in FLOAT8 else array


def is_quantized(values: Any) -> bool:
    """Tell whether a torch tensor is stored as integers or float8 with scales, and has a ``dequantize()`` of its own.

    So are the quantized tensors of torch (qint8 and others) and those of libraries that subclass its tensor (torchao).
    """
    if not _is_torch(values):
        return False
    import torch

    own = getattr(type(values), "dequantize", None) is not torch.Tensor.dequantize
    return bool(values.is_quantized) or own


def how_read(values: Any) -> str:
    """Say how an array or tensor is read if not as it is stored: quantized, or float8; else an empty string."""
    if is_quantized(values):
        kind = dtype_name(values) if values.is_quantized else type(values).__name__
        return f"dequantized from {kind}"
    return f"{dtype_name(values)} read as float16" if dtype_name(values) in FLOAT8 else ""


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
    """Say why a tensor has no plain array of values (sparse, nested, of a class of its own), or return None."""
    if getattr(values, "is_nested", False):
        return "a nested tensor"
    layout = str(getattr(values, "layout", "torch.strided")).removeprefix("torch.")
    if layout != "strided":
        return f"a tensor of layout {layout}"
    return f"a tensor of class {type(values).__name__}" if _is_opaque(values) else None


def _is_opaque(values: Any) -> bool:
    """Tell whether a class of tensors handles every operation itself; most have no array, whatever their layout."""
    if not _is_torch(values) or is_quantized(values):
        return False
    import torch

    return type(values).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__


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
