"""``complexity-lab measure``: one checkpoint, model or layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.options import Controls, FormatOptions, MeasureOptions, checked_state, split, takes_groups
from complexity_lab.cli.terminal import Column, print_notes, print_table, say

if TYPE_CHECKING:
    from complexity_lab.tables.rows import Measurement

WHOLE = "whole model"
COUNTED_ONLY = ("fair", "share_45")  # null models for comparisons of many models, which are in --json and --csv
SUBJECT_COLUMNS = ("study", "model", "state", "seed", "step")  # fields of rows that one source has no use for


@dataclass(frozen=True)
class WeightsOptions:
    """Which weights of a model of a zoo."""

    PANEL: ClassVar[str] = "Models of a zoo"

    state: Annotated[str, typer.Option(help="trained or initial.")] = "trained"
    seed: Annotated[int | None, typer.Option(help="Seed of the weights.")] = None


@takes_groups
def measure_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    measuring: MeasureOptions,
    weights: WeightsOptions,
    printing: FormatOptions,
    scope: Annotated[str, typer.Option(help="layer (every tensor, and the model) or model.")] = "layer",
    controls: Controls = None,
) -> None:
    """Measure the complexity of one model's weights; tensors that cannot be scored say why.

    Exit code 0 if the model could be scored, 1 if not.
    """
    from complexity_lab.errors import InputError
    from complexity_lab.measurement.single import measure_named
    from complexity_lab.measurement.spec import spec_of
    from complexity_lab.study.executors import available_cores
    from complexity_lab.weights.order import checked_rule

    state = checked_state("state", weights.state)
    printing.check()
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
            state=state,
            seed=weights.seed,
            threads=available_cores(),
            order=checked_rule(measuring.order),
        )
    if printing.machine_readable:
        rows = [
            {name: value for name, value in asdict(row).items() if name not in SUBJECT_COLUMNS} for row in measured.rows
        ]
        printing.print_records(rows)
    else:
        _print_table(measured.rows)
        _print_planes(measured.rows)
    failed = [row for row in measured.rows if row.scope == "model" and row.status != "ok" and row.null is None]
    if failed:
        print(f"complexity-lab: {failed[0].reason}", file=sys.stderr)
        raise typer.Exit(1)


def short_number(value: float | None) -> str:
    """Return a number with four digits, or one decimal from 100 on; a dash for none."""
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.1f}"


def _print_table(rows: Sequence[Measurement]) -> None:
    """Print one line per number: tensor, shape, metric, value, what was scored; then why there is none.

    Planes that were scored have a table of their own; what their null models are is in --json and --csv.
    """
    told = [row for row in rows if row.null not in COUNTED_ONLY and (row.plane is None or row.status != "ok")]
    shown = [row for row in told if row.status == "ok" or row.scope == "model"]
    columns = [
        *(Column("tensor", folds=True), Column("shape"), Column("metric")),
        *(Column("value", right=True), Column("unit"), Column("ones", right=True), Column("bits/weight", right=True)),
    ]
    whole = {index: "bold" for index, row in enumerate(shown) if row.scope == "model"}
    named = [index == 0 or shown[index - 1].tensor != row.tensor for index, row in enumerate(shown)]
    print_table(columns, [_cells(*pair) for pair in zip(shown, named, strict=True)], styles=whole)
    notes: dict[tuple[str, ...], dict[str, None]] = {}
    for row in told:
        note = row.note if row.status == "ok" else f"{row.status}: {row.reason}"
        if note:
            notes.setdefault((row.metric, note), {})[row.tensor or WHOLE] = None
    print_notes({key: list(names) for key, names in notes.items()})


def _cells(row: Measurement, named: bool) -> tuple[str, ...]:
    return (
        (row.tensor or WHOLE) if named else "",
        (row.shape or "") if named else "",
        row.metric if row.null is None else f"{row.metric}, {row.null} {row.statistic}",
        short_number(row.value),
        row.unit,
        "" if not row.scored or row.ones is None else f"{row.ones / row.scored:.4f}",
        f"{row.value / row.scored:.4f}" if row.unit == "bits" and row.value is not None and row.scored else "",
    )


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
    planes = max(map(len, lines.values()))
    columns = [Column("tensor", folds=True), *(Column(f"{plane}", right=True) for plane in range(planes))]
    rows = [(tensor, *cells, *[""] * (planes - len(cells))) for tensor, cells in lines.items()]
    say("")
    print_table(columns, rows, title=title, styles={i: "bold" for i, row in enumerate(rows) if row[0] == WHOLE})
    say("plane 0 is the least significant")
