"""``complexity-lab measure``: one checkpoint, model or layer by layer."""

from __future__ import annotations

import csv
import json
import re
import sys
from typing import Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible

PLANE = re.compile(r"qubd_plane\d+")
NULL = re.compile(r"_(shuffle|gaussian|permutation)\w*$")  # a null that cannot be made leaves the measurement as it is


def measure_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    metrics: Annotated[
        str | None,
        typer.Option(help="Metrics with commas: bdm (default), bdm_2d, gzip, lz76_density, exponent_entropy, ..."),
    ] = None,
    scope: Annotated[str, typer.Option(help="layer (every tensor, and the model) or model.")] = "layer",
    state: Annotated[str, typer.Option(help="For models of a zoo: trained or initial.")] = "trained",
    seed: Annotated[int | None, typer.Option(help="For models of a zoo: seed of the weights.")] = None,
    order: Annotated[
        str,
        typer.Option(help="Of the tensors of files: model (natural where nothing tells it), natural, or file."),
    ] = "model",
    bits: Annotated[
        int | None, typer.Option(help="QuBD too: BDM of each of so many bit planes of the quantized weights, 1 to 16.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Rules: of QuBD fixed (default of --bits) or qubd-paper, 8 bits if --bits does not say; momos-paper "
            "is the one-dimensional BDM of the sign bits and the compressors of that paper."
        ),
    ] = None,
    controls: Annotated[
        str | None,
        typer.Option(
            help="Null models with commas: shuffle, shuffle_channel, shuffle_row, gaussian, permutation, all."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object per row.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV.")] = False,
) -> None:
    """Measure the complexity of one model's weights; tensors that cannot be scored say why.

    Exit code 0 if the model could be scored, 1 if not.
    """
    from complexity_lab.errors import InputError
    from complexity_lab.survey.run import default_jobs
    from complexity_lab.survey.single import measure_rows

    if state not in ("initial", "trained"):
        raise InputError(f"--state {state!r}, wanted initial or trained")
    names = None if metrics is None else split(metrics)
    if as_json and as_csv:
        raise InputError("--json and --csv together, wanted one of them")
    with interruptible("complexity-lab: interrupted"):
        rows = measure_rows(
            source,
            names,
            scope=scope,  # type: ignore[arg-type]  # checked there
            state=state,  # type: ignore[arg-type]
            seed=seed,
            threads=default_jobs(),
            preset=preset,
            bits=bits,
            controls=split(controls or ""),
            order=order,  # type: ignore[arg-type]
        )
    if as_json:
        print(json.dumps(rows, indent=1))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table(rows)
        _print_planes(rows)
    failed = [
        row for row in rows if row["scope"] == "model" and row["status"] != "ok" and not NULL.search(row["metric"])
    ]
    if failed:
        print(f"complexity-lab: {failed[0]['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print one line per row: tensor, shape, metric, value, what was scored."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("tensor", "kind", "shape", "metric", "value", "unit", "ones", "bits/weight", "note"):
        right = name in ("value", "ones", "bits/weight")
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=name != "note")
    for row in rows:
        if row["metric"].endswith(("_p45", "_p50")):  # for the statistics of surveys; in --json and --csv
            continue
        if row["metric"].startswith("qubd_plane") and row["status"] == "ok":
            continue  # planes in a table of their own, their nulls in --json and --csv
        whole = row["scope"] == "model"
        table.add_row(
            "whole model" if whole else escape(row["tensor"]),
            row["kind"],
            row["shape"],
            row["metric"],
            "-" if row["value"] is None else f"{row['value']:,.4g}" if row["value"] < 100 else f"{row['value']:,.1f}",
            row["unit"],
            "" if not row["scored"] or row["ones"] is None else f"{row['ones'] / row['scored']:.4f}",
            _bits_per_weight(row),
            escape(row["note"] or "") if row["status"] == "ok" else escape(f"{row['status']}: {row['reason']}"),
            style="bold" if whole else None,
        )
    wide = 160 if not sys.stdout.isatty() else None
    Console(highlight=False, width=wide).print(table)


def split(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _print_planes(rows: list[dict[str, Any]]) -> None:
    """Print a line per scored tensor: BDM per weight of every plane, the least significant at the left."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="QuBD, bits per weight of each plane", title_justify="left")
    table.add_column("tensor", overflow="fold")
    lines: dict[str, list[str]] = {}
    for row in rows:
        if PLANE.fullmatch(row["metric"]) and row["status"] == "ok":
            lines.setdefault(row["tensor"], []).append(f"{row['value'] / row['scored']:.3f}")
    for plane in range(max(map(len, lines.values()), default=0)):
        table.add_column(f"{plane}", justify="right")
    for tensor, cells in lines.items():
        table.add_row(escape(tensor) or "whole model", *cells, style=None if tensor else "bold")
    if lines:
        wide = 160 if not sys.stdout.isatty() else None
        console = Console(highlight=False, width=wide)
        console.print()
        console.print(table)
        print("plane 0 is the least significant")


def _bits_per_weight(row: dict[str, Any]) -> str:
    if row["unit"] != "bits" or row["value"] is None or not row["scored"]:
        return ""
    return f"{row['value'] / row['scored']:.4f}"
