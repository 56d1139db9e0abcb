"""``complexity-lab figures``: every figure of a survey as PDF and PNG, with the table behind it."""

from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Argument(help="Directory of a survey.")]


def figures_cli(
    directory: Directory,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only this figure; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: DIRECTORY/figures.")] = None,
) -> None:
    """Draw the figures of a survey: PDF, PNG, and the numbers as CSV and Parquet."""
    from complexity_lab.figures import render

    for figure in render(directory, out, name):
        print(f"{figure.name}: {figure.title}\n  {figure.pdf}\n  {figure.png}\n  {figure.table}")
