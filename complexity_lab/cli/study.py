"""``complexity-lab study``: experiments described by TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from complexity_lab.cli.progress import duration
from complexity_lab.cli.survey import Backend, Jobs, Retry, Scheduler, run_and_report
from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from complexity_lab.survey.plan import SurveyPlan

States = Annotated[str | None, typer.Option(help="Instead of the study's own: initial, trained, or both with a comma.")]

app = typer.Typer(help="Run an experiment described by a TOML file.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Run an experiment described by a TOML file."""


def _check_figures(names: tuple[str, ...], file: Path) -> None:
    """Refuse unknown figures before hours are spent."""
    if not names:
        return
    from complexity_lab.errors import UnknownNameError, nearest_names
    from complexity_lab.figures import FIGURES

    for name in names:
        if name not in FIGURES:
            hint = nearest_names(name, tuple(FIGURES)) or f"; there are {', '.join(FIGURES)}"
            raise UnknownNameError(f"{file} asks for an unknown figure {name!r}{hint}")


@app.command("run")
def run_cli(
    file: Annotated[Path, typer.Argument(help="Study file, such as studies/digits.toml.")],
    states: Annotated[
        str | None, typer.Option(help="Instead of the study's own: initial, trained, or both with a comma.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only this many models, the first by name.")] = None,
    jobs: Jobs = None,
    backend: Backend = "loky",
    scheduler: Scheduler = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the tables; default: runs/STUDY-HASH.")] = None,
    retry_failed: Retry = False,
    device: Annotated[str, typer.Option(help="Of a training study: auto, cpu or cuda.")] = "auto",
    data_dir: Annotated[Path | None, typer.Option(help="Of a training study: where its data set lies.")] = None,
) -> None:
    """Survey or train what a study file names, then draw its figures and write the report.

    Exit codes as for survey. Run it again to continue.
    """
    kind = _kind(file)
    if kind != "survey" and (states or limit or backend != "loky" or scheduler):
        raise InputError(f"{file} is no survey; --states, --limit, --backend and --scheduler are for surveys")
    if kind == "training":
        raise typer.Exit(_train(file, jobs, device, data_dir, out, retry_failed))
    if kind == "quantization":
        from complexity_lab.cli.suggest import run_quantization_study

        raise typer.Exit(run_quantization_study(file, out or Path("runs") / file.stem, jobs, retry_failed))
    if kind == "trajectory":
        from complexity_lab.cli.trajectory_study import run_trajectory_study

        raise typer.Exit(run_trajectory_study(file, out or Path("runs") / file.stem, jobs, retry_failed))
    from complexity_lab.survey.study import read_study, study_plan

    study = read_study(file)
    _check_figures(study.figures, file)
    chosen = tuple(part.strip() for part in states.split(",")) if states else None
    plan = study_plan(study, file.parent, states=chosen, limit=limit)  # type: ignore[arg-type]  # checked by the plan
    print(f"{study.title}\n{study.question}")
    directory = out or Path("runs") / f"{file.stem}-{plan.hash()[:8]}"
    code = run_and_report(
        plan,
        directory,
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
        retry_failed=retry_failed,
        figures=study.figures or None,
        accuracy=file.parent / study.accuracy if study.accuracy else None,
    )
    if limit is not None:
        whole = study_plan(study, file.parent, states=chosen)  # type: ignore[arg-type]  # as above
        _print_projection(whole, directory, jobs)
    raise typer.Exit(code)


def _print_projection(whole: SurveyPlan, directory: Path, jobs: int | None) -> None:
    """Print what the whole study would take on this machine, from the models measured."""
    from complexity_lab.survey.plan import cards_of
    from complexity_lab.survey.projection import projected_time
    from complexity_lab.survey.run import default_jobs
    from complexity_lab.tables.store import read_table

    at_once = jobs or default_jobs()
    found = projected_time(read_table(directory, "models"), cards_of(whole, whole.open_zoo()), at_once)
    if found is None:
        return
    print(
        f"projected: all {found.models} models take {duration(found.seconds)} on this machine, {at_once} at a time "
        f"(from {found.measured} models: {found.per_model:.1f} s each and {found.per_million:.2f} s per million "
        f"parameters; states {', '.join(whole.states)}, downloads at the speed seen here)"
    )


def _kind(file: Path) -> str:
    """Return which section says what a study file does; read without importing torch."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "survey"  # the reader of studies says what is wrong with it
    return next((kind for kind in ("training", "quantization", "trajectory") if kind in content), "survey")


def _train(
    file: Path, jobs: int | None, device: str, data_dir: Path | None, out: Path | None, retry_failed: bool
) -> int:
    """Run a study that trains networks."""
    from complexity_lab.cli.reproduce import train_and_show
    from complexity_lab.errors import UnknownNameError, nearest_names
    from complexity_lab.experiments.plan import read_training_study
    from complexity_lab.figures.training import TRAINING_FIGURES

    study = read_training_study(file)
    for name in study.figures:
        if name not in TRAINING_FIGURES:
            hint = nearest_names(name, tuple(TRAINING_FIGURES)) or f"; there are {', '.join(TRAINING_FIGURES)}"
            raise UnknownNameError(f"{file} asks for an unknown figure {name!r}{hint}")
    print(f"{study.title}\n{study.question}")
    return train_and_show(
        study.training,
        out or Path("runs") / f"{file.stem}-{study.training.hash()[:8]}",
        name=study.table or "table",
        title=study.title,
        figures=study.figures,
        retry_failed=retry_failed,
        jobs=jobs,
        device=device,
        data_dir=data_dir,
    )
