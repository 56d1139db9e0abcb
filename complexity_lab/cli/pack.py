"""``complexity-lab pack`` and ``unpack``: a model of few motifs as a file that really is smaller, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.options import sides_of
from complexity_lab.counted import counted

if TYPE_CHECKING:
    from complexity_lab.momos.artefact import PackReport

Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists; otherwise that is an error.")]


def pack_cli(
    source: Annotated[
        Path, typer.Argument(help="A safetensors file, a torch file of plain tensors, or the directory of a training.")
    ],
    out: Annotated[Path, typer.Argument(help="Packed file to write, such as small.safetensors.")],
    s: Annotated[
        int | None,
        typer.Option("--s", help="Values in a block; default: the best of the training's own, 1, 2, 4, 8, 16 and 32."),
    ] = None,
    padding: Annotated[
        str | None,
        typer.Option(help="Fill up the last block of each tensor, or of the whole vector; default: the smaller file."),
    ] = None,
    tile: Annotated[str | None, typer.Option(help="2-D blocks, rows x columns such as 2x2, instead of --s.")] = None,
    entropy: Annotated[
        bool, typer.Option("--entropy", help="Compress the indices where that is shorter (slower); default: off.")
    ] = False,
    weights: Annotated[
        str | None, typer.Option(help="Of the directory of a training: best or final; default: best if it is there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, sizes in bytes.")] = False,
    force: Force = False,
) -> None:
    """Write a model as different blocks and indices, and show how much smaller it really is.

    ``unpack`` gives every tensor back bit for bit. A model without motifs does not shrink. Weights of a training with
    few bits are rounded first, as the network was tested.
    """
    from complexity_lab.errors import InputError
    from complexity_lab.momos.artefact import pack
    from complexity_lab.momos.container import FORMAT
    from complexity_lab.momos.dense import read_dense, weights_file
    from complexity_lab.momos.weight_notes import bake_noted, cut_of

    _refuse_existing(out, force)
    path = weights_file(source, weights)
    state, metadata = read_dense(path)
    if metadata.get("format") == FORMAT:
        raise InputError(f"{path} is packed already; unpack it first to pack it otherwise")
    sides = None if tile is None else sides_of(tile)
    baked, notes = bake_noted(state, metadata)
    report = pack(baked, out, s, entropy, padding=padding, tile=sides, metadata=notes, first=cut_of(metadata))  # type: ignore[arg-type]  # checked there
    which = path.stem if source.is_dir() else None
    bits = int(notes["bits"]) if notes != metadata else None
    if as_json:
        print(json.dumps({"weights": which, "rounded_to_bits": bits} | _as_dict(report, path), indent=1))
        return
    print(f"{f'{which} weights, ' if which else ''}{path} -> {report.path}")
    if bits is not None:
        print(f"weights rounded to {bits} bits, as the network was tested; {path} keeps the unrounded ones")
    _print(report)


def unpack_cli(
    file: Annotated[Path, typer.Argument(help="A file written by pack.")],
    out: Annotated[Path, typer.Argument(help="Dense safetensors file to write.")],
    force: Force = False,
) -> None:
    """Write the usual safetensors file of a packed one; tied tensors are written out under each name."""
    from complexity_lab.momos.artefact import unpack_with_metadata
    from complexity_lab.momos.dense import dense_file, write_file

    _refuse_existing(out, force)
    state, metadata = unpack_with_metadata(file)
    data = dense_file(state, metadata)
    write_file(out, data)
    print(f"{counted(len(state), 'tensor')}, {counted(len(data), 'byte')}, written to {out}")


def _refuse_existing(out: Path, force: bool) -> None:
    from complexity_lab.errors import InputError

    if out.exists() and not force:
        raise InputError(f"{out} exists; name another file, or replace it with --force")


def _as_dict(report: PackReport, source: Path) -> dict[str, Any]:
    names = (
        *("dense_bytes", "packed_bytes", "ratio", "rac", "gzip_bytes", "zstd_bytes", "n", "s", "k", "blocks"),
        *("index_bits", "index_bytes", "entropy_coded_bytes"),
    )
    books = [
        {"dtype": book.dtype, "n": book.values, "s": book.cut.s, "k": book.k, "blocks": book.blocks}
        | {"padding": book.cut.padding, "tile": book.cut.tile, "coding": book.coding}
        for book in report.codebooks
    ]
    figures = {name: getattr(report, name) for name in names}
    return {"source": str(source), "path": str(report.path), **figures, "codebooks": books}


def _print(report: PackReport) -> None:
    """Print a line per file with its size and ratio, then what the packed one is made of."""
    sizes = {
        "dense": report.dense_bytes,
        "dense, gzip 9": report.gzip_bytes,
        "dense, zstd 19": report.zstd_bytes,
        "packed": report.packed_bytes,
    }
    print(f"{'file':<16}{'bytes':>14}{'ratio':>9}")
    for name, size in sizes.items():
        print(f"{name:<16}{size:>14,}{report.dense_bytes / size:>9.2f}")
    if report.rac is None:
        print("RAC: none, since no blocks repeat enough; every tensor is stored as it is")
        return
    print(f"{'RAC':<16}{'':>14}{report.rac:>9.2f}")
    for book in report.codebooks:
        shape = f"{book.cut.tile[0]} x {book.cut.tile[1]}" if book.cut.tile else f"{book.cut.s}"
        coding = "" if book.coding == "bits" else f", then {book.coding}: {book.index_bytes:,} bytes"
        print(
            f"{book.dtype}: {book.k:,} different of {book.blocks:,} blocks of {shape} values, "
            f"indices of {book.index_bits} bits{coding}"
        )
