"""From tables to a page, and from a page to one HTML file."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from complexity_lab.errors import OutputError
from complexity_lab.figures import FIGURES, Figure, numbers, paint, svg_bytes
from complexity_lab.figures.render import chosen_figures
from complexity_lab.report.headline import headline, initial_findings, metric_name, missing_models, qualifications
from complexity_lab.report.model_rows import ModelTable, model_table
from complexity_lab.report.provenance import Provenance, provenance
from complexity_lab.statistics import (
    MetricSummary,
    SurveyTables,
    ZooSummary,
    initial_weights,
    skipped_tensors,
    summarize,
    summarize_metrics,
)
from complexity_lab.statistics.ratios import metrics_of

TEMPLATES = Path(__file__).parent / "templates"
BOOTSTRAP_SEED = 0
"""Equal tables give an equal report."""

LARGEST_CSV = 1_000_000  # bytes


@dataclass(frozen=True)
class Plate:
    """A figure inside the page."""

    name: str
    title: str
    caption: str
    image: str  # data URI
    table: str | None  # data URI of the CSV behind it; None if too large


@dataclass(frozen=True)
class Failure:
    """A model without numbers, and why."""

    model: str
    status: str
    error_type: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything the template shows; no number is computed later."""

    summary: ZooSummary
    headline: str
    qualifications: list[str]
    missing: str
    metrics: list[MetricSummary]
    figures: list[Plate]
    left_out: dict[str, str]  # figure title -> why it was not drawn
    models: ModelTable
    table: str | None  # data URI of the comparison as CSV; None if too large
    failures: list[Failure]
    skipped: list[dict[str, Any]]
    provenance: Provenance


def write_report(directory: Path, out: Path | None = None) -> Path:
    """Write the report of a survey as one HTML file without external references, and return its path.

    Args:
        directory: the survey.
        out: file to write; ``directory/report.html`` if None.

    Raises:
        InputError: the directory holds no survey.
        OutputError: the file cannot be written.
    """
    page = build_page(SurveyTables.read(directory))
    path = out if out is not None else directory / "report.html"
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render_page(page), encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105 - atomic, also over an existing report
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; choose another --out") from error
    return path


def build_page(tables: SurveyTables, figures: Mapping[str, Figure[SurveyTables]] = FIGURES) -> Page:
    """Compute every number, sentence and picture of the report.

    Raises:
        InputError: the manifest lacks a key.
    """
    metric = _main_metric(tables.ratios)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    summary = summarize(tables.models, tables.ratios, rng=rng, metric=metric)
    chosen, left_out = chosen_figures(tables, figures)
    return Page(
        summary=summary,
        headline=headline(summary),
        qualifications=qualifications(summary) or _initial_findings(tables, metric),
        missing=missing_models(summary),
        metrics=summarize_metrics(tables.ratios, rng=rng),
        figures=[_plate(figure, tables) for figure in chosen],
        left_out={figures[name].title: reason for name, reason in left_out.items()},
        models=model_table(tables, metric),
        table=_csv_uri(tables.ratios),
        failures=_failures(tables.models),
        skipped=[{str(key): value for key, value in row.items()} for row in _skipped(tables.measurements)],
        provenance=provenance(tables.manifest),
    )


def render_page(page: Page) -> str:
    """Fill the template; everything is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(numbers=numbers, metric_name=metric_name)
    families = sorted({row.family for row in page.models.rows})
    return environment.get_template("report.html.j2").render(page=page, families=families)


def _main_metric(ratios: pd.DataFrame) -> str:
    """Return bdm if it was compared, else the first metric that was."""
    metrics = metrics_of(ratios)
    return "bdm" if "bdm" in metrics or not metrics else metrics[0]


def _plate(figure: Figure[SurveyTables], tables: SurveyTables) -> Plate:
    table = figure.prepare(tables)
    picture = base64.b64encode(svg_bytes(paint(figure, table))).decode("ascii")
    return Plate(
        name=figure.name,
        title=figure.title,
        caption=figure.caption(table),
        image=f"data:image/svg+xml;base64,{picture}",
        table=_csv_uri(table),
    )


def _csv_uri(table: pd.DataFrame) -> str | None:
    """Return a table as a link, or None if it would make the page heavy; ``figures`` writes every table anyway."""
    data = table.to_csv(index=False).encode()
    return f"data:text/csv;base64,{base64.b64encode(data).decode('ascii')}" if len(data) <= LARGEST_CSV else None


def _initial_findings(tables: SurveyTables, metric: str) -> list[str]:
    table = initial_weights(tables.models, tables.measurements)
    return initial_findings(table.loc[table["metric"] == metric])


def _failures(models: pd.DataFrame) -> list[Failure]:
    rows = models.loc[models["status"] != "ok"].sort_values(["status", "error_type", "model"])
    return [
        Failure(*(str(value) if isinstance(value, str) else "" for value in values))
        for values in rows[["model", "status", "error_type", "error"]].itertuples(index=False, name=None)
    ]


def _skipped(measurements: pd.DataFrame) -> list[dict[Any, Any]]:
    return skipped_tensors(measurements).to_dict("records")
