"""The packed file itself: safetensors with a description in its metadata, checked before anything is believed.

``docs/packed-format.md`` says the same for people who write a reader of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.blocks import Padding, Shape
from complexity_lab.momos.bound import index_bits, mosaic_bits
from complexity_lab.momos.codebook import Cut
from complexity_lab.momos.dense import DTYPES
from complexity_lab.weights.from_safetensors import StoredTensor, read_index

FORMAT, VERSION = "complexity-lab-mosaic", "1"
Place = Literal["blocks", "dense", "alias"]


@dataclass(frozen=True)
class Piece:
    """One tensor of the file: raw bits of any shape, as unsigned integers, and the dtype they stand for."""

    dtype: str
    bits: np.ndarray


Pieces = Mapping[str, Piece]


@dataclass(frozen=True, kw_only=True)
class CodebookEntry:
    """What is known of the tensors of one dtype that became blocks.

    Attributes:
        dtype: of the values.
        values: how many, without padding; n of ``bound.rac``.
        cut: how they are cut.
        k: different blocks.
        blocks: all blocks, m.
        coding: of the indices, see ``bitpacking.encode``.
        index_bytes: of all indices in the file.
    """

    dtype: str
    values: int
    cut: Cut
    k: int
    blocks: int
    coding: str
    index_bytes: int

    @property
    def index_bits(self) -> int:
        """Bits of one index, before compression."""
        return index_bits(self.k)

    @property
    def dense_bits(self) -> int:
        """Bits of the values as they are."""
        return self.values * 8 * itemsize(self.dtype)

    @property
    def mosaic_bits(self) -> int:
        """Bits of codebook and bit-packed indices."""
        return mosaic_bits(s=self.cut.s, k=self.k, m=self.blocks, q=8 * itemsize(self.dtype))


@dataclass(frozen=True)
class TensorEntry:
    """One name of the state dict.

    Attributes:
        name: of the tensor.
        dtype: of its values.
        shape: of the tensor.
        place: ``blocks``, ``dense``, or ``alias`` of a tensor before it.
        alias: name of that tensor.
    """

    name: str
    dtype: str
    shape: Shape
    place: Place
    alias: str = ""


@dataclass(frozen=True)
class Description:
    """All that a packed file says of itself beside the bits."""

    tensors: tuple[TensorEntry, ...]
    codebooks: tuple[CodebookEntry, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> int:
        """Values of all tensors, tied ones once; n."""
        return sum(prod(entry.shape) for entry in self.tensors if entry.place != "alias")

    def of(self, dtype: str, place: Place) -> tuple[TensorEntry, ...]:
        """Return the tensors of a dtype that lie at a place, in order."""
        return tuple(entry for entry in self.tensors if (entry.dtype, entry.place) == (dtype, place))


def itemsize(dtype: str) -> int:
    """Return the bytes of a value of a dtype, named as torch does."""
    size: int = getattr(torch, dtype).itemsize
    return size


def rac_of(codebooks: Sequence[CodebookEntry]) -> float | None:
    """Return the bits of the values in blocks over those of their mosaics, as ``bound.rac``; None without any."""
    if not codebooks:
        return None
    return sum(book.dense_bits for book in codebooks) / sum(book.mosaic_bits for book in codebooks)


def packed_file(description: Description, pieces: Pieces) -> bytes:
    """Return the bytes of the file; the same input gives the same bytes.

    It is written here, not by the safetensors library, because that shuffles the metadata at every run.
    """
    layout = _to_json(description)
    metadata = {"format": FORMAT, "version": VERSION, "layout": layout, "sha256": _digest(layout, pieces)}
    header: dict[str, Any] = {"__metadata__": metadata}
    at, payload = 0, []
    for name in sorted(pieces, key=lambda name: (-pieces[name].bits.itemsize, name)):  # so that all are aligned
        piece = pieces[name]
        end = at + piece.bits.nbytes
        header[name] = {"dtype": DTYPES[piece.dtype], "shape": list(piece.bits.shape), "data_offsets": [at, end]}
        payload.append(piece.bits.tobytes())
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *payload])


def read_packed(path: Path) -> tuple[Description, Pieces]:
    """Return what a packed file holds, its checksum verified.

    Raises:
        UnreachableError: the file does not exist or cannot be read.
        WeightsError: it is truncated, damaged, another kind of file, or of another version of the format.
    """
    index = read_index(path)
    metadata = metadata_of(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} holds no packed model but other tensors; pack it first, or use it as it is")
    if metadata.get("version") != VERSION:
        raise WeightsError(
            f"{path} has version {metadata.get('version')} of the packed format, wanted {VERSION}; "
            "unpack it with the program that wrote it"
        )
    if "layout" not in metadata or "sha256" not in metadata:
        raise WeightsError(f"{path} lacks the description of its layout or the checksum; fetch it again")
    pieces = _read_pieces(path, index)
    if _digest(metadata["layout"], pieces) != metadata["sha256"]:
        raise WeightsError(f"{path} was changed or damaged: its checksum is not the stored one; fetch it again")
    try:
        return _from_json(metadata["layout"]), pieces
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise WeightsError(f"{path} describes its layout in a way that is not defined ({error})") from None


def metadata_of(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file that is known to be whole."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def _read_pieces(path: Path, index: Sequence[StoredTensor]) -> dict[str, Piece]:
    names = {short: name for name, short in DTYPES.items()}
    data = path.read_bytes()
    pieces = {}
    for stored in index:
        if stored.dtype not in names:
            raise WeightsError(f"{path} holds {stored.name} of dtype {stored.dtype}, which no packed file does")
        octets = np.frombuffer(data, dtype=np.uint8, count=stored.size, offset=stored.offset)
        dtype = names[stored.dtype]
        pieces[stored.name] = Piece(dtype, octets.view(f"<u{itemsize(dtype)}").reshape(stored.shape))
    return pieces


def _digest(layout: str, pieces: Pieces) -> str:
    """Return the SHA-256 of the description and of name, dtype, shape and bytes of every piece, in order of names."""
    digest = hashlib.sha256(layout.encode())
    for name in sorted(pieces):
        piece = pieces[name]
        digest.update(f"\n{name} {DTYPES[piece.dtype]} {list(piece.bits.shape)}\n".encode())
        digest.update(np.ascontiguousarray(piece.bits).tobytes())
    return digest.hexdigest()


def _to_json(description: Description) -> str:
    """Return the description as JSON; tensors are short lists, because a network may have a thousand."""
    content = {
        "n": description.values,
        "rac": rac_of(description.codebooks),
        "codebooks": [
            {
                "dtype": book.dtype,
                "n": book.values,
                "s": book.cut.s,
                "k": book.k,
                "blocks": book.blocks,
                "padding": book.cut.padding,
                "tile": book.cut.tile,
                "index_bits": book.index_bits,
                "coding": book.coding,
                "index_bytes": book.index_bytes,
            }
            for book in description.codebooks
        ],
        "tensors": [
            [entry.name, entry.dtype, entry.shape, entry.place, *([entry.alias] if entry.alias else [])]
            for entry in description.tensors
        ],
        "metadata": dict(description.metadata),
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _from_json(text: str) -> Description:
    content = json.loads(text)
    books = tuple(_codebook_entry(book) for book in content["codebooks"])
    tensors = tuple(_tensor_entry(*entry) for entry in content["tensors"])
    return Description(tensors, books, {str(key): str(value) for key, value in dict(content["metadata"]).items()})


def _codebook_entry(book: Mapping[str, Any]) -> CodebookEntry:
    tile = None if book["tile"] is None else (int(book["tile"][0]), int(book["tile"][1]))
    _refuse_unknown("padding", book["padding"], get_args(Padding))
    _refuse_unknown("dtype", book["dtype"], DTYPES)
    return CodebookEntry(
        dtype=book["dtype"],
        values=int(book["n"]),
        cut=Cut(int(book["s"]), book["padding"], tile),
        k=int(book["k"]),
        blocks=int(book["blocks"]),
        coding=str(book["coding"]),
        index_bytes=int(book["index_bytes"]),
    )


def _tensor_entry(name: str, dtype: str, shape: Sequence[int], place: Place, alias: str = "") -> TensorEntry:
    _refuse_unknown("dtype", dtype, DTYPES)
    _refuse_unknown("place", place, get_args(Place))
    if min(shape, default=0) < 0:
        raise ValueError(f"tensor {name} of shape {shape}")
    return TensorEntry(name, dtype, tuple(int(side) for side in shape), place, alias)


def _refuse_unknown(what: str, found: str, known: Any) -> None:
    if found not in known:
        raise ValueError(f"{what} {found!r}, wanted one of {', '.join(known)}")
