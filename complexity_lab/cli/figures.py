"""``complexity-lab figures``: every figure of a study as PDF and PNG, with the table behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.counted import counted

Directory = Annotated[Path, typer.Argument(help="Directory of a study: of its tables, or as published below data/.")]
Accuracy = Annotated[
    Path | None,
    typer.Option(help="Of a survey: CSV in the format of timm's result files (model, top1), kept in DIRECTORY."),
]


def figures_cli(
    directory: Directory,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only this figure; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: DIRECTORY/figures.")] = None,
    accuracy: Accuracy = None,
) -> None:
    """Draw the figures of a study: PDF, PNG, and the numbers as CSV and Parquet. What is finished is drawn."""
    from complexity_lab.figures.drawing import FORMATS, draw, save
    from complexity_lab.statistics.results import open_results
    from complexity_lab.tables.layout import FIGURES

    take_accuracy(accuracy, directory)
    results = open_results(directory)
    folder = out if out is not None else directory / FIGURES
    drawings = draw(results, tuple(name) if name else None)
    save(drawings, folder)
    for drawing in drawings:
        print(f"{folder / drawing.name}: {drawing.title}")
    print(f"{counted(len(drawings), 'figure')}, each as {', '.join(FORMATS)}")


def take_accuracy(accuracy: Path | None, directory: Path) -> None:
    """Copy a file of accuracies into a survey.

    Raises:
        InputError: the directory holds something else, or the file cannot be read.
    """
    if accuracy is None:
        return
    from complexity_lab.errors import InputError
    from complexity_lab.files import keep_file
    from complexity_lab.statistics.accuracy import read_accuracy
    from complexity_lab.tables.directory import read_manifest
    from complexity_lab.tables.layout import ACCURACY

    kind = read_manifest(directory)["kind"]
    if kind != "survey":
        raise InputError(f"--accuracy {accuracy} is for surveys, {directory} holds a {kind}; leave it out")
    read_accuracy(accuracy)
    keep_file(accuracy, directory / ACCURACY)
