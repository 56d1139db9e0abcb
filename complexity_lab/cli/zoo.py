"""``complexity-lab zoo``: what can be surveyed, offline too."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.command import Command, Group
from complexity_lab.cli.options import SelectionOptions, takes_groups
from complexity_lab.counted import counted

app = typer.Typer(cls=Group, help="List what can be surveyed; no network needed.", no_args_is_help=True)
ZooName = Annotated[str, typer.Option("--zoo", help="timm, digits or checkpoints.")]


@app.command("list", cls=Command)
@takes_groups
def list_cli(
    selection: SelectionOptions,
    zoo: ZooName = "timm",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line instead of columns.")] = False,
) -> None:
    """List models: name, parameters, family, training data, licence of the weights."""
    from complexity_lab.zoo.registry import open_zoo
    from complexity_lab.zoo.selection import select

    cards = select(open_zoo(zoo, path=selection.weights), selection.selection())
    if as_json:
        for card in cards:
            print(json.dumps(asdict(card)))
        return
    rows = [(c.id, _count(c.parameters), c.family, c.dataset, c.licence) for c in cards]
    head = ("model", "parameters", "family", "dataset", "licence")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [
            cell.rjust(w) if i == 1 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(counted(len(cards), "model"))


def _count(parameters: int | None) -> str:
    return "?" if parameters is None else f"{parameters:,}"


@app.command("show", cls=Command)
def show_cli(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    zoo: ZooName = "timm",
    weights: Annotated[Path | None, typer.Option(help="Of checkpoints: directory, TOML or CSV of pairs.")] = None,
) -> None:
    """Show what is known about one model."""
    from complexity_lab.zoo.registry import open_zoo

    card = open_zoo(zoo, path=weights).card(model)
    for name, value in asdict(card).items():
        text = f"{value:,}" if isinstance(value, int) else value
        if value not in ("", None):
            print(f"{name:<13}{text}")


@app.command("catalogue", cls=Command)
def catalogue_cli(
    out: Annotated[Path | None, typer.Option(help="CSV to write; default: the one in the package.")] = None,
) -> None:
    """Generate timm's catalogue anew from the installed timm (minutes; needed after upgrading timm)."""
    from complexity_lab.zoo import catalogue

    cards = list(catalogue.generate())
    target = out or catalogue.SHIPPED
    catalogue.write(cards, catalogue.default_ids(cards), target)
    print(f"{counted(len(cards), 'model')} written to {target}")
