"""``complexity-lab figures``: every figure of a survey or an experiment as PDF and PNG, with the table behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from complexity_lab.figures.figure import Figure, Tables
    from complexity_lab.figures.render import RenderedFigure

Directory = Annotated[Path, typer.Argument(help="Directory of a survey, or of an experiment that trains networks.")]


def figures_cli(
    directory: Directory,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only this figure; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: DIRECTORY/figures.")] = None,
) -> None:
    """Draw the figures of a survey or an experiment: PDF, PNG, and the numbers as CSV and Parquet.

    Of one that was interrupted, what is finished is drawn.
    """
    folder = out if out is not None else directory / "figures"
    for figure in _experiment(directory, folder, name) if trains(directory) else _survey(directory, folder, name):
        print(f"{figure.name}: {figure.title}\n  {figure.pdf}\n  {figure.png}\n  {figure.table}")


def trains(directory: Path) -> bool:
    """Tell whether a directory holds an experiment that trains networks, rather than a survey of a zoo.

    Raises:
        InputError: it holds neither.
    """
    from complexity_lab.tables.store import read_manifest

    return "zoo" not in read_manifest(directory).get("plan", {})


def _experiment(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    from complexity_lab.figures.training import TRAINING_FIGURES
    from complexity_lab.statistics.training import TrainingTables

    return _drawn(directory, TrainingTables.read(directory), TRAINING_FIGURES, folder, names)


def _survey(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    from complexity_lab.figures import FIGURES
    from complexity_lab.statistics import SurveyTables

    return _drawn(directory, SurveyTables.read(directory), FIGURES, folder, names)


def _drawn(
    directory: Path, tables: Tables, figures: Mapping[str, Figure[Tables]], folder: Path, names: Sequence[str] | None
) -> list[RenderedFigure]:
    """Write the figures that apply to the tables, or those named.

    Raises:
        InputError: none applies, or one that was named does not.
        UnknownNameError: there is no figure of that name.
        OutputError: the folder cannot be written.
    """
    from complexity_lab.figures.render import chosen_figures, write_figures

    chosen, reasons = chosen_figures(tables, figures, names)
    if not chosen:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise InputError(f"no figure can be drawn of {directory} ({why}); finish it first, or name another directory")
    return write_figures(tables, figures, folder, names)
