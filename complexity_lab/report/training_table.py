"""A training experiment as the paper's table, ours beside the printed one: Markdown, LaTeX and HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from complexity_lab.errors import InputError, OutputError
from complexity_lab.figures import mosaics
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.render import chosen_figures, paint, svg_bytes
from complexity_lab.figures.training import TRAINING_FIGURES
from complexity_lab.report.remarks import remarks
from complexity_lab.statistics.findings import Finding, findings
from complexity_lab.statistics.training import TrainingTables, beside_published, means_over_seeds
from complexity_lab.tables.store import read_manifest

TEMPLATES = Path(__file__).with_name("templates")
HEADER = ("method", "accuracy (%)", "printed", "RAC", "printed", "BDM ratio", "printed", "runs")


@dataclass(frozen=True)
class ModelTable:
    """The rows of one model, as text."""

    name: str
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class TablePage:
    """Everything that the three formats show."""

    title: str
    summary: str
    models: list[ModelTable]
    findings: list[Finding]
    remarks: list[str]
    failures: list[dict[str, str]]
    plates: list[dict[str, str]]
    command: str


def write_training_table(
    directory: Path, name: str = "table1", title: str = "", figures: tuple[str, ...] = ()
) -> dict[str, Path]:
    """Write NAME.md, NAME.tex, NAME.html and NAME.csv into the directory of an experiment; return the paths.

    Raises:
        InputError: the directory holds no experiment, or no run has ended well.
        OutputError: a file cannot be written.
    """
    tables = TrainingTables.read(directory)
    if tables.ok.empty:
        raise InputError(f"no run of {directory} has ended well yet, so there is no table")
    numbers = beside_published(means_over_seeds(tables.runs))
    chosen = {key: TRAINING_FIGURES[key] for key in figures} if figures else TRAINING_FIGURES
    page = build_table_page(tables, numbers, read_manifest(directory), title, chosen)
    paths = {suffix: directory / f"{name}.{suffix}" for suffix in ("md", "tex", "html", "csv")}
    try:
        paths["md"].write_text(_fill("table.md.j2", page), encoding="utf-8")
        paths["tex"].write_text(_fill("table.tex.j2", page), encoding="utf-8")
        paths["html"].write_text(_fill("table.html.j2", page), encoding="utf-8")
        numbers.to_csv(paths["csv"], index=False)
    except OSError as error:
        raise OutputError(f"cannot write into {directory}: {error}") from error
    return paths


def build_table_page(
    tables: TrainingTables,
    numbers: pd.DataFrame,
    manifest: Mapping[str, Any],
    title: str,
    figures: Mapping[str, Figure[TrainingTables]],
) -> TablePage:
    """Turn numbers into text; ``numbers`` are those of ``beside_published``."""
    dataset = str(numbers["dataset"].iloc[0])
    failed = tables.runs.loc[tables.runs["status"] != "ok", ["run", "error"]]
    chosen, _ = chosen_figures(tables, figures)
    hours = tables.ok["seconds"].sum() / 3600
    summary = (
        f"{len(tables.ok)} runs on {dataset} ({len(failed)} failed), test accuracy of the last weights, mean ± sd over "
        f"seeds; {hours:.1f} hours of training in all. Printed: arXiv 2602.14896, on CIFAR-10."
    )
    return TablePage(
        title=title or f"MoMos, QAT and baseline on {dataset}",
        summary=summary,
        models=[
            ModelTable(mosaics.label(str(model)), [_texts(row) for row in rows.to_dict("records")])
            for model, rows in numbers.groupby("model", sort=False)
        ],
        findings=[replace(found, model=mosaics.label(found.model)) for found in findings(numbers)],
        remarks=remarks(numbers, tables.runs),
        failures=[{str(key): str(value) for key, value in row.items()} for row in failed.to_dict("records")],
        plates=[_plate(figure, tables) for figure in chosen],
        command=str(manifest.get("command") or ""),
    )


def _texts(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return (
        method_label(row),
        _mean(row["accuracy"], row["accuracy_sd"], 2),
        _mean(row["accuracy_printed"], row["accuracy_sd_printed"], 2),
        _number(row["rac"], 2),
        _number(row["rac_printed"], 1),
        _mean(row["bdm_ratio"], row["bdm_ratio_sd"], 3),
        _number(row["bdm_ratio_printed"], 2),
        f"{row['seeds']}" + (f" ({row['failed']} failed)" if row["failed"] else ""),
    )


def method_label(row: Mapping[Any, Any]) -> str:
    """Return ``baseline``, ``QAT, 8 bits`` or ``MoMos, s = 4, 1 %``."""
    if row["kind"] == "baseline":
        return "baseline"
    if row["kind"] == "qat":
        return f"QAT, {int(row['bits'])} bits"
    if row["kind"] == "momos" and np.isfinite(row["s"]) and np.isfinite(row["capacity"]):
        return f"MoMos, {mosaics.method_label(row['s'], row['capacity'])}"
    return str(row["method"])


def _mean(mean: float, sd: float, decimals: int) -> str:
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.{decimals}f}" + (f" ± {sd:.{decimals}f}" if np.isfinite(sd) else "")


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "–"


def _plate(figure: Figure[TrainingTables], tables: TrainingTables) -> dict[str, str]:
    table = figure.prepare(tables)
    picture = base64.b64encode(svg_bytes(paint(figure, table))).decode("ascii")
    return {"title": figure.title, "caption": figure.caption(table), "picture": picture}


def _fill(template: str, page: TablePage) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=template.endswith("html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tex"] = _tex
    return environment.get_template(template).render(page=page, header=HEADER)


def _tex(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    for plain, escaped in (("\\", r"\textbackslash{}"), ("%", r"\%"), ("_", r"\_"), ("&", r"\&"), ("#", r"\#")):
        text = text.replace(plain, escaped)
    return text.replace("±", r"$\pm$").replace("–", "--")
