"""A model as a file that really is smaller: different blocks once, and an index for each block.

``docs/packed-format.md`` describes the file. It is a safetensors file, so that other programs can look into it, and
gives the state dict back bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.bitpacking import decode, encode
from complexity_lab.momos.blocks import Padding
from complexity_lab.momos.codebook import Cut, best_plan, blocks_of, codebook_of, cuts_to_try, values_of
from complexity_lab.momos.container import (
    CodebookEntry,
    Description,
    Piece,
    Pieces,
    Place,
    TensorEntry,
    itemsize,
    packed_file,
    rac_of,
    read_packed,
)
from complexity_lab.momos.dense import (
    State,
    dense_file,
    name_of,
    owner_of_each,
    raw_bits,
    refuse_unstorable,
    tensor_of,
    write_file,
)
from complexity_lab.weights.from_safetensors import BUFFERS


@dataclass(frozen=True)
class PackReport:
    """What packing a model came to. Sizes are bytes of whole files, headers included.

    Attributes:
        path: the file written.
        dense_bytes: size of the usual safetensors file of the model, tied tensors written once.
        packed_bytes: size of the file written.
        n: values of all tensors, tied ones once.
        codebooks: what was written as blocks, for each dtype; the one of most values first, none if nothing repeats.
    """

    path: Path
    dense_bytes: int
    packed_bytes: int
    n: int
    codebooks: tuple[CodebookEntry, ...]

    @property
    def ratio(self) -> float:
        """Dense over packed bytes, without unit."""
        return self.dense_bytes / self.packed_bytes

    @property
    def rac(self) -> float | None:
        """Bits of the values that became blocks over bits of their mosaic, see ``bound.rac``; None if none did.

        It covers codebooks and bit-packed indices (also where indices were compressed further), with ``q`` the bits of
        the dtype, 32 for float32, and ``k`` the blocks that really differ. It leaves out the header, and tensors that
        are stored as they are; ``ratio`` counts both.
        """
        return rac_of(self.codebooks)

    @property
    def s(self) -> int | None:
        """Values in a block of the largest codebook; None without one."""
        return self.codebooks[0].cut.s if self.codebooks else None

    @property
    def k(self) -> int | None:
        """Different blocks in the largest codebook; None without one."""
        return self.codebooks[0].k if self.codebooks else None

    @property
    def index_bits(self) -> int | None:
        """Bits of an index into the largest codebook; None without one."""
        return self.codebooks[0].index_bits if self.codebooks else None

    @property
    def blocks(self) -> int:
        """Blocks of all tensors that became blocks."""
        return sum(entry.blocks for entry in self.codebooks)

    @property
    def index_bytes(self) -> int:
        """Bytes of all indices in the file."""
        return sum(entry.index_bytes for entry in self.codebooks)

    @property
    def entropy_coded_bytes(self) -> int:
        """Bytes of those indices that were compressed because that is shorter; 0 if bit-packing was everywhere."""
        return sum(entry.index_bytes for entry in self.codebooks if entry.coding != "bits")

    @cached_property
    def gzip_bytes(self) -> int:
        """Size of the dense file after gzip at level 9; takes seconds for a million values, and reads ``path``."""
        import gzip

        return len(gzip.compress(self._dense, compresslevel=9, mtime=0))

    @cached_property
    def zstd_bytes(self) -> int:
        """Size of the dense file after zstd at level 19; takes seconds for a million values, and reads ``path``."""
        import zstandard

        return len(zstandard.ZstdCompressor(level=19).compress(self._dense))

    @cached_property
    def _dense(self) -> bytes:
        return dense_file(without_ties(unpack(self.path)))


def pack(
    model_or_state_dict: nn.Module | Mapping[str, Tensor],
    path: str | Path,
    s: int | None = None,
    entropy: bool = False,
    *,
    padding: Padding | None = None,
    tile: tuple[int, int] | None = None,
    metadata: Mapping[str, str] | None = None,
    first: Cut | None = None,
) -> PackReport:
    """Write a model as codebooks and indices, so that ``unpack`` returns its state dict bit for bit.

    Tensors whose blocks do not repeat enough are stored as they are, so that a model without motifs does not grow.
    Tensors of one dtype share a codebook. An existing file is replaced.

    Args:
        model_or_state_dict: a module, or names and tensors of any shape.
        path: of the file.
        s: values in a block; the one of 1, 2, 4, 8, 16 and 32 that gives the fewest bytes if None.
        entropy: compress the indices where that makes them smaller.
        padding: of incomplete blocks, see ``FlatLayout``; whichever gives fewer bytes if None.
        tile: rows and columns of 2-D tiles, instead of ``s`` and ``padding``.
        metadata: notes that are kept with the tensors.
        first: how blocks were cut in training; tried before the others where ``s``, ``padding`` and ``tile`` allow it.

    Raises:
        InputError: nothing to pack, an entry that safetensors cannot hold, or blocks that are not defined or larger
            than every tensor.
        WeightsError: a tensor has no values yet.
        OutputError: the file cannot be written; there is none then, or the one from before.

    Example:
        >>> import tempfile
        >>> model = nn.Linear(64, 64).requires_grad_(False)
        >>> _ = model.weight.sign_()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = pack(model, Path(folder) / "signs.safetensors")
        >>> report.ratio > 8
        True
    """
    path = Path(path)
    cuts = cuts_to_try(s, padding, tile)
    if first is not None and s is None and tile is None and (padding is None or first == Cut(first.s, padding)):
        cuts = tuple(dict.fromkeys((first, *cuts)))
    state, parameters = _state_of(model_or_state_dict)
    refuse_unstorable(state)
    own = without_ties(state)
    if s is not None or tile is not None:
        _refuse_large_blocks(cuts, own)
    groups = [_packed_group(dtype, group, cuts, parameters, entropy) for dtype, group in _by_dtype(own).items()]
    description = _describe(state, groups, metadata or {})
    packed = packed_file(description, {name: piece for group in groups for name, piece in group.pieces.items()})
    write_file(path, packed)
    dense = len(dense_file(own, metadata))
    return PackReport(path, dense, len(packed), description.values, description.codebooks)


def unpack(path: str | Path) -> State:
    """Return the state dict that was packed, in its order, on the CPU; tied tensors are one tensor again.

    Raises:
        UnreachableError: the file does not exist or cannot be read.
        WeightsError: it is truncated or damaged, no packed model, or of another version of the format.
    """
    return unpack_with_metadata(path)[0]


def unpack_with_metadata(path: str | Path) -> tuple[State, dict[str, str]]:
    """Return the state dict, and the notes that were kept with it; see ``unpack``."""
    path = Path(path)
    description, pieces = read_packed(path)
    try:
        bits = _all_bits(description, pieces)
        state: State = {}
        for entry in description.tensors:
            if entry.place == "alias":
                state[entry.name] = state[entry.alias]
            else:
                state[entry.name] = tensor_of(bits[entry.name], entry.dtype, entry.shape)
    except KeyError as missing:
        raise WeightsError(f"{path} lacks {missing.args[0]}, which its layout names; fetch it again") from None
    except (WeightsError, InputError) as error:
        raise WeightsError(f"{path} contradicts its layout: {error}") from None
    return state, dict(description.metadata)


def without_ties(state: Mapping[str, Tensor]) -> State:
    """Return the tensors that are not the same memory as one before them."""
    return {name: state[name] for name, owner in owner_of_each(state).items() if owner == name}


def _state_of(model: nn.Module | Mapping[str, Tensor]) -> tuple[dict[str, Tensor], frozenset[str]]:
    """Return names and tensors, and which of the names may have been projected."""
    if isinstance(model, nn.Module):
        named = model.named_parameters(remove_duplicate=False)
        return dict(model.state_dict()), frozenset(name for name, values in named if values.requires_grad)
    if not isinstance(model, Mapping):
        raise InputError(f"a {type(model).__name__}, wanted a module or a state dict")
    return dict(model), frozenset(name for name in model if str(name).rpartition(".")[2] not in BUFFERS)


def _refuse_large_blocks(cuts: tuple[Cut, ...], state: Mapping[str, Tensor]) -> None:
    sizes = [tensor.numel() for tensor in state.values()]
    room = sum(sizes) if any(cut.padding == "vector" for cut in cuts) else max(sizes)
    if cuts[0].s > room:
        raise InputError(f"blocks of {cuts[0].s} values, but there is room for {room} at most; choose smaller blocks")


def _by_dtype(state: Mapping[str, Tensor]) -> dict[str, State]:
    groups: dict[str, State] = {}
    for name, tensor in state.items():
        groups.setdefault(name_of(tensor.dtype), {})[name] = tensor
    return groups


@dataclass(frozen=True)
class _Group:
    """The tensors of one dtype: what they are in the file, and which of them are blocks."""

    pieces: Pieces
    members: frozenset[str]
    codebook: CodebookEntry | None


def _packed_group(
    dtype: str, group: Mapping[str, Tensor], cuts: tuple[Cut, ...], parameters: frozenset[str], entropy: bool
) -> _Group:
    bits = {name: raw_bits(tensor) for name, tensor in group.items()}
    shapes = [tuple(tensor.shape) for tensor in group.values()]
    plan = best_plan(list(bits.values()), shapes, cuts, [name in parameters for name in group])
    if plan is None:
        return _Group(_dense_piece(dtype, list(bits.values())), frozenset(), None)
    names = list(group)
    members = {names[index]: shapes[index] for index in plan.members}
    layout = plan.cut.layout(list(members.values()))
    book = codebook_of(blocks_of(layout, [bits[name] for name in members]))
    coding, coded = encode(book.indices, book.index_bits, entropy=entropy)
    entry = CodebookEntry(
        dtype=dtype,
        values=layout.values,
        cut=plan.cut,
        k=len(book.motifs),
        blocks=layout.blocks,
        coding=coding,
        index_bytes=len(coded),
    )
    pieces = {
        f"codebook.{dtype}": Piece(dtype, book.motifs),
        f"indices.{dtype}": Piece("uint8", np.frombuffer(coded, dtype=np.uint8)),
        **_dense_piece(dtype, [values for name, values in bits.items() if name not in members]),
    }
    return _Group(pieces, frozenset(members), entry)


def _dense_piece(dtype: str, parts: list[np.ndarray]) -> dict[str, Piece]:
    """Return the values that are no blocks, one tensor after the other; nothing where there are none."""
    joined = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint8)
    return {f"dense.{dtype}": Piece(dtype, joined)} if joined.size else {}


def _describe(state: Mapping[str, Tensor], groups: list[_Group], metadata: Mapping[str, str]) -> Description:
    blocks = frozenset(name for group in groups for name in group.members)
    tensors = []
    for name, owner in owner_of_each(state).items():
        place: Place = "alias" if owner != name else "blocks" if name in blocks else "dense"
        alias = owner if place == "alias" else ""
        tensors.append(TensorEntry(name, name_of(state[name].dtype), tuple(state[name].shape), place, alias))
    books = [group.codebook for group in groups if group.codebook]
    return Description(tuple(tensors), tuple(sorted(books, key=lambda book: -book.values)), metadata)


def _all_bits(description: Description, pieces: Pieces) -> dict[str, np.ndarray]:
    """Return the raw bits of every tensor that is no alias, flattened.

    Raises:
        KeyError: a piece is missing.
        WeightsError, InputError: a piece is not what the description says.
    """
    found: dict[str, np.ndarray] = {}
    for book in description.codebooks:
        members = description.of(book.dtype, "blocks")
        layout = book.cut.layout([entry.shape for entry in members])
        if layout.blocks != book.blocks:
            raise WeightsError(f"{counted(book.blocks, 'block')} of {book.dtype}, but its tensors have {layout.blocks}")
        values = values_of(layout, _blocks(book, pieces))
        found |= {entry.name: part for entry, part in zip(members, values, strict=True)}
    for dtype in {entry.dtype for entry in description.tensors}:
        found |= _dense_bits(description.of(dtype, "dense"), dtype, pieces)
    return found


def _blocks(book: CodebookEntry, pieces: Pieces) -> np.ndarray:
    """Return ``[m, s]`` blocks, every index checked."""
    motifs = _piece(pieces, f"codebook.{book.dtype}", book.dtype, (book.k, book.cut.s))
    coded = _piece(pieces, f"indices.{book.dtype}", "uint8", (book.index_bytes,))
    indices = decode(book.coding, coded.tobytes(), book.index_bits, book.blocks)
    if len(indices) and int(indices.max()) >= book.k:
        raise WeightsError(
            f"index {int(indices.max())} is beyond the codebook of {counted(book.k, 'block')} of {book.dtype}"
        )
    blocks: np.ndarray = motifs[indices]
    return blocks


def _dense_bits(entries: tuple[TensorEntry, ...], dtype: str, pieces: Pieces) -> dict[str, np.ndarray]:
    sizes = [prod(entry.shape) for entry in entries]
    if not sum(sizes):
        return {entry.name: np.zeros(0, dtype=f"<u{itemsize(dtype)}") for entry in entries}
    joined = _piece(pieces, f"dense.{dtype}", dtype, (sum(sizes),))
    parts = np.split(joined, np.cumsum(sizes)[:-1])
    return {entry.name: part for entry, part in zip(entries, parts, strict=True)}


def _piece(pieces: Pieces, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    piece = pieces[name]
    if (piece.dtype, piece.bits.shape) != (dtype, shape):
        found = f"{piece.dtype} {list(piece.bits.shape)}"
        raise WeightsError(f"{name} is {found}, wanted {dtype} {list(shape)}")
    return piece.bits
