"""Options that choose models, shared by ``survey`` and ``zoo list``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from complexity_lab.zoo.selection import Selection

Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", help="timm: directory of NAME.safetensors. checkpoints: directory, TOML or CSV of pairs."
    ),
]
Models = Annotated[list[str] | None, typer.Option("--model", help="A model by name; repeat for several.")]
ModelsFile = Annotated[Path | None, typer.Option("--list", help="File with one model name per line.")]
Filter = Annotated[list[str] | None, typer.Option("--filter", help="Glob on name or architecture; repeatable.")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="Glob to leave out; repeatable.")]
Family = Annotated[list[str] | None, typer.Option("--family", help="Family such as resnet; glob, repeatable.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Glob on the pretraining tag; repeatable.")]
MinParameters = Annotated[str | None, typer.Option(help="Smallest number of parameters: 500k, 5M, 1.5B.")]
MaxParameters = Annotated[str | None, typer.Option(help="Largest number of parameters: 500k, 5M, 1.5B.")]
Sample = Annotated[int | None, typer.Option(help="Draw this many of the models that match, at random.")]
SampleSeed = Annotated[int, typer.Option("--seed", help="Seed of the draw of --sample.")]


def make_selection(
    models: list[str] | None,
    list_file: Path | None,
    filter_: list[str] | None,
    exclude: list[str] | None,
    family: list[str] | None,
    tag: list[str] | None,
    min_parameters: str | None,
    max_parameters: str | None,
    sample: int | None,
    seed: int,
) -> Selection:
    """Turn option values into a selection.

    Raises:
        InputError: a number that is none, or a list that cannot be read.
    """
    from complexity_lab.zoo.selection import Selection, parse_count, read_list

    named = [*(models or []), *(read_list(list_file) if list_file else [])]
    return Selection(
        filter=tuple(filter_ or ()),
        exclude=tuple(exclude or ()),
        families=tuple(family or ()),
        tags=tuple(tag or ()),
        min_parameters=parse_count(min_parameters) if min_parameters else None,
        max_parameters=parse_count(max_parameters) if max_parameters else None,
        sample=sample,
        seed=seed,
        models=tuple(dict.fromkeys(named)),
    )
