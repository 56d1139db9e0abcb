"""``complexity-lab compare``: two sources of weights, layer by layer."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from math import log
from typing import Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.measure import PLANE, split

Row = dict[str, Any]
COLUMNS = ("tensor", "shape", "metric", "A", "B", "B/A", "changed", "signs", "zeros A", "zeros B", "distance")
LEFT = ("tensor", "shape", "metric")
SHOWN = 6  # tensors named after a reason that many share; --json has all
LEGEND = (
    "shares of the weights: value changed; sign bit (w > 0) changed; exact zeros in A and in B. "
    "distance: norm of B - A over norm of A."
)


def compare_cli(
    a: Annotated[str, typer.Argument(help="Weights before: file, directory, timm name, ZOO:NAME or hub repository.")],
    b: Annotated[str, typer.Argument(help="Weights after: the same kinds of source.")],
    metrics: Annotated[
        str | None,
        typer.Option(help="Metrics with commas: bdm (default), bdm_2d, gzip, lz76_density, exponent_entropy, ..."),
    ] = None,
    state_a: Annotated[str, typer.Option(help="If A is a model of a zoo: trained or initial.")] = "trained",
    state_b: Annotated[str, typer.Option(help="If B is a model of a zoo: trained or initial.")] = "trained",
    seed_a: Annotated[int | None, typer.Option(help="If A is a model of a zoo: seed of the weights.")] = None,
    seed_b: Annotated[int | None, typer.Option(help="If B is a model of a zoo: seed of the weights.")] = None,
    order: Annotated[
        str,
        typer.Option(help="Of the tensors of files: model (natural where nothing tells it), natural, or file."),
    ] = "model",
    bits: Annotated[
        int | None, typer.Option(help="QuBD too: the ratio of each of so many bit planes, 1 to 16.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Rules: fixed (default of --bits) or qubd-paper, 8 bits unless --bits says; momos-paper."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object per row.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV.")] = False,
) -> None:
    """Compare two sets of weights layer by layer: before and after training, fine-tuning, quantization or pruning.

    Tensors are paired by name; those that cannot be compared say why. Exit code 0 if the models could be compared, 1
    if not.
    """
    from complexity_lab.survey.comparison import COLUMNS as FIELDS
    from complexity_lab.survey.comparison import compare_sources
    from complexity_lab.survey.run import default_jobs

    names = None if metrics is None else split(metrics)
    _check(state_a, state_b, as_json, as_csv)
    with interruptible("complexity-lab: interrupted"):
        rows = compare_sources(
            a,
            b,
            names,
            preset=preset,
            bits=bits,
            state_a=state_a,  # type: ignore[arg-type]  # checked above
            state_b=state_b,  # type: ignore[arg-type]
            seed_a=seed_a,
            seed_b=seed_b,
            threads=default_jobs(),
            order=order,  # type: ignore[arg-type]  # checked there
        )
    if as_json:
        print(json.dumps(rows, indent=1))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    else:
        print(f"A: {_named(a, state_a, seed_a)}\nB: {_named(b, state_b, seed_b)}\n")
        _print_tables(rows)
    failed = [row for row in rows if row["scope"] == "model" and row["status"] != "ok"]
    if failed:
        print(f"complexity-lab: {failed[0]['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def _check(state_a: str, state_b: str, as_json: bool, as_csv: bool) -> None:
    from complexity_lab.errors import InputError

    for option, state in (("--state-a", state_a), ("--state-b", state_b)):
        if state not in ("initial", "trained"):
            raise InputError(f"{option} {state!r}, wanted initial or trained")
    if as_json and as_csv:
        raise InputError("--json and --csv together, wanted one of them")


def _named(source: str, state: str, seed: int | None) -> str:
    """Return a source with what was said of its state."""
    return source + (", initial" if state == "initial" else "") + (f", seed {seed}" if seed is not None else "")


def _print_tables(rows: list[Row]) -> None:
    """Print what changed in every tensor, then the planes, and in words the largest change of every metric."""
    largest = largest_changes(rows)
    _print_changes(rows, largest)
    _print_planes(rows)
    _print_reasons(rows)
    print()
    for metric, row in largest.items():
        if not PLANE.fullmatch(metric):
            print(f"largest change of {metric}: {row['tensor']}, B/A = {row['ratio']:.4f}")
    left_out = next(row["left_out"] for row in rows if row["scope"] == "model")
    if left_out:
        print(f"the whole model is without {left_out} tensor(s) that could not be compared")
    print(LEGEND)


def largest_changes(rows: Iterable[Row]) -> dict[str, Row]:
    """Return, by metric, the row of the tensor whose ratio is farthest from 1, as a factor; none if all are 1."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["scope"] == "tensor" and _factor(row) > (_factor(found[row["metric"]]) if row["metric"] in found else 0):
            found[row["metric"]] = row
    return found


