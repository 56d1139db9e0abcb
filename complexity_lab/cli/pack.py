"""``complexity-lab pack`` and ``unpack``: a model of few motifs as a file that really is smaller, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from complexity_lab.momos.artefact import PackReport

Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")]


def pack_cli(
    source: Annotated[Path, typer.Argument(help="A safetensors or torch file, or the directory of a training run.")],
    out: Annotated[Path, typer.Argument(help="Where the packed safetensors file goes.")],
    s: Annotated[int | None, typer.Option("--s", help="Values in a block; the best of 1 to 32 if not given.")] = None,
    entropy: Annotated[bool, typer.Option("--entropy", help="Code indices with zstd where that is smaller.")] = False,
    weights: Annotated[str, typer.Option(help="Of a training run: best or final.")] = "final",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    force: Force = False,
) -> None:
    """Write a model as codebook and indices, and say how much smaller it really is.

    The file holds everything: ``unpack`` gives the weights back bit for bit.
    """
    from complexity_lab.momos.artefact import pack

    _refuse_existing(out, force)
    report = pack(_read(source, weights), out, s=s, entropy=entropy, compare=True)
    if as_json:
        print(json.dumps(_as_dict(report) | {"file": str(out)}))
        return
    _print(report, out)


def unpack_cli(
    file: Annotated[Path, typer.Argument(help="A file written by pack.")],
    out: Annotated[Path, typer.Argument(help="Where the dense safetensors file goes.")],
    force: Force = False,
) -> None:
    """Write the dense safetensors file of a packed one, bit for bit as it was."""
    from safetensors.torch import save

    from complexity_lab.files import write_atomically, writing
    from complexity_lab.momos.artefact import unpack

    _refuse_existing(out, force)
    state = unpack(file)
    owners: dict[int, str] = {}
    for name, tensor in state.items():  # a dense file cannot say that two tensors are one
        owners.setdefault(id(tensor), name)
    with writing(out.parent):
        write_atomically(out, save({name: state[name].clone() for name in owners.values()}))
    tied = len(state) - len(owners)
    left_out = f" ({tied} tied ones left out)" if tied else ""
    print(f"{len(owners)} tensors{left_out}, {out.stat().st_size:,} bytes: {out}")


def _refuse_existing(out: Path, force: bool) -> None:
    from complexity_lab.errors import InputError

    if out.exists() and not force:
        raise InputError(f"{out} exists; name another file, or replace it with --force")


def _read(source: Path, weights: str) -> dict[str, Tensor]:
    """Return the tensors of a file, or of a training run's directory."""
    from complexity_lab.errors import InputError, WeightsError

    if weights not in ("best", "final"):
        raise InputError(f"--weights {weights!r}, wanted best or final")
    path = source / f"{weights}.safetensors" if source.is_dir() else source
    if not path.is_file():
        raise InputError(f"{path} does not exist; wanted a safetensors or torch file, or a training run's directory")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - two libraries, each with errors of its own for a damaged file
        reason = " ".join(str(error).split())[:120]
        raise WeightsError(f"{path} cannot be read as weights ({type(error).__name__}: {reason})") from None
    tensors = {str(name): value for name, value in dict(state).items() if hasattr(value, "numel")}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors by name, wanted a state dict")
    return tensors


def _as_dict(report: PackReport) -> dict[str, float | int | None]:
    from dataclasses import asdict

    return asdict(report) | {"ratio": report.ratio}


def _print(report: PackReport, out: Path) -> None:
    def line(name: str, size: int | None, note: str = "") -> None:
        if size is not None:
            print(f"{name:<24}{size:>14,} bytes{report.dense_bytes / size:>8.2f} x{note}")

    line("dense", report.dense_bytes)
    line("dense, gzip 9", report.gzip_bytes)
    line("dense, zstd 19", report.zstd_bytes)
    line("packed", report.packed_bytes)
    if report.k:
        coded = ", indices through zstd" if report.entropy_coded else ""
        print(
            f"{report.k:,} different blocks of {report.s} for {report.blocks:,} blocks, {report.index_bits} bits each"
            f"{coded}; RAC {report.rac:.2f}"
        )
    else:
        print("No tensor has blocks that repeat enough: everything is stored as it is.")
    print(out)
