"""``complexity-lab compare``: two sources of weights, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.measure import WHOLE, print_plane_table, short_number
from complexity_lab.cli.options import FormatOptions, MeasureOptions, checked_state, takes_groups
from complexity_lab.cli.terminal import Column, console, print_notes, print_table, say
from complexity_lab.counted import counted

if TYPE_CHECKING:
    from complexity_lab.measurement.comparison import Comparison

LEGEND = (
    "largest change: the tensor whose B/A is farthest from 1, as a factor; > marks it",
    "changed: weights whose value changed; signs: whose sign bit (w > 0) changed; zeros: exact zeros",
    "distance: norm of B - A over norm of A",
)


@dataclass(frozen=True)
class ZooOptions:
    """Which weights of models of a zoo."""

    PANEL: ClassVar[str] = "Models of a zoo"

    state_a: Annotated[str, typer.Option(help="If A is a model of a zoo: trained or initial.")] = "trained"
    state_b: Annotated[str, typer.Option(help="If B is a model of a zoo: trained or initial.")] = "trained"
    seed_a: Annotated[int | None, typer.Option(help="If A is a model of a zoo: seed of the weights.")] = None
    seed_b: Annotated[int | None, typer.Option(help="If B is a model of a zoo: seed of the weights.")] = None


@takes_groups
def compare_cli(
    a: Annotated[str, typer.Argument(help="Weights before: file, directory, timm name, ZOO:NAME or hub repository.")],
    b: Annotated[str, typer.Argument(help="Weights after: the same kinds of source.")],
    measuring: MeasureOptions,
    zoo: ZooOptions,
    printing: FormatOptions,
) -> None:
    """Compare two sets of weights layer by layer: before and after training, fine-tuning, quantization or pruning.

    Tensors are paired by name; those that cannot be compared say why. Exit code 0 if the models could be compared, 1
    if not.
    """
    from complexity_lab.measurement.comparison import compare_sources
    from complexity_lab.measurement.spec import spec_of
    from complexity_lab.study.executors import available_cores
    from complexity_lab.weights.order import checked_rule
    from complexity_lab.zoo.sources import resolve

    state_a, state_b = checked_state("state-a", zoo.state_a), checked_state("state-b", zoo.state_b)
    printing.check()
    spec = spec_of(measuring.names, preset=measuring.preset, bits=measuring.bits, tensor_compressors=True)
    with interruptible("complexity-lab: interrupted"):
        order = checked_rule(measuring.order)
        one = resolve(a, state_a, zoo.seed_a, order=order)
        other = resolve(b, state_b, zoo.seed_b, order=order)
        rows = compare_sources(one, other, spec, threads=available_cores())
    if printing.machine_readable:
        printing.print_records([asdict(row) for row in rows])
    else:
        say(f"A: {_named(a, state_a, zoo.seed_a)}\nB: {_named(b, state_b, zoo.seed_b)}\n")
        _print_tables(rows)
    failed = [row for row in rows if row.scope == "model" and row.status != "ok"]
    if failed:
        print(f"complexity-lab: {failed[0].reason}", file=sys.stderr)
        raise typer.Exit(1)


def _named(source: str, state: str, seed: int | None) -> str:
    """Return a source with what was said of its state."""
    return source + (", initial" if state == "initial" else "") + (f", seed {seed}" if seed is not None else "")


def _print_tables(rows: Sequence[Comparison]) -> None:
    """Print what changed in every tensor, then the planes, and in words the largest change of every metric."""
    largest = largest_changes(rows)
    _print_changes(rows, largest)
    planes: dict[str, list[str]] = {}
    for row in rows:
        if row.plane is not None:
            planes.setdefault(row.tensor or WHOLE, []).append("-" if row.ratio is None else f"{100 * row.ratio:.2f}")
    print_plane_table("QuBD, B in percent of A, each plane", planes)
    print_notes(_notes(rows))
    say("")
    for metric, row in largest.items():
        say(f"largest change of {metric}: {row.tensor}, B/A = {row.ratio:.4f}")
    left_out = next(row.left_out for row in rows if row.scope == "model")
    if left_out:
        say(f"the whole model is without {counted(left_out, 'tensor')} that could not be compared")
    for line in LEGEND:
        console().print(line)


def largest_changes(rows: Iterable[Comparison]) -> dict[str, Comparison]:
    """Return, by metric, the row of the tensor whose ratio is farthest from 1, as a factor; none if all are 1."""
    found: dict[str, Comparison] = {}
    for row in rows:
        if row.scope == "tensor" and row.plane is None:
            before = found.get(row.metric)
            if _factor(row) > (0.0 if before is None else _factor(before)):
                found[row.metric] = row
    return found


def _factor(row: Comparison) -> float:
    """Return the size of a change: the absolute logarithm of the ratio, 0 where there is none."""
    return abs(log(row.ratio)) if row.ratio is not None and row.ratio > 0 else 0.0


def _print_changes(rows: Sequence[Comparison], largest: dict[str, Comparison]) -> None:
    """Print a line per tensor and metric, the largest change of each marked; then what changed in every tensor."""
    shown = [row for row in rows if row.plane is None and (row.weights is not None or row.scope == "model")]
    first = [row for before, row in zip([None, *shown], shown, strict=False) if not _same_tensor(before, row)]
    # a metric without a number has a note; it has no line of its own
    lines = [row for row in shown if row.status == "ok" or row in first]
    cells, styles = [], dict[int, str]()
    for index, row in enumerate(lines):
        chief = largest.get(row.metric) is row
        again = index > 0 and _same_tensor(lines[index - 1], row)
        cells.append(_numbers(row, again=again, chief=chief))
        if row.scope == "model" or chief:
            styles[index] = "bold" if row.scope == "model" else "yellow"
    numbers = (Column(label, right=True) for label in ("A", "B", "B/A"))
    print_table([Column("tensor", folds=True), Column("shape"), Column("metric"), *numbers], cells, styles=styles)
    say("")
    shares = (Column(label, right=True) for label in ("changed", "signs", "zeros A", "zeros B", "distance"))
    whole = {index: "bold" for index, row in enumerate(first) if row.scope == "model"}
    print_table([Column("tensor", folds=True), *shares], [_shares(row) for row in first], styles=whole)


def _same_tensor(before: Comparison | None, row: Comparison) -> bool:
    return before is not None and (before.scope, before.tensor) == (row.scope, row.tensor)


def _numbers(row: Comparison, *, again: bool, chief: bool) -> tuple[str, ...]:
    return (
        "" if again else row.tensor or WHOLE,
        "" if again else row.shape or "",
        row.metric,
        short_number(row.value_a),
        short_number(row.value_b),
        "-" if row.ratio is None else f"{'> ' if chief else ''}{row.ratio:.4f}",
    )


def _shares(row: Comparison) -> tuple[str, ...]:
    shares = (row.changed, row.signs_changed, row.zeros_a, row.zeros_b)
    return (
        row.tensor or WHOLE,
        *("-" if share is None else _percent(share) for share in shares),
        "-" if row.distance is None else f"{row.distance:.3g}",
    )


def _percent(share: float) -> str:
    """Return a share in percent such that only none is 0 % and only all are 100 %."""
    if 0 < share < 0.00005:
        return "<0.01 %"
    if 0.99995 <= share < 1:
        return ">99.99 %"
    return f"{100 * share:.2f} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def _notes(rows: Sequence[Comparison]) -> dict[tuple[str, ...], list[str]]:
    """Return why tensors are not compared, have no number of one metric, or how they were read, and which."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for row in rows:
        tensor = row.tensor or WHOLE
        if row.status != "ok" and row.scope == "tensor":
            metric = "all" if row.weights is None else row.metric
            found.setdefault((metric, f"{row.status}: {row.reason}"), {})[tensor] = None
        if row.note is not None:
            found.setdefault(("all", row.note), {})[tensor] = None
    return {key: list(names) for key, names in found.items()}
