"""``complexity-lab study``: experiments described by TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.survey import Backend, Jobs, Retry, Scheduler, run_and_report

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
) -> None:
    """Survey what a study file names, then draw its figures and write the report.

    Exit codes as for survey. Run it again to continue.
    """
    from complexity_lab.survey.study import read_study, study_plan

    study = read_study(file)
    _check_figures(study.figures, file)
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
        figures=study.figures or None,
    )
    raise typer.Exit(code)
