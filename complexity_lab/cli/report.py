"""``complexity-lab report``: the page of a study as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.figures import Accuracy, Directory, take_accuracy


def report_cli(
    directory: Directory,
    out: Annotated[Path | None, typer.Option(help="File to write; default: DIRECTORY/report.html.")] = None,
    accuracy: Accuracy = None,
    tables: Annotated[
        Path | None,
        typer.Option(help="Of MoMos trainings: also write the table of the paper beside ours into this directory."),
    ] = None,
) -> None:
    """Write the page of a study of any kind as one HTML file that needs nothing else; what is finished is shown."""
    from complexity_lab.figures.drawing import draw
    from complexity_lab.report.page import write_page
    from complexity_lab.report.paper_tables import write_tables
    from complexity_lab.statistics.results import open_results
    from complexity_lab.tables.layout import PAGE

    take_accuracy(accuracy, directory)
    results = open_results(directory)
    paths = [] if tables is None else write_tables(results, tables)  # refused before a page is written
    print(write_page(results, draw(results, results.manifest.figures or None), out or directory / PAGE))
    for path in paths:
        print(path)
