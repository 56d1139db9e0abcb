"""``complexity-lab figures``: every figure of a survey or an experiment as PDF and PNG, with the table behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from complexity_lab.figures.figure import Figure, Tables
    from complexity_lab.figures.render import RenderedFigure

Directory = Annotated[Path, typer.Argument(help="Directory of a survey, an experiment, a study or a series.")]
Accuracy = Annotated[
    Path | None,
    typer.Option(help="Of a survey: CSV in the format of timm's result files (model, top1), kept in DIRECTORY."),
]
Kind = Literal["survey", "training", "quantization", "trajectory"]


def figures_cli(
    directory: Directory,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only this figure; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: DIRECTORY/figures.")] = None,
    accuracy: Accuracy = None,
) -> None:
    """Draw the figures of a survey or an experiment: PDF, PNG, and the numbers as CSV and Parquet.

    Of one that was interrupted, what is finished is drawn.
    """
    folder = out if out is not None else directory / "figures"
    kind = kind_of(directory)
    take_accuracy(accuracy, directory, kind)
    for figure in _DRAWN[kind](directory, folder, name):
        print(f"{figure.name}: {figure.title}\n  {figure.pdf}\n  {figure.png}\n  {figure.table}")


def kind_of(directory: Path) -> Kind:
    """Tell what a directory holds: a survey of a zoo, trainings, a study of quantization, or a trajectory.

    Raises:
        InputError: none of them.
    """
    from complexity_lab.tables.store import read_manifest

    plan = read_manifest(directory).get("plan", {})
    if plan.get("kind") in ("quantization", "trajectory"):
        return plan["kind"]  # type: ignore[no-any-return]
    return "survey" if "zoo" in plan else "training"


def take_accuracy(accuracy: Path | None, directory: Path, kind: Kind) -> None:
    """Copy a file of accuracies into a survey.

    Raises:
        InputError: the directory holds something else, or the file cannot be read.
    """
    if accuracy is None:
        return
    if kind != "survey":
        raise InputError(f"--accuracy {accuracy} is for surveys, {directory} holds a {kind}; leave it out")
    from complexity_lab.cli.survey import keep_accuracy

    keep_accuracy(accuracy, directory)


def _experiment(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    from complexity_lab.figures.training import TRAINING_FIGURES
    from complexity_lab.statistics.training import TrainingTables

    return _drawn(directory, TrainingTables.read(directory), TRAINING_FIGURES, folder, names)


def _survey(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    from complexity_lab.figures import FIGURES
    from complexity_lab.statistics import SurveyTables

    return _drawn(directory, SurveyTables.read(directory), FIGURES, folder, names)


def _quantization(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    from complexity_lab.figures.quantization import QUANTIZATION_FIGURES
    from complexity_lab.statistics.quantization import QuantizationTables

    return _drawn(directory, QuantizationTables.read(directory), QUANTIZATION_FIGURES, folder, names)


def draw_trajectory(directory: Path, folder: Path, names: Sequence[str] | None) -> list[RenderedFigure]:
    """Draw the figures of a study of networks in training, or of a series of checkpoints."""
    from complexity_lab.cli.trajectory_study import draw_study, is_study

    if is_study(directory):
        return draw_study(directory, folder, names)
    from complexity_lab.figures.trajectory import TRAJECTORY_FIGURES
    from complexity_lab.statistics.trajectory import TrajectoryTables

    return _drawn(directory, TrajectoryTables.read(directory), TRAJECTORY_FIGURES, folder, names)


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


_DRAWN: Mapping[Kind, Callable[[Path, Path, Sequence[str] | None], list[RenderedFigure]]] = {
    "survey": _survey,
    "training": _experiment,
    "quantization": _quantization,
    "trajectory": draw_trajectory,
}
