"""``complexity-lab report``: one self-contained HTML file of a survey, or the table of an experiment."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from complexity_lab.cli.figures import Accuracy, Directory, kind_of, take_accuracy
from complexity_lab.errors import InputError


def report_cli(
    directory: Directory,
    out: Annotated[
        Path | None, typer.Option(help="Of a survey: file to write; default: DIRECTORY/report.html.")
    ] = None,
    accuracy: Accuracy = None,
) -> None:
    """Write the report of a survey as one HTML file that needs nothing else, or the tables or page of anything else.

    Of trainings that is the table, ours beside the paper's, as Markdown, LaTeX, HTML and CSV; of a study of
    quantization, a study of learning or a series of checkpoints a page in Markdown.
    """
    kind = kind_of(directory)
    take_accuracy(accuracy, directory, kind)
    if kind != "survey" and out is not None:
        raise InputError(f"--out {out} is for surveys; what is written of {directory} lies in it, leave it out")
    if kind == "training":
        _write_table(directory)
        return
    if kind in ("quantization", "trajectory"):
        print(_write_page(directory, kind))
        return
    from complexity_lab.report import write_report

    print(write_report(directory, out))


def _write_page(directory: Path, kind: str) -> Path:
    """Write the page of a study of quantization, a study of networks in training, or a series of checkpoints."""
    if kind == "quantization":
        from complexity_lab.report.quantization_page import write_quantization_page

        return write_quantization_page(directory)
    from complexity_lab.cli.trajectory_study import is_study, write_study_page

    if is_study(directory):
        return write_study_page(directory, _title(directory))
    from complexity_lab.cli.figures import draw_trajectory
    from complexity_lab.report.series_page import write_series_page

    return write_series_page(directory, draw_trajectory(directory, directory / "figures", None))


@dataclass(frozen=True)
class _Asked:
    """What the command that began an experiment asked for: name and title of its table, figures in the page."""

    name: str
    title: str = ""
    figures: tuple[str, ...] = ()


def _write_table(directory: Path) -> None:
    """Write the table of an experiment, as far as it went, and print how far that is."""
    from complexity_lab.figures.training import TRAINING_FIGURES
    from complexity_lab.report.training_table import write_training_table
    from complexity_lab.statistics.training import TrainingTables
    from complexity_lab.tables.store import read_manifest

    tables, manifest = TrainingTables.read(directory), read_manifest(directory)
    asked = _asked(manifest, set(tables.runs["model"]))
    fitting = [name for name in asked.figures or TRAINING_FIGURES if TRAINING_FIGURES[name].applies(tables) is None]
    places = write_training_table(directory, asked.name, asked.title, tuple(fitting))
    planned = _planned(manifest)
    left = "" if planned is None else f", {planned - len(tables.runs)} not finished"
    print(f"{len(tables.ok)} runs ok, {len(tables.runs) - len(tables.ok)} failed{left}")
    for place in places.values():
        print(place)


def _title(directory: Path) -> str:
    """Return the title of the study file that the command of a directory names; empty if it is not here."""
    from complexity_lab.tables.store import read_manifest

    for file in _study_files(read_manifest(directory)):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return str(content.get("title", ""))
    return ""


def _study_files(manifest: Mapping[str, Any]) -> list[Path]:
    """Return the study file that a command named, if it is where it was."""
    words = shlex.split(manifest.get("command") or "")
    named = [Path(word) for word in words if word.endswith(".toml")] if "study" in words else []
    return [file for file in named[:1] if file.is_file()]


def _asked(manifest: Mapping[str, Any], models: set[str]) -> _Asked:
    """Return what ``study`` or ``reproduce`` would write; without the study file, the table that has the models."""
    from complexity_lab.experiments.plan import MODELS, read_training_study

    for file in _study_files(manifest):
        study = read_training_study(file)
        return _Asked(study.table or "table", study.title, study.figures)
    return _Asked("table2" if models and models <= set(MODELS["table2"]) else "table1")


def _planned(manifest: Mapping[str, Any]) -> int | None:
    """Return how many runs were planned; None where the plan is of a version that had other choices."""
    from complexity_lab.experiments.plan import checked_plan

    choices = {key: value for key, value in manifest.get("plan", {}).items() if key != "recipes"}
    try:
        plan = checked_plan(**choices)
    except InputError:
        return None
    return len(plan.models) * len(plan.methods()) * len(plan.seeds)
