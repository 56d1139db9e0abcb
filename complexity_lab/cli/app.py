"""The command line: one command per file; this file joins them and turns errors into sentences and exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli import (
    bench,
    compare,
    doctor,
    figures,
    measure,
    pack,
    report,
    reproduce,
    series,
    study,
    suggest,
    survey,
    train,
    zoo,
)
from complexity_lab.cli.command import Command, Group
from complexity_lab.errors import ComplexityLabError

EXIT_CODES = "Exit codes: 0 all fine, 1 nothing done, 2 wrong input, 3 some models failed, 130 interrupted."

app = typer.Typer(
    name="complexity-lab",
    cls=Group,
    help="Measure the algorithmic complexity of whole model zoos. " + EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"complexity-lab {version('complexity-lab')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    """Options of every command; ``--debug`` is read by ``main``."""


app.command("survey", cls=Command)(survey.survey_cli)
app.command("measure", cls=Command)(measure.measure_cli)
app.command("compare", cls=Command)(compare.compare_cli)
app.command("suggest", cls=Command)(suggest.suggest_cli)
app.command("series", cls=Command)(series.series_cli)
app.command("figures", cls=Command)(figures.figures_cli)
app.command("report", cls=Command)(report.report_cli)
app.command("train", cls=Command)(train.train_cli)
app.command("reproduce", cls=Command)(reproduce.reproduce_cli)
app.command("pack", cls=Command)(pack.pack_cli)
app.command("unpack", cls=Command)(pack.unpack_cli)
app.command("doctor", cls=Command)(doctor.doctor_cli)
app.command("bench", cls=Command)(bench.bench_cli)
app.add_typer(zoo.app, name="zoo")
app.add_typer(study.app, name="study")


def main() -> None:
    """Run the command line; every error of ours is one sentence on standard error."""
    _open_closed_streams()
    try:
        app(prog_name="complexity-lab")
    except ComplexityLabError as error:
        if "--debug" in sys.argv:
            raise
        print(f"complexity-lab: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"complexity-lab: unexpected {problem}; run it again with --debug and report it", file=sys.stderr)
        sys.exit(1)


def _open_closed_streams() -> None:
    """Send nowhere what a caller does not want to read (``>&-``); else the next file opened would take its number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as we run
            os.set_inheritable(stream.fileno(), True)  # workers print to it too
            setattr(sys, name, stream)


def exit_code(error: ComplexityLabError) -> int:
    """Return 2 for what the caller can correct in the command, 1 for what the world refused."""
    from complexity_lab.errors import InputError, PlanMismatchError, UnknownNameError

    return 2 if isinstance(error, (InputError, UnknownNameError, PlanMismatchError)) else 1
