"""``complexity-lab bench``: our speed and memory against peers and limits, on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from complexity_lab.cli.interrupt import interruptible

if TYPE_CHECKING:
    from complexity_lab.bench.comparison import Comparison

GROUPS = ("counting", "planes", "controls", "startup", "task", "memory", "momos")


def bench_cli(
    group: Annotated[
        list[str] | None, typer.Argument(help=f"What to measure: {', '.join(GROUPS)}; default all.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Size of the array in counting.")] = "100M",
    repeats: Annotated[int, typer.Option(help="Timed pairs per comparison.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Time us against numpy.sum, pybdm, timm, a bare Python start and the published MoMos: pairs timed in turn.

    Run it on an idle machine. Exit code 3 if a target is missed.
    """
    from complexity_lab.errors import UnknownNameError, nearest_names

    for name in group or ():
        if name not in GROUPS:
            hint = nearest_names(name, GROUPS) or f"; there are {', '.join(GROUPS)}"
            raise UnknownNameError(f"unknown benchmark {name!r}{hint}")
    if repeats < 1:
        raise typer.BadParameter("wanted 1 or more", param_hint="--repeats")
    missed = False
    if not as_json:
        print(f"{'what':<52}{'ours':>11}{'peer':>11}  {'ratio (lowest..highest)':<28}{'target':<10}peer")
    with interruptible("complexity-lab: interrupted"):
        for item in _comparisons(tuple(group or GROUPS), weights, repeats):
            missed |= item.met is False
            print(json.dumps(asdict(item) | {"met": item.met}) if as_json else _line(item), flush=True)
    raise typer.Exit(3 if missed else 0)


def _comparisons(groups: tuple[str, ...], weights: str, repeats: int) -> Iterator[Comparison]:
    from complexity_lab.zoo.selection import parse_count

    if "startup" in groups:
        from complexity_lab.bench import startup

        yield from startup.comparisons(repeats)
    if "counting" in groups:
        from complexity_lab.bench import counting

        yield from counting.comparisons(parse_count(weights), repeats)
    if "planes" in groups:
        from complexity_lab.bench import planes

        yield from planes.comparisons(repeats)
    if "controls" in groups:
        from complexity_lab.bench import controls

        yield from controls.comparisons(repeats)
    if "task" in groups:
        from complexity_lab.bench import tasks

        yield from tasks.comparisons(max(3, repeats // 2))
    if "momos" in groups:
        from complexity_lab.bench import momos

        yield from momos.comparisons(repeats)
    if "memory" in groups:
        from complexity_lab.bench import memory

        yield from memory.comparisons()


def _line(item: Comparison) -> str:
    digits = 1 if item.ratio >= 100 else 3
    ratio = f"{item.ratio:.{digits}f} ({item.low:.{digits}f}..{item.high:.{digits}f})"
    sign = ">=" if item.at_least else "<="
    target = "" if item.target is None else f"{sign} {item.target:g}{'' if item.met else ' MISSED '}"
    ours, peer = (f"{value:.4g} {item.unit}" for value in (item.ours, item.peer))
    note = f" ({item.note})" if item.note else ""
    return f"{item.what:<52}{ours:>11}{peer:>11}  {ratio:<28}{target:<10}{item.peer_name}{note}"
