"""Weights in safetensors files, streamed one tensor at a time.

``safetensors`` validates the file; the bytes are then read into one reused buffer instead of through its memory map,
because every mapped page that was touched counts as resident: a pass over a file of 8 tensors of 100 MB peaked at
884 MB through the map.

Two names may hold equal bytes: a file does not say that weights are tied, so they are two tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from complexity_lab.arrays import as_numpy, how_read
from complexity_lab.errors import UnreachableError, WeightsError
from complexity_lab.weights.order import MODEL_ORDER, Ordering, OrderRule
from complexity_lab.weights.source import NamedTensor, Order, Reader, SkippedTensor, kind_of_name, not_scored

# The dtypes of the parameter stream, as the format names them. Float8 values are taken as they are: scales of blocks
# or channels, which some checkpoints keep in tensors beside them, are not applied.
FLOATS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
    **{"F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz"},
}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalization; a file does not mark them


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies in a safetensors file; ``offset`` in bytes from the start of the file."""

    name: str
    dtype: str  # as the format names it: F32, BF16, ...
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class SafetensorsFile:
    """The tensors of one file as a weight source.

    A safetensors file does not store the order of the model. ``ordering`` says which one is wanted and what is known of
    it; the order of the file itself is the alphabetical one of the names. ``order`` gives an order with the shape that
    each tensor must have (the initial and the trained file of a pair are of one architecture and read in one order);
    ``ordering`` then says only what that order is.

    Raises (on reading):
        UnreachableError: the file does not exist or cannot be read.
        WeightsError: the file is truncated, corrupt, not safetensors, or holds other tensors than ``order``.
    """

    path: Path
    order: Order | None = None
    ordering: Ordering = MODEL_ORDER

    @property
    def label(self) -> str:
        """The file's name."""
        return str(self.path)

    @property
    def order_rule(self) -> OrderRule:
        """What the tensors are ordered by; the header is read where the names decide."""
        return _order_rule((self.path,), self.order, self.ordering)

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors; each array is valid until the next one is read."""
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the tensor, in the order of ``tensors``; the arrays share one buffer."""
        places = {stored.name: (self.path, stored) for stored in read_index(self.path)}
        return _arranged(places, self.order, self.ordering, self.label)


@dataclass(frozen=True)
class SafetensorsShards:
    """Several safetensors files of one model as a weight source, ordered as if they were one file.

    The order of the files themselves is one after the other, each in the alphabetical order of its names.

    Raises (on reading):
        UnreachableError: a file does not exist or cannot be read.
        WeightsError: a file is truncated, corrupt or not safetensors, two of them hold a tensor of one name, or they
            hold other tensors than ``order``.
    """

    files: tuple[Path, ...]
    label: str
    order: Order | None = None
    ordering: Ordering = MODEL_ORDER

    @property
    def order_rule(self) -> OrderRule:
        """What the tensors are ordered by; the headers are read where the names decide."""
        return _order_rule(self.files, self.order, self.ordering)

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors of all files; each array is valid until the next one is read."""
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the tensor, in the order of ``tensors``; the arrays share one buffer."""
        places = [(path, stored) for path in self.files for stored in read_index(path)]
        names = [stored.name for _, stored in places]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise WeightsError(f"{self.label} holds {twice} in two of its files; they need to be shards of one model")
        return _arranged(dict(zip(names, places, strict=True)), self.order, self.ordering, self.label)


def order_in(files: Sequence[Path], ordering: Ordering = MODEL_ORDER) -> Order:
    """Return names and shapes of the tensors of a file, or of the shards of a model, in the order they are read in."""
    shapes = {stored.name: stored.shape for path in files for stored in read_index(path)}
    return {name: shapes[name] for name in ordering.ordered(list(shapes))}


def _order_rule(files: Sequence[Path], order: Order | None, ordering: Ordering) -> OrderRule:
    if order is not None:
        return ordering.asked
    decisive = files if ordering.asked == "model" and ordering.model else ()
    return ordering.rule(stored.name for path in decisive for stored in read_index(path))


