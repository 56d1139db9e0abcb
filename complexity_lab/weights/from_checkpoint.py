"""Weights in ``torch.save`` files. They are pickles, so only plain tensors are accepted and nothing is executed."""

from __future__ import annotations

import math
import pickle
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from complexity_lab.arrays import (
    as_numpy,
    dtype_name,
    how_read,
    is_array,
    is_quantized,
    require_loaded,
    shape_of,
    why_not_dense,
)
from complexity_lab.errors import InputError, UnreachableError, WeightsError
from complexity_lab.weights.from_safetensors import FLOATS, SafetensorsFile, check_order, order_in, reason_to_skip
from complexity_lab.weights.nesting import flat_state
from complexity_lab.weights.order import MODEL_ORDER, Ordering, OrderRule, natural_order
from complexity_lab.weights.source import NamedTensor, Order, Reader, SkippedTensor, WeightSource, kind_of_name

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_SHORT = {name: short for short, name in FLOATS.items()}  # as safetensors names them
_DAMAGE = (  # whatever torch.load raised for files with a few changed bytes
    *(RuntimeError, EOFError, ValueError, LookupError, AssertionError, AttributeError, TypeError),
    *(ArithmeticError, struct.error),
)
Place = tuple[Any, ...]  # address, shape, strides


@dataclass(frozen=True)
class StateDict:
    """A mapping of names to tensors (numpy or torch) as a weight source; tied tensors count once.

    Quantized tensors (torch's own, and those of torchao) are read as their dequantized values, with a note.

    A nested mapping, or a whole checkpoint, is read by the rule of ``complexity_lab.weights.nesting``.
    """

    state: Mapping[str, Any]
    label: str = "state dict"
    order: Order | None = None
    order_rule: OrderRule = "model"  # with ``order``: what that is

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors in the mapping's order, or in ``order`` with the entries that are no tensors at the end.

        A state dict is in the order of the model, which torch keeps; only the rule ``natural`` sorts it.

        Raises:
            WeightsError: other tensors or shapes than in ``order``, a tensor on the meta device, or not clear what of
                the mapping is the model.
        """
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the entry, in the order of ``tensors``, which says what is raised."""
        state = flat_state(self.state, self.label)
        names = _by_rule(state, self.order_rule)
        if self.order is not None:
            check_order(self.order, _shapes(state, self.label), self.label)
            names = [*self.order, *(name for name in names if name not in self.order)]
        seen: set[Place] = set()
        return {name: _reader(name, state[name], self.label, seen) for name in names}


def _by_rule(names: Iterable[str], rule: OrderRule) -> list[str]:
    return natural_order(names) if rule == "natural" else list(names)


def _shapes(state: Mapping[str, Any], label: str) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for name, values in state.items():
        if is_array(values):
            require_loaded(values, f"tensor {name} of {label}")
            shapes[name] = shape_of(values)
    return shapes


def _reader(name: str, values: Any, label: str, seen: set[Place]) -> Reader:
    """Return what reads one entry of a state dict; ``seen`` collects where the values of the earlier ones lie."""
    if not is_array(values):
        found = type(values).__name__
        return partial(SkippedTensor, name, (), found, "other", f"not a tensor ({found})")
    require_loaded(values, f"tensor {name} of {label}")
    shape, dtype = shape_of(values), dtype_name(values)
    reason = _reason_to_skip(name, values, seen)
    if reason:
        return partial(SkippedTensor, name, shape, dtype, kind_of_name(name, len(shape)), reason)
    seen.add(_place(values))
    return partial(_read, name, values)


def _read(name: str, values: Any) -> NamedTensor | SkippedTensor:
    shape = shape_of(values)
    kind = kind_of_name(name, len(shape))
    try:
        return NamedTensor(name, as_numpy(values), kind, how_read(values))
    except InputError as error:  # it cannot be dequantized; the others stand
        return SkippedTensor(name, shape, dtype_name(values), kind, str(error))


def _reason_to_skip(name: str, values: Any, seen: set[Place]) -> str | None:
    if not_dense := why_not_dense(values):
        return f"{not_dense} is not dense"
    dtype = "float32" if is_quantized(values) else dtype_name(values)  # it is read as floats, whatever it says
    reason = reason_to_skip(name, _SHORT.get(dtype, dtype), math.prod(shape_of(values)))
    if reason is None and _place(values) in seen:
        return "shares memory with a tensor that was counted"
    return reason


