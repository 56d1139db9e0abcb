"""``complexity-lab report``: one self-contained HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.figures import Directory


def report_cli(
    directory: Directory,
    out: Annotated[Path | None, typer.Option(help="File to write; default: DIRECTORY/report.html.")] = None,
) -> None:
    """Write the report of a survey as one HTML file that needs nothing else."""
    from complexity_lab.report import write_report

    print(write_report(directory, out))
