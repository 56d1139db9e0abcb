"""``complexity-lab measure``: one checkpoint, model or layer by layer."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.options import Controls, MeasureOptions, split, takes_groups

if TYPE_CHECKING:
    from complexity_lab.tables.rows import Measurement

AS_JSON = Annotated[bool, typer.Option("--json", help="JSON, one object per row.")]
AS_CSV = Annotated[bool, typer.Option("--csv", help="CSV.")]
WHOLE = "whole model"
WHO = ("study", "model", "state", "seed", "step")  # fields of rows that one source has no use for


@takes_groups
def measure_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    measuring: MeasureOptions,
    scope: Annotated[str, typer.Option(help="layer (every tensor, and the model) or model.")] = "layer",
    state: Annotated[str, typer.Option(help="For models of a zoo: trained or initial.")] = "trained",
    seed: Annotated[int | None, typer.Option(help="For models of a zoo: seed of the weights.")] = None,
    controls: Controls = None,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """Measure the complexity of one model's weights; tensors that cannot be scored say why.

    Exit code 0 if the model could be scored, 1 if not.
    """
    from complexity_lab.errors import InputError
    from complexity_lab.measurement.single import measure_named
    from complexity_lab.measurement.spec import spec_of
    from complexity_lab.study.executors import available_cores
    from complexity_lab.weights.order import checked_rule

    check_states(state=state)
    check_format(as_json, as_csv)
    if scope not in ("layer", "model"):
        raise InputError(f"--scope {scope!r}, wanted layer or model")
    spec = spec_of(
        measuring.names,
        preset=measuring.preset,
        bits=measuring.bits,
        controls=split(controls),
        tensor_rows=scope == "layer",
        tensor_compressors=scope == "layer",
    )
    with interruptible("complexity-lab: interrupted"):
        measured = measure_named(
            source,
            spec,
            state=state,  # type: ignore[arg-type]  # checked above
            seed=seed,
            threads=available_cores(),
            order=checked_rule(measuring.order),
        )
    if as_json or as_csv:
        print_records(
            [{key: value for key, value in asdict(row).items() if key not in WHO} for row in measured.rows], as_json
        )
    else:
        _print_table(measured.rows)
        _print_planes(measured.rows)
    failed = [row for row in measured.rows if row.scope == "model" and row.status != "ok" and row.null is None]
    if failed:
        print(f"complexity-lab: {failed[0].reason}", file=sys.stderr)
        raise typer.Exit(1)


def check_states(**states: str) -> None:
    """Refuse what is no state of a model; keywords are the options.

    Raises:
        InputError: neither initial nor trained.
    """
    from complexity_lab.errors import InputError

    for option, state in states.items():
        if state not in ("initial", "trained"):
            raise InputError(f"--{option.replace('_', '-')} {state!r}, wanted initial or trained")


def check_format(as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once.

    Raises:
        InputError: both are asked for.
    """
    from complexity_lab.errors import InputError

    if as_json and as_csv:
        raise InputError("--json and --csv together, wanted one of them")


def print_records(records: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows as JSON, or else as CSV."""
    if as_json:
        print(json.dumps(records, indent=1))
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(records[0]))
    writer.writeheader()
    writer.writerows(records)


def short_number(value: float | None) -> str:
    """Return a number with four digits, or one decimal from 100 on; a dash for none."""
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.1f}"


def _print_table(rows: Sequence[Measurement]) -> None:
    """Print one line per row: tensor, shape, metric, value, what was scored.

    Planes that were scored have a table of their own; what their null models are is in --json and --csv.
    """
    from rich.markup import escape
    from rich.table import Table

    from complexity_lab.cli.progress import wide_console

    table = Table(box=None, pad_edge=False)
    for name in ("tensor", "kind", "shape", "metric", "value", "unit", "ones", "bits/weight", "note"):
        right = name in ("value", "ones", "bits/weight")
        table.add_column(
            name, justify="right" if right else "left", overflow="fold", no_wrap=name not in ("note", "tensor")
        )
    for row in rows:
        if row.null in ("fair", "share_45") or (row.plane is not None and row.status == "ok"):
            continue
        whole = row.scope == "model"
        table.add_row(
            WHOLE if whole else escape(row.tensor or ""),
            row.kind or "",
            row.shape or "",
            _label(row),
            short_number(row.value),
            row.unit,
            "" if not row.scored or row.ones is None else f"{row.ones / row.scored:.4f}",
            f"{row.value / row.scored:.4f}" if row.unit == "bits" and row.value is not None and row.scored else "",
            escape(row.note or "") if row.status == "ok" else escape(f"{row.status}: {row.reason}"),
            style="bold" if whole else None,
        )
    wide_console().print(table)


def _label(row: Measurement) -> str:
    return row.metric if row.null is None else f"{row.metric}, {row.null} {row.statistic}"


def _print_planes(rows: Sequence[Measurement]) -> None:
    """Print a line per scored tensor: BDM per weight of every plane, the least significant at the left."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        if row.plane is not None and row.null is None and row.status == "ok" and row.value is not None and row.scored:
            lines.setdefault(row.tensor or WHOLE, []).append(f"{row.value / row.scored:.3f}")
    print_plane_table("QuBD, bits per weight of each plane", lines)


def print_plane_table(title: str, lines: Mapping[str, Sequence[str]]) -> None:
    """Print a line of cells per tensor, one per plane; nothing if there are none."""
    if not lines:
        return
    from rich.markup import escape
    from rich.table import Table

    from complexity_lab.cli.progress import wide_console

    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("tensor", overflow="fold")
    for plane in range(max(map(len, lines.values()))):
        table.add_column(f"{plane}", justify="right")
    for tensor, cells in lines.items():
        table.add_row(escape(tensor), *cells, style="bold" if tensor == WHOLE else None)
    print()
    wide_console().print(table)
    print("plane 0 is the least significant")
