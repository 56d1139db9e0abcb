"""``complexity-lab study``: studies of every kind, described by TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.command import Command, Group
from complexity_lab.cli.options import RunningOptions, TrainingOptions, split, takes_groups
from complexity_lab.cli.terminal import say

app = typer.Typer(
    cls=Group, help="Run a study described by a TOML file, and publish its results.", no_args_is_help=True
)
STUDIES = Path("studies")


@app.callback()
def group() -> None:
    """Run a study described by a TOML file, and publish its results."""


@app.command("run", cls=Command)
@takes_groups
def run_cli(
    file: Annotated[Path, typer.Argument(help="Study file, such as studies/digits.toml.")],
    running: RunningOptions,
    training: TrainingOptions,
    states: Annotated[
        str | None,
        typer.Option(help="Of a survey, instead of the study's own: initial, trained, or both with a comma."),
    ] = None,
) -> None:
    """Do what a study file names, then draw its figures and write its page.

    Run it again to continue. Exit code 0 if every task is ok, 3 if some failed, 1 if none could be done.
    """
    from complexity_lab.cli.running import run_and_show
    from complexity_lab.study.kind import RunOptions
    from complexity_lab.study.plan import read_study

    plan = read_study(file)
    if states:
        plan = plan.with_spec(states=split(states))
    say(f"{plan.title}\n{plan.question}")
    options = RunOptions(device=training.device, data_dir=training.data_dir, keep_weights=training.keep_weights)
    directory = running.out or Path("runs") / file.stem
    raise typer.Exit(run_and_show(plan, directory, running, options))


@app.command("publish", cls=Command)
def publish_cli(
    name: Annotated[str, typer.Argument(help="Name of a study, as in studies/NAME.toml.")],
    run: Annotated[Path | None, typer.Option(help="Directory of its tables; default runs/NAME.")] = None,
    data: Annotated[Path, typer.Option(help="Where its tables go, in a folder NAME.")] = Path("data"),
    reports: Annotated[Path, typer.Option(help="Where its page and pictures go, in a folder NAME.")] = Path("reports"),
    picture: Annotated[
        list[str] | None, typer.Option(help="A figure to ship as PNG; repeatable. Default: the first one.")
    ] = None,
) -> None:
    """Write the results of a study as they ship: one Parquet file per table, the page, and the pictures that docs show.

    Histograms, vector copies and the numbers behind each figure are made again from the tables by command.
    """
    from complexity_lab.cli.publishing import publish_study

    for what, place in publish_study(name, run or Path("runs") / name, data / name, reports / name, picture).items():
        say(f"{what + ':':<10}{place}")
