"""A table of the MoMos paper as files: ours beside the printed values in Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from complexity_lab.errors import InputError
from complexity_lab.figures import numbers
from complexity_lab.files import write_atomically, writing
from complexity_lab.report.sections.training import TABLE_COLUMNS
from complexity_lab.report.table import Cell, sortable
from complexity_lab.statistics.results import Results
from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.tables import columns as c

NAMES: Final = ("table1", "table2")  # of studies that are a table of the paper
_LATEX: Final = {
    **{letter: f"\\{letter}" for letter in "%_&#${}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"±": r"$\pm$", "−": "$-$", "–": "--", numbers.NBSP: "~"},
}

Row = tuple[str, ...]


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.tex and NAME.csv into a folder, made if it is missing; NAME is table1, table2 or table.

    Raises:
        InputError: the study holds no MoMos trainings, or none has ended well.
        OutputError: a file cannot be written.
    """
    if not isinstance(results, TrainingResults):
        raise InputError(f"a {results.kind} has no table of the MoMos paper; wanted a study of kind training")
    if results.ok.empty:
        raise InputError("no run has ended well yet, so there is no table; run the study again to continue")
    name = results.name if results.name in NAMES else "table"
    contents = {
        "md": _markdown(results),
        "tex": _latex(results),
        "csv": results.with_published.to_csv(index=False),
    }
    paths = [folder / f"{name}.{suffix}" for suffix in contents]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, contents.values(), strict=True):
            write_atomically(path, content.encode())
    return paths


def _networks(results: TrainingResults) -> Iterator[tuple[str, list[Row]]]:
    """Return the rows of each network as text, the network left out, and failures said where runs are counted."""
    table = sortable(results.with_published, TABLE_COLUMNS, name="table", about="")
    cells = {label: place for place, label in enumerate(column.label for column in table.columns)}

    def row(found: tuple[Cell, ...]) -> Row:
        texts = [found[cells[label]].text if label in cells else numbers.DASH for label in _HEADER]
        failed = found[cells["failed"]].text if "failed" in cells else numbers.DASH
        return (*texts[:-1], texts[-1] + (f" ({failed} failed)" if failed != numbers.DASH else ""))

    # every row of a network has its name in the first column
    for network in dict.fromkeys(found[0].text for found in table.rows):
        yield network, [row(found) for found in table.rows if found[0].text == network]


_HEADER: Final = tuple(column.label for column in TABLE_COLUMNS[1:-1])


def _title(results: TrainingResults) -> str:
    return results.title or results.name or "MoMos, QAT and baseline"


def _summary(results: TrainingResults) -> str:
    datasets = ", ".join(results.means_over_seeds[c.DATASET].astype(str).unique())
    return (
        f"{len(results.ok)} runs on {datasets}, {len(results.failures)} failed; test accuracy of the last weights, "
        "mean ± sd over seeds. Printed: arXiv 2602.14896, on CIFAR-10."
    )


def _markdown(results: TrainingResults) -> str:
    parts = [f"# {_title(results)}", _summary(results)]
    for network, rows in _networks(results):
        lines = (_HEADER, ("---", *["--:"] * (len(_HEADER) - 1)), *rows)
        parts += [f"## {network}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    failed = [f"- {row.model}: {row.error}" for row in results.failures.itertuples()]
    parts += ["## Failed runs", "\n".join(failed)] if failed else []
    return "\n\n".join(parts) + "\n"


def _latex(results: TrainingResults) -> str:
    lines = [
        "% needs the package booktabs",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(f'{_title(results)}. {_summary(results)}')}}}",
        r"\begin{tabular}{l*{6}{r}}",
        r"\toprule",
        r" & \multicolumn{2}{c}{accuracy (\%)} & \multicolumn{2}{c}{RAC} & \multicolumn{2}{c}{BDM ratio} \\",
        r"method & ours & printed & ours & printed & ours & printed \\",
    ]
    for network, rows in _networks(results):
        lines += [r"\midrule", rf"\multicolumn{{7}}{{l}}{{\textbf{{{latex(network)}}}}} \\"]
        lines += [" & ".join(latex(text) for text in row[:7]) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def latex(text: str) -> str:
    """Escape what LaTeX would read as a command.

    >>> latex("5 % of a_b")
    '5 \\\\% of a\\\\_b'
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)
