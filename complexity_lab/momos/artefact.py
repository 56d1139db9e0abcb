"""A model file that really is smaller: codebook and indices instead of weights (layout: docs/packed-format.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.files import write_atomically, writing
from complexity_lab.momos.bound import rac
from complexity_lab.momos.mosaic import Mosaic, cut, distinct_rows, mosaic_of, pack_bits, unpack_bits, worth_packing

FORMAT, VERSION = "complexity-lab-mosaic", "1"
BLOCK_SIZES = (1, 2, 4, 8, 16, 32)  # tried where none is given
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_INTEGERS = {8: torch.int64, 4: torch.int32, 2: torch.int16}


@dataclass(frozen=True)
class PackReport:
    """What packing a model came to.

    Attributes:
        dense_bytes: size of the dense safetensors file.
        packed_bytes: size of the packed file.
        s: values in a block.
        k: different blocks, of all types together.
        blocks: blocks.
        packed_values: values stored as blocks; the others are stored as they are.
        index_bits: bits of an index into the largest codebook.
        entropy_coded: whether indices were coded further because that is smaller.
        rac: relative algorithmic compression of what is stored as blocks, ``bound.rac`` with the number of blocks that
            really differ; 1 where nothing is.
        gzip_bytes: the dense file through gzip 9; None if not asked for.
        zstd_bytes: the dense file through zstd 19; None if not asked for.
    """

    dense_bytes: int
    packed_bytes: int
    s: int
    k: int
    blocks: int
    packed_values: int
    index_bits: int
    entropy_coded: bool
    rac: float
    gzip_bytes: int | None = None
    zstd_bytes: int | None = None

    @property
    def ratio(self) -> float:
        """Dense over packed bytes, as measured."""
        return self.dense_bytes / self.packed_bytes


def pack(
    model: nn.Module | Mapping[str, Tensor],
    path: Path | str,
    *,
    s: int | None = None,
    entropy: bool = False,
    compare: bool = False,
) -> PackReport:
    """Write a model as codebook and indices, so that ``unpack`` returns its state dict bit for bit.

    Floating-point tensors whose blocks repeat are stored as indices of ``ceil(log2 k)`` bits into a codebook per type;
    everything else as it is. A model without repeated blocks becomes a dense file.

    Args:
        model: a module, or a state dict.
        path: of the file.
        s: values in a block; the one of 1, 2, 4, 8, 16 and 32 with the smallest file if None.
        entropy: compress the indices with zstd where that makes them smaller.
        compare: also compress the dense file with gzip and zstd, for the report.

    Raises:
        InputError: not a model, an empty one, or ``s`` below 1.
        OutputError: the file cannot be written.
    """
    state = _state_of(model)
    if s is not None and s < 1:
        raise InputError(f"s = {s}, wanted at least 1 value in a block")
    owners, aliases = _without_aliases(state)
    groups = _groups(owners)
    size = s if s is not None else min(BLOCK_SIZES, key=lambda each: _estimate(groups, each))
    stored, layout, mosaics = _store(owners, groups, size, entropy)
    layout["tensors"] = [
        {"name": name, "alias": aliases[name]} if name in aliases else layout["tensors"][name] for name in state
    ]
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "layout": json.dumps(layout, separators=(",", ":")),
        "sha256": _digest(stored, json.dumps(layout, separators=(",", ":"))),
    }
    from safetensors.torch import save

    packed = save(stored, metadata=metadata)
    dense = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in owners.items()})
    with writing(Path(path).parent):
        write_atomically(Path(path), packed)
    return _report(mosaics, size, layout, len(dense), len(packed), dense if compare else None)


def unpack(path: Path | str) -> dict[str, Tensor]:
    """Return the state dict that was packed, in its order; tied tensors are tied again.

    Raises:
        InputError: no such file, or one that is not packed.
        WeightsError: the file is damaged, or of a later version.
    """
    stored, metadata = _read(Path(path))
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is not a packed model (its metadata has no format {FORMAT})")
    if metadata.get("version") != VERSION:
        raise WeightsError(f"{path} has layout version {metadata.get('version')}, this program reads {VERSION}")
    if metadata.get("sha256") != _digest(stored, metadata.get("layout", "")):
        raise WeightsError(f"{path} is damaged: its contents do not have the checksum that was written with them")
    try:
        return _restore(stored, json.loads(metadata["layout"]))
    except (KeyError, IndexError, ValueError, RuntimeError, TypeError) as error:
        raise WeightsError(f"{path} is damaged: {type(error).__name__} {error}") from None


def _state_of(model: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = model.state_dict() if isinstance(model, nn.Module) else model
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"a {type(model).__name__}, wanted a module or a state dict of tensors")
    if not state:
        raise InputError("the model has no tensors, so there is nothing to pack")
    return dict(state)


def _without_aliases(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors that own their values, and the names of those that are another one."""
    owners: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[Any, str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
        if tensor.numel() and key in seen:
            aliases[name] = seen[key]
        else:
            seen[key] = name
            owners[name] = tensor
    return owners, aliases


def _groups(owners: Mapping[str, Tensor]) -> dict[str, dict[str, np.ndarray]]:
    """Return the bits of floating-point tensors by type: flat unsigned arrays by name."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in owners.items():
        if tensor.dtype in _FLOATS and tensor.numel():
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(_INTEGERS[tensor.element_size()])
            bits = flat.numpy().view(f"u{tensor.element_size()}")
            groups.setdefault(_type_name(tensor.dtype), {})[name] = bits
    return groups


def _estimate(groups: Mapping[str, Mapping[str, np.ndarray]], s: int) -> int:
    """Return the bytes of all groups as mosaics of blocks of ``s`` values, where that is worth it."""
    total = 0
    for group in groups.values():
        chosen = worth_packing(list(group.values()), s)
        packed = [array for array, yes in zip(group.values(), chosen, strict=True) if yes]
        total += sum(array.nbytes for array, yes in zip(group.values(), chosen, strict=True) if not yes)
        if packed:
            blocks = cut(packed, s)
            k = len(distinct_rows(blocks)[0])
            total += k * s * packed[0].itemsize + len(blocks) * (k - 1).bit_length() // 8
    return total


def _store(
    owners: Mapping[str, Tensor], groups: Mapping[str, Mapping[str, np.ndarray]], s: int, entropy: bool
) -> tuple[dict[str, Tensor], dict[str, Any], list[Mosaic]]:
    """Return what goes into the file: tensors, their description, and the mosaics among them."""
    stored: dict[str, Tensor] = {}
    described: dict[str, Any] = {}
    mosaics, written = [], {}
    for kind, group in groups.items():
        chosen = worth_packing(list(group.values()), s)
        names = [name for name, yes in zip(group, chosen, strict=True) if yes]
        if not names:
            continue
        mosaic = mosaic_of([group[name] for name in names], s)
        coding, data = _coded(mosaic, entropy)
        integer = _INTEGERS[mosaic.codebook.itemsize]
        stored[f"codebook.{kind}"] = torch.from_numpy(mosaic.codebook.view(f"i{mosaic.codebook.itemsize}")).view(
            integer
        )
        stored[f"indices.{kind}"] = torch.from_numpy(data)
        written[kind] = {"k": mosaic.k, "blocks": len(mosaic.indices), "bits": mosaic.bits, "coding": coding}
        mosaics.append(mosaic)
        for name in names:
            described[name] = {"name": name, "in": kind, "shape": list(owners[name].shape)}
    for number, (name, tensor) in enumerate(owners.items()):
        if name not in described:
            described[name] = {"name": name, "dense": f"dense.{number}"}
            stored[f"dense.{number}"] = tensor.detach().cpu().contiguous().clone()
    return stored, {"s": s, "padding": "tensor", "mosaics": written, "tensors": described}, mosaics


def _coded(mosaic: Mosaic, entropy: bool) -> tuple[str, np.ndarray]:
    """Return the indices bit-packed or, if that is smaller and wanted, byte by byte through zstd."""
    packed = pack_bits(mosaic.indices, mosaic.bits)
    if entropy:
        import zstandard

        planes = mosaic.indices.astype("<u4").view(np.uint8).reshape(-1, 4).T
        small = zstandard.ZstdCompressor(level=19).compress(np.ascontiguousarray(planes).tobytes())
        if len(small) < packed.nbytes:
            return "zstd", np.frombuffer(small, dtype=np.uint8).copy()
    return "bits", packed


def _decoded(data: np.ndarray, described: Mapping[str, Any]) -> np.ndarray:
    count = int(described["blocks"])
    if described["coding"] == "bits":
        indices = unpack_bits(data, int(described["bits"]), count)
    elif described["coding"] == "zstd":
        import zstandard

        planes = zstandard.ZstdDecompressor().decompress(data.tobytes(), max_output_size=4 * count)
        indices = np.frombuffer(planes, dtype=np.uint8).reshape(4, -1).T.copy().view("<u4").reshape(-1).astype(np.int64)
    else:
        raise ValueError(f"unknown coding {described['coding']!r}")
    if len(indices) != count or (count and int(indices.max()) >= int(described["k"])):
        raise ValueError("an index lies beyond the codebook")
    return indices


def _restore(stored: Mapping[str, Tensor], layout: Mapping[str, Any]) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for kind, described in layout["mosaics"].items():
        members = [tensor for tensor in layout["tensors"] if tensor.get("in") == kind]
        sizes = tuple(int(np.prod(tensor["shape"], dtype=np.int64)) for tensor in members)
        codebook = stored[f"codebook.{kind}"].numpy()
        mosaic = Mosaic(codebook, _decoded(stored[f"indices.{kind}"].numpy(), described), sizes)
        for tensor, values in zip(members, mosaic.arrays(), strict=True):
            bits = torch.from_numpy(np.ascontiguousarray(values))
            flat[tensor["name"]] = bits.view(getattr(torch, kind)).reshape(tensor["shape"])
    state: dict[str, Tensor] = {}
    for tensor in layout["tensors"]:
        name = tensor["name"]
        if "alias" in tensor:
            state[name] = state[tensor["alias"]]
        else:
            state[name] = flat[name] if "in" in tensor else stored[tensor["dense"]]
    return state


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path} does not exist, wanted a file written by pack")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no whole safetensors file ({' '.join(str(error).split())[:120]})") from None


def _digest(stored: Mapping[str, Tensor], layout: str) -> str:
    """Return the SHA-256 of the layout, and of names, types, shapes and bytes of all tensors."""
    digest = hashlib.sha256(layout.encode())
    for name in sorted(stored):
        tensor = stored[name].contiguous()
        digest.update(f"{name} {_type_name(tensor.dtype)} {list(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _report(
    mosaics: Sequence[Mosaic], s: int, layout: Mapping[str, Any], dense: int, packed: int, file: bytes | None
) -> PackReport:
    n = sum(sum(mosaic.sizes) for mosaic in mosaics)
    bits = sum(8 * mosaic.codebook.nbytes + len(mosaic.indices) * mosaic.bits for mosaic in mosaics)
    dense_bits = sum(8 * sum(mosaic.sizes) * mosaic.codebook.itemsize for mosaic in mosaics)
    single = mosaics[0] if len(mosaics) == 1 else None
    compression = 1.0 if not bits else dense_bits / bits
    if single is not None and single.codebook.itemsize == 4:
        compression = rac(n=n, s=s, k=single.k, m=len(single.indices))
    return PackReport(
        dense_bytes=dense,
        packed_bytes=packed,
        s=s,
        k=sum(mosaic.k for mosaic in mosaics),
        blocks=sum(len(mosaic.indices) for mosaic in mosaics),
        packed_values=n,
        index_bits=max((mosaic.bits for mosaic in mosaics), default=0),
        entropy_coded=any(described["coding"] != "bits" for described in layout["mosaics"].values()),
        rac=compression,
        gzip_bytes=None if file is None else _gzip(file),
        zstd_bytes=None if file is None else _zstd(file),
    )


def _gzip(data: bytes) -> int:
    import gzip

    return len(gzip.compress(data, compresslevel=9, mtime=0))


def _zstd(data: bytes) -> int:
    import zstandard

    return len(zstandard.ZstdCompressor(level=19).compress(data))
