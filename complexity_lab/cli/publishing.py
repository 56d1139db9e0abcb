"""The results of a study as they ship: one Parquet file per table, the page, and the pictures that docs show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from complexity_lab.files import write_atomically, writing

UNPUBLISHED = ("histograms",)  # made again from the weights


def publish_study(
    name: str, run: Path, data: Path, report: Path, pictures: Sequence[str] | None = None
) -> dict[str, Path]:
    """Write tables, page and pictures of a finished study; return where they are.

    Args:
        name: of the study.
        run: directory of its tables.
        data: folder for the tables, made anew.
        report: folder for page and pictures, made anew.
        pictures: figures that ship as PNG; the first one if None.

    Raises:
        InputError: the directory holds no study or no finished task of it, or is one of the folders to be made anew.
        UnknownNameError: there is no figure of a name.
        OutputError: something cannot be written.
    """
    from complexity_lab.errors import InputError, UnknownNameError, nearest_names
    from complexity_lab.figures.drawing import draw, save
    from complexity_lab.report.page import write_page
    from complexity_lab.statistics.results import open_results
    from complexity_lab.statistics.step_results import TrainingResults
    from complexity_lab.tables.directory import publish
    from complexity_lab.tables.layout import PAGE, SIDE_FILES
    from complexity_lab.tables.rows import ROWS

    if Path(name).name != name or name in (".", ".."):
        raise InputError(f"{name!r} is no name of a study; wanted that of a file such as studies/digits.toml, digits")
    if run.resolve() in (data.resolve(), report.resolve()):
        raise InputError(f"{run} is where the results of {name} are published; name the directory of its tables")
    results = open_results(run)
    if not len(results.ok):
        raise InputError(f"{run} holds no finished task of {name}; run the study first")
    drawings = draw(results, results.manifest.figures or None)  # before anything is replaced
    shown = [each for each in drawings if each.name in pictures] if pictures else drawings[:1]
    unknown = sorted(set(pictures or ()) - {each.name for each in drawings})
    if unknown:
        known = tuple(each.name for each in drawings)
        raise UnknownNameError(f"the study draws no figure {unknown[0]!r}{nearest_names(unknown[0], known)}")
    for folder in (data, report):
        _empty(folder)
    publish(run, data, [row.TABLE for row in ROWS if row.TABLE not in UNPUBLISHED])
    for extra in SIDE_FILES:
        if (run / extra).exists():
            with writing(data):
                write_atomically(data / extra, (run / extra).read_bytes())
    save(shown, report, formats=("png",))
    write_page(results, drawings, report / PAGE)
    if isinstance(results, TrainingResults):
        from complexity_lab.report.paper_tables import write_tables

        write_tables(results, report)
    return {"tables": data, "page": report / PAGE, "pictures": report}


def _empty(folder: Path) -> None:
    """Remove the files of an earlier publication."""
    with writing(folder):
        for path in sorted(folder.rglob("*"), reverse=True) if folder.exists() else ():
            path.rmdir() if path.is_dir() else path.unlink()
