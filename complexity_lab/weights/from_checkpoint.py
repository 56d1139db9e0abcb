"""Weights in ``torch.save`` files. They are pickles, so only plain tensors are accepted and nothing is executed."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.arrays import as_numpy
from complexity_lab.errors import UnreachableError, WeightsError
from complexity_lab.weights.from_safetensors import SafetensorsFile, check_order, read_index, reason_to_skip
from complexity_lab.weights.source import NamedTensor, SkippedTensor, WeightSource, kind_of_name

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")  # keys under which training scripts keep the weights


@dataclass(frozen=True)
class StateDict:
    """A mapping of names to tensors (numpy or torch) as a weight source; tied tensors count once."""

    state: Mapping[str, Any]
    label: str = "state dict"
    order: tuple[str, ...] | None = None

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors in the mapping's order, or in ``order``."""
        names = self.order if self.order is not None else tuple(self.state)
        check_order(names, set(self.state), self.label)
        seen: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()
        for name in names:
            values = self.state[name]
            place = _place(values)
            yield _named(name, values, shared=place in seen and values.size != 0)
            seen.add(place)


def _place(values: Any) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Where the values lie in memory, to tell tied tensors."""
    if hasattr(values, "data_ptr"):
        return values.data_ptr(), tuple(values.shape), tuple(values.stride())
    return values.__array_interface__["data"][0], values.shape, values.strides


def _named(name: str, values: Any, shared: bool) -> NamedTensor | SkippedTensor:
    dtype = str(values.dtype).removeprefix("torch.")
    shape = tuple(values.shape)
    kind = kind_of_name(name, len(shape))
    short = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}.get(dtype, dtype)
    count = 1
    for side in shape:
        count *= side
    reason = "shares memory with a tensor that was counted" if shared else reason_to_skip(name, short, count)
    if reason:
        return SkippedTensor(name, shape, dtype, kind, reason)
    return NamedTensor(name, as_numpy(values), kind)


@dataclass(frozen=True)
class TorchFile:
    """A ``torch.save`` file of plain tensors as a weight source, in the order of its state dict."""

    path: Path
    order: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The file's name."""
        return str(self.path)

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors of the file.

        Raises:
            UnreachableError: the file does not exist or cannot be read.
            WeightsError: it is truncated, holds more than tensors (never executed), or no state dict.
        """
        yield from StateDict(load_state_dict(self.path), self.label, self.order).tensors()


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Load the state dict of a ``torch.save`` file without executing anything it holds."""
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
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is truncated or not a torch file ({first}); fetch it again") from None
    except OSError as error:
        raise UnreachableError(f"{path} cannot be read: {error}") from None
    return _state_dict(loaded, path)


def _state_dict(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    import torch

    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        raise WeightsError(f"{path} holds a {type(loaded).__name__}, wanted a state dict of tensors")
    state = {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise WeightsError(f"{path} holds no tensors, wanted a state dict")
    return state


def open_file(path: Path, order: tuple[str, ...] | None = None) -> WeightSource:
    """Return the weight source of one file by its suffix.

    Raises:
        UnreachableError: the file does not exist.
        WeightsError: the suffix is none of ``SUFFIXES``.
    """
    if not path.exists():
        raise UnreachableError(f"{path} does not exist; check the path")
    if path.suffix == ".safetensors":
        return SafetensorsFile(path, order)
    if path.suffix in SUFFIXES:
        return TorchFile(path, order)
    raise WeightsError(f"{path} has suffix {path.suffix or 'none'}, wanted one of {', '.join(SUFFIXES)}")


def names_in(path: Path) -> tuple[str, ...]:
    """Names of a file's tensors in its own order, which a paired file is then read in."""
    if path.suffix == ".safetensors":
        return tuple(stored.name for stored in read_index(path))
    return tuple(load_state_dict(path))