def _factor(row: Row) -> float:
    """Return the size of a change: the absolute logarithm of the ratio, 0 where there is none."""
    return abs(log(row["ratio"])) if row["ratio"] is not None and row["ratio"] > 0 else 0.0


def _print_changes(rows: list[Row], largest: dict[str, Row]) -> None:
    """Print a line per tensor and metric; the largest change of a metric stands out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold", no_wrap=name != "tensor")
    before = None
    for row in rows:
        whole = row["scope"] == "model"
        if PLANE.fullmatch(row["metric"]) or (row["weights"] is None and not whole):
            continue  # planes have a table of their own, and what cannot be compared a list
        again, before = row["tensor"] == before, row["tensor"]
        if again and row["status"] != "ok":
            continue
        chief = largest.get(row["metric"]) is row
        table.add_row(*_cells(row, again, chief), style="bold" if whole else "yellow" if chief else None)
    _print(table)


def _cells(row: Row, again: bool, chief: bool) -> Iterable[str]:
    from rich.markup import escape

    yield "" if again else escape(row["tensor"]) or "whole model"
    yield "" if again else row["shape"]
    yield row["metric"]
    yield _number(row["value_a"])
    yield _number(row["value_b"])
    yield "-" if row["ratio"] is None else f"{'> ' if chief else ''}{row['ratio']:.4f}"
    for share in ("changed", "signs_changed", "zeros_a", "zeros_b"):
        yield "" if again or row[share] is None else _percent(row[share])
    yield "" if again or row["distance"] is None else f"{row['distance']:.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.1f}"


def _percent(share: float) -> str:
    """Return a share in percent such that only none is 0 % and only all are 100 %."""
    if 0 < share < 0.00005:
        return "<0.01 %"
    if 0.99995 <= share < 1:
        return ">99.99 %"
    return f"{100 * share:.2f} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def _print_planes(rows: list[Row]) -> None:
    """Print a line per tensor: B in percent of A for every plane, the least significant at the left."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="QuBD, B in percent of A, each plane", title_justify="left")
    table.add_column("tensor", overflow="fold")
    lines: dict[str, list[str]] = {}
    for row in rows:
        if PLANE.fullmatch(row["metric"]):
            lines.setdefault(row["tensor"], []).append("-" if row["ratio"] is None else f"{100 * row['ratio']:.2f}")
    for plane in range(max(map(len, lines.values()), default=0)):
        table.add_column(f"{plane}", justify="right")
    for tensor, cells in lines.items():
        table.add_row(escape(tensor) or "whole model", *cells, style=None if tensor else "bold")
    if lines:
        print()
        _print(table)
        print("plane 0 is the least significant")


def _print_reasons(rows: list[Row]) -> None:
    """Print why tensors are not compared, have no number of one metric, or how they were read: a line per reason."""
    from rich.markup import escape
    from rich.table import Table

    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["status"] != "ok" and row["scope"] == "tensor":
            metric = "all" if row["weights"] is None else row["metric"]
            _add(found, metric, f"{row['status']}: {row['reason']}", row["tensor"])
        if row["note"] is not None:
            _add(found, "all", row["note"], row["tensor"])
    table = Table(box=None, pad_edge=False, title="Notes", title_justify="left")
    for name in ("metric", "note", "tensors"):
        table.add_column(name, overflow="fold")
    for (metric, reason), names in found.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        table.add_row(metric, escape(reason), escape(", ".join(names[:SHOWN])) + more)
    if found:
        print()
        _print(table)


def _add(found: dict[tuple[str, str], list[str]], metric: str, reason: str, tensor: str) -> None:
    """Add a tensor to those of a reason, once."""
    names = found.setdefault((metric, reason), [])
    if tensor not in names[-1:]:
        names.append(tensor)


def _print(table: Any) -> None:
    from rich.console import Console

    wide = 160 if not sys.stdout.isatty() else None
    Console(highlight=False, width=wide).print(table)