def _arranged(
    places: Mapping[str, tuple[Path, StoredTensor]], order: Order | None, ordering: Ordering, label: str
) -> dict[str, Reader]:
    """Return name -> reader in the order that was given or asked for; ``places`` are in the order of the files."""
    if order is None:
        return _readers(places[name] for name in ordering.ordered(list(places)))
    check_order(order, {name: stored.shape for name, (_, stored) in places.items()}, label)
    return _readers(places[name] for name in order)


def _readers(places: Iterable[tuple[Path, StoredTensor]]) -> dict[str, Reader]:
    """Return name -> reader of tensors that share one buffer, as large as the largest of them."""
    places = list(places)
    largest = max((stored.size for _, stored in places if stored.dtype in FLOATS), default=0)
    buffer = np.empty(largest, dtype=np.uint8)  # takes memory only as far as it is written
    return {stored.name: partial(_read, path, stored, buffer) for path, stored in places}


def check_order(order: Order, found: Order, label: str) -> None:
    """Raise ``WeightsError`` unless a file holds exactly the tensors of ``order``, in the same shapes."""
    missing, extra = sorted(set(order) - set(found)), sorted(set(found) - set(order))
    differences = [
        f"{verb} {len(different)}{more} ({different[0]}, ...)"
        for verb, different, more in (("lacks", missing, ""), ("has", extra, " more"))
        if different
    ]
    if differences:
        difference = " and ".join(differences)
        raise WeightsError(f"{label} {difference} compared with the other state; they need the same tensors")
    reshaped = [name for name, shape in order.items() if found[name] != shape]
    if reshaped:
        first, more = reshaped[0], f", and {len(reshaped) - 1} more differ" if len(reshaped) > 1 else ""
        raise WeightsError(
            f"{label} has {first} of shape {list(found[first])}, the other state of shape {list(order[first])}{more}; "
            "they need the same shapes"
        )


def read_index(path: Path) -> tuple[StoredTensor, ...]:
    """Validate a safetensors file and return its tensors in alphabetical order; reads the header only."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise UnreachableError(f"{path} is a directory, wanted a safetensors file")
    try:
        with safe_open(path, framework="numpy"):
            pass  # checks magic, header, offsets and total size
        header, start = _header(path)
    except FileNotFoundError:
        raise UnreachableError(f"{path} does not exist; check the path") from None
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} is truncated or not a safetensors file ({error}); fetch it again") from None
    except OSError as error:
        raise UnreachableError(f"{path} cannot be read: {error}") from None
    return tuple(
        StoredTensor(
            name=name,
            dtype=entry["dtype"],
            shape=tuple(entry["shape"]),
            offset=start + entry["data_offsets"][0],
            size=entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for name, entry in sorted(header.items())
        if name != "__metadata__"
    )


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header and the position of the first data byte (the format's public layout: u64 length, JSON)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


def reason_to_skip(name: str, dtype: str, size: int) -> str | None:
    """Say why a stored tensor is not part of the parameter stream, or return None."""
    if name.rpartition(".")[2] in BUFFERS:
        return "buffer of a normalization layer, not a parameter"
    if dtype.upper() not in FLOATS:
        return not_scored(dtype)
    return "zero-size tensor" if size == 0 else None


def _read(path: Path, stored: StoredTensor, buffer: np.ndarray) -> NamedTensor | SkippedTensor:
    kind = kind_of_name(stored.name, len(stored.shape))
    reason = reason_to_skip(stored.name, stored.dtype, stored.size)
    if reason:
        return SkippedTensor(stored.name, stored.shape, stored.dtype.lower(), kind, reason)
    try:
        with path.open("rb", buffering=0) as file:
            _fill(buffer[: stored.size].data, file, stored)
    except OSError as error:
        raise UnreachableError(f"{path} cannot be read: {error}") from None
    values = buffer[: stored.size].view(_dtype(stored.dtype)).reshape(stored.shape)
    return NamedTensor(stored.name, as_numpy(values), kind, how_read(values))


def _fill(view: memoryview, file: FileIO, stored: StoredTensor) -> None:
    file.seek(stored.offset)
    read = 0
    while read < stored.size:
        got = file.readinto(view[read:])
        if not got:
            raise WeightsError(f"{file.name} ends inside tensor {stored.name}; fetch it again")
        read += got


def _dtype(name: str) -> np.dtype[Any]:
    import ml_dtypes

    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, FLOATS[name], FLOATS[name])).newbyteorder("<")
    return found
