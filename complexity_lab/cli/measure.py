"""``complexity-lab measure``: one checkpoint, model or layer by layer."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible


def measure_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    metrics: Annotated[str, typer.Option(help="Metrics with commas: bdm, bdm_2d, gzip, gzip:float32, ...")] = "bdm",
    scope: Annotated[str, typer.Option(help="layer (every tensor, and the model) or model.")] = "layer",
    state: Annotated[str, typer.Option(help="For models of a zoo: trained or initial.")] = "trained",
    seed: Annotated[int | None, typer.Option(help="For models of a zoo: seed of the weights.")] = None,
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
    names = tuple(name.strip() for name in metrics.split(",") if name.strip())
    if as_json and as_csv:
        raise InputError("--json and --csv together, wanted one of them")
    with interruptible("complexity-lab: interrupted"):
        rows = measure_rows(source, names, scope=scope, state=state, seed=seed, threads=default_jobs())  # type: ignore[arg-type]
    if as_json:
        print(json.dumps(rows, indent=1))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table(rows)
    failed = [row for row in rows if row["scope"] == "model" and row["status"] != "ok"]
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
            "" if row["status"] == "ok" else escape(f"{row['status']}: {row['reason']}"),
            style="bold" if whole else None,
        )
    wide = 160 if not sys.stdout.isatty() else None
    Console(highlight=False, width=wide).print(table)


def _bits_per_weight(row: dict[str, Any]) -> str:
    if row["unit"] != "bits" or row["value"] is None or not row["scored"]:
        return ""
    return f"{row['value'] / row['scored']:.4f}"
