"""``complexity-lab study``: experiments described by TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.survey import Backend, Jobs, Out, Retry, Scheduler, run_and_report

app = typer.Typer(help="Run an experiment described by a TOML file.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Run an experiment described by a TOML file."""


@app.command("run")
def run_cli(
    file: Annotated[Path, typer.Argument(help="Study file, such as studies/digits.toml.")],
    states: Annotated[str | None, typer.Option(help="initial, trained or both, instead of the study's own.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only this many models, the first by name.")] = None,
    jobs: Jobs = None,
    backend: Backend = "loky",
    scheduler: Scheduler = None,
    out: Out = None,
    retry_failed: Retry = False,
) -> None:
    """Survey what a study file names, then draw its figures and write the report.

    Exit codes as for survey. Run it again to continue.
    """
    from complexity_lab.survey.study import read_study, study_plan

    study = read_study(file)
    chosen = tuple(part.strip() for part in states.split(",")) if states else None
    plan = study_plan(study, file.parent, states=chosen, limit=limit)  # type: ignore[arg-type]  # checked by the plan
    print(f"{study.title}\n{study.question}")
    code = run_and_report(
        plan,
        out or Path("runs") / f"{file.stem}-{plan.hash()[:8]}",
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
        retry_failed=retry_failed,
        figures=(study.figures or None) if states is None else None,
    )
    raise typer.Exit(code)
