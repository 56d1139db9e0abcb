"""Whole state dicts as raw bits, from files and into files: what packing starts from and unpacking returns to."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from complexity_lab.arrays import is_array, require_loaded, why_not_dense
from complexity_lab.errors import InputError, OutputError, UnreachableError, WeightsError
from complexity_lab.files import write_atomically
from complexity_lab.weights.from_checkpoint import load_state_dict, require_exists
from complexity_lab.weights.from_safetensors import read_index

State = dict[str, Tensor]
DTYPES = {  # torch's name -> that of safetensors, for every dtype that both have
    **{"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "complex64": "C64", "bool": "BOOL"},
    **{"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"},
    **{"uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8"},
    **{"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0"},
    **{"float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ"},
}


def name_of(dtype: torch.dtype) -> str:
    """Return ``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def raw_bits(tensor: Tensor) -> np.ndarray:
    """Return the values of a dense tensor of any shape, flattened row-major, as unsigned integers of the same size."""
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    bits: np.ndarray = plain.view(torch.uint8).numpy().view(f"<u{tensor.element_size()}")
    return bits


def tensor_of(bits: np.ndarray, dtype: str, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor that owns its memory; undoes ``raw_bits``."""
    octets = torch.from_numpy(np.array(bits).view(np.uint8))
    kind: torch.dtype = getattr(torch, dtype)
    return octets.view(kind).reshape(shape)


def refuse_unstorable(state: Mapping[str, object]) -> None:
    """Raise unless every entry is a tensor that a safetensors file can hold.

    Raises:
        InputError: there are none, an entry is no tensor, or is sparse, or of a dtype that safetensors lacks.
        WeightsError: a tensor on the meta device, or not initialized yet.
    """
    if not state:
        raise InputError("a state dict without tensors, so there is nothing to pack")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise InputError(f"entry {name} is a {type(value).__name__}, wanted a tensor; leave it out")
        require_loaded(value, f"tensor {name}")
        if reason := why_not_dense(value):
            raise InputError(f"tensor {name} is {reason}, wanted a dense one; call its to_dense()")
        if name_of(value.dtype) not in DTYPES:
            raise InputError(f"tensor {name} is {name_of(value.dtype)}, which safetensors cannot hold; convert it")


def owner_of_each(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each name the first name whose tensor is the same memory, seen with the same shape and strides."""
    seen: dict[tuple[object, ...], str] = {}
    owners = {}
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)
        owners[name] = seen.setdefault(place, name) if tensor.numel() else name
    return owners


def dense_file(state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of the usual safetensors file, each tensor by its name; tied ones are written out twice."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    return save(plain, metadata=dict(metadata) if metadata else None)


def read_dense(path: Path) -> tuple[State, dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file, or the model of a ``torch.save`` file.

    Nothing is unpickled but plain tensors. Torch files have no metadata.

    Raises:
        UnreachableError: the file does not exist or cannot be read.
        WeightsError: it is truncated, or not of the kind that its suffix says.
        InputError: a torch file holds entries that are no tensors.
    """
    require_exists(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    state = load_state_dict(path)
    others = [name for name, value in state.items() if not is_array(value)]
    if others:
        raise InputError(f"{path} holds {others[0]}, which is no tensor, so unpacking would lose it; save state_dict()")
    return state, {}


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    read_index(path)  # refuses what is damaged, in a sentence
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
            return tensors, dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{path} cannot be read as tensors ({error})") from None


def weights_file(source: Path, which: str | None = None) -> Path:
    """Return the file of weights that a person named: itself, or the best or final one of a training run.

    Args:
        source: a file, or the directory of a training run.
        which: ``best`` or ``final``; the best one that is there if None.

    Raises:
        InputError: ``which`` is neither, or given for a file.
        UnreachableError: there is no such file.
    """
    if which not in (None, "best", "final"):
        raise InputError(f"weights {which!r}, wanted best or final")
    require_exists(source)
    if not source.is_dir():
        if which is not None:
            raise InputError(f"{which} weights of {source}, which is a file; they are chosen in a training run only")
        return source
    names = ("best", "final") if which is None else (which,)
    for path in (source / f"{name}.safetensors" for name in names):
        if path.exists():
            return path
    raise UnreachableError(
        f"{source} holds no {' or '.join(names)}.safetensors, wanted the directory of a training run"
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears as a whole or not at all.

    Raises:
        OutputError: its directory is missing or cannot be written, or there is no space left.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "no space left; free some" if full else f"{error.strerror or error}; name another file"
        raise OutputError(f"cannot write {path}: {reason}") from error