def _place(values: Any) -> Place:
    """Where the values lie in memory, to tell tied tensors; those of torchao are where the tensors in them are."""
    if hasattr(type(values), "__tensor_flatten__"):
        return tuple(_place(getattr(values, name)) for name in values.__tensor_flatten__()[0])
    if hasattr(values, "data_ptr"):
        return values.data_ptr(), tuple(values.shape), tuple(values.stride())
    return values.__array_interface__["data"][0], values.shape, values.strides


@dataclass(frozen=True)
class TorchFile:
    """A ``torch.save`` file of plain tensors as a weight source, in the order of its state dict."""

    path: Path
    order: Order | None = None
    order_rule: OrderRule = "model"  # as of a state dict

    @property
    def label(self) -> str:
        """The file's name."""
        return str(self.path)

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors of the file.

        Raises:
            UnreachableError: the file does not exist or cannot be read.
            WeightsError: it is truncated, holds more than tensors (never executed), no state dict, or other tensors
                than ``order``.
        """
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the tensor, in the order of ``tensors``; all values are in memory while it lives."""
        return StateDict(load_state_dict(self.path), self.label, self.order, self.order_rule).readers()


def load_state_dict(path: Path) -> dict[str, Any]:
    """Return the entries of the model in a ``torch.save`` file (tensors, and whatever else) without executing any.

    Which entries these are is the rule of ``complexity_lab.weights.nesting``.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; what cannot be read is refused below
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except FileNotFoundError:
        raise UnreachableError(f"{path} does not exist; check the path") from None
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path} holds more than plain tensors and was not executed; save its state_dict() as safetensors instead"
        ) from None
    except _DAMAGE as error:
        raise WeightsError(f"{path} is truncated or not a torch file{_detail(error)}; fetch it again") from None
    except OSError as error:
        raise UnreachableError(f"{path} cannot be read: {error}") from None
    return _state_dict(loaded, path)


def _detail(error: Exception) -> str:
    """Return the first line of a message; that of a lookup is a bare key, and an assertion may have none."""
    text = "" if isinstance(error, KeyError) else str(error).strip()
    return f" ({text.splitlines()[0]})" if text else ""


def _state_dict(loaded: Any, path: Path) -> dict[str, Any]:
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{path} holds a {type(loaded).__name__}, wanted a state dict of tensors")
    state = flat_state(loaded, str(path))
    if not any(map(is_array, state.values())):
        raise WeightsError(f"{path} holds no tensors, wanted a state dict")
    return state


def open_file(path: Path, order: Order | None = None, ordering: Ordering = MODEL_ORDER) -> WeightSource:
    """Return the weight source of one file by its suffix.

    Args:
        path: of the file.
        order: names and shapes that it must have, in the order to read them in; None for its own.
        ordering: which order is wanted; with ``order``, what that is. Torch files are in the model's order as they are.

    Raises:
        UnreachableError: the file does not exist, or its place cannot be looked at.
        WeightsError: the suffix is none of ``SUFFIXES``.
    """
    require_exists(path)
    if path.suffix == ".safetensors":
        return SafetensorsFile(path, order, ordering)
    if path.suffix in SUFFIXES:
        return TorchFile(path, order, ordering.asked)
    raise WeightsError(f"{path} has suffix {path.suffix or 'none'}, wanted one of {', '.join(SUFFIXES)}")


def require_exists(path: Path) -> None:
    """Raise ``UnreachableError`` if there is nothing at a path, or if the file system does not let us look."""
    try:
        exists = path.exists()
    except OSError as error:
        raise UnreachableError(f"{path} cannot be read: {error.strerror}; check the path") from None
    if not exists:
        raise UnreachableError(f"{path} does not exist; check the path")


def order_of(path: Path, ordering: Ordering = MODEL_ORDER) -> Order:
    """Return names and shapes of a file's tensors in the order it is read in, which a paired file is then read in."""
    if path.suffix == ".safetensors":
        return order_in((path,), ordering)
    shapes = _shapes(load_state_dict(path), str(path))
    return {name: shapes[name] for name in _by_rule(shapes, ordering.asked)}
