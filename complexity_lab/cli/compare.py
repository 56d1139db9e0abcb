"""``complexity-lab compare``: two sources of weights, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.measure import (
    AS_CSV,
    AS_JSON,
    WHOLE,
    check_format,
    check_states,
    print_plane_table,
    print_records,
    short_number,
)
from complexity_lab.cli.options import MeasureOptions, takes_groups
from complexity_lab.counted import counted

if TYPE_CHECKING:
    from complexity_lab.measurement.comparison import Comparison

COLUMNS = ("tensor", "shape", "metric", "A", "B", "B/A", "changed", "signs", "zeros A", "zeros B", "distance")
LEFT = ("tensor", "shape", "metric")
SHOWN = 6  # tensors named after a reason that many share; --json has all
LEGEND = (
    "> marks the largest change of a metric, as a factor. Shares of the weights: value changed; sign bit (w > 0) "
    "changed; exact zeros in A and in B. distance: norm of B - A over norm of A."
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
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
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

    check_states(state_a=zoo.state_a, state_b=zoo.state_b)
    check_format(as_json, as_csv)
    spec = spec_of(measuring.names, preset=measuring.preset, bits=measuring.bits, tensor_compressors=True)
    with interruptible("complexity-lab: interrupted"):
        order = checked_rule(measuring.order)
        one = resolve(a, zoo.state_a, zoo.seed_a, order=order)  # type: ignore[arg-type]  # checked above
        other = resolve(b, zoo.state_b, zoo.seed_b, order=order)  # type: ignore[arg-type]
        rows = compare_sources(one, other, spec, threads=available_cores())
    if as_json or as_csv:
        print_records([asdict(row) for row in rows], as_json)
    else:
        print(f"A: {_named(a, zoo.state_a, zoo.seed_a)}\nB: {_named(b, zoo.state_b, zoo.seed_b)}\n")
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
    _print_reasons(rows)
    print()
    for metric, row in largest.items():
        print(f"largest change of {metric}: {row.tensor}, B/A = {row.ratio:.4f}")
    left_out = next(row.left_out for row in rows if row.scope == "model")
    if left_out:
        print(f"the whole model is without {counted(left_out, 'tensor')} that could not be compared")
    print(LEGEND)


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
    """Print a line per tensor and metric; the largest change of a metric stands out."""
    from rich.table import Table

    from complexity_lab.cli.progress import wide_console

    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold", no_wrap=name != "tensor")
    before: str | None = ""
    for row in rows:
        whole = row.scope == "model"
        if row.plane is not None or (row.weights is None and not whole):
            continue  # planes have a table of their own, and what cannot be compared a list
        again, before = row.tensor == before, row.tensor
        if again and row.status != "ok":
            continue
        chief = largest.get(row.metric) is row
        table.add_row(*_cells(row, again, chief), style="bold" if whole else "yellow" if chief else None)
    wide_console().print(table)


def _cells(row: Comparison, again: bool, chief: bool) -> Iterable[str]:
    from rich.markup import escape

    yield "" if again else escape(row.tensor or WHOLE)
    yield "" if again else row.shape or ""
    yield row.metric
    yield short_number(row.value_a)
    yield short_number(row.value_b)
    yield "-" if row.ratio is None else f"{'> ' if chief else ''}{row.ratio:.4f}"
    for share in (row.changed, row.signs_changed, row.zeros_a, row.zeros_b):
        yield "" if again or share is None else _percent(share)
    yield "" if again or row.distance is None else f"{row.distance:.3g}"


def _percent(share: float) -> str:
    """Return a share in percent such that only none is 0 % and only all are 100 %."""
    if 0 < share < 0.00005:
        return "<0.01 %"
    if 0.99995 <= share < 1:
        return ">99.99 %"
    return f"{100 * share:.2f} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def _print_reasons(rows: Sequence[Comparison]) -> None:
    """Print why tensors are not compared, have no number of one metric, or how they were read: a line per reason."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        tensor = row.tensor or WHOLE
        if row.status != "ok" and row.scope == "tensor":
            metric = "all" if row.weights is None else row.metric
            found.setdefault((metric, f"{row.status}: {row.reason}"), {})[tensor] = None
        if row.note is not None:
            found.setdefault(("all", row.note), {})[tensor] = None
    if found:
        _print_notes({key: list(names) for key, names in found.items()})


def _print_notes(found: dict[tuple[str, str], list[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from complexity_lab.cli.progress import wide_console

    table: Any = Table(box=None, pad_edge=False, title="Notes", title_justify="left")
    for name in ("metric", "note", "tensors"):
        table.add_column(name, overflow="fold")
    for (metric, reason), names in found.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        table.add_row(metric, escape(reason), escape(", ".join(names[:SHOWN])) + more)
    print()
    wide_console().print(table)
