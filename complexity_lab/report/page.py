"""From tables to a page, and from a page to one HTML file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from complexity_lab.errors import OutputError
from complexity_lab.figures import FIGURES, Figure, numbers
from complexity_lab.figures.figure import GROUPS
from complexity_lab.figures.render import chosen_figures
from complexity_lab.report.associations import AssociationSection, association_section, estimate_text
from complexity_lab.report.controls import ControlSection, control_section
from complexity_lab.report.headline import headline, initial_findings, missing_models, qualifications
from complexity_lab.report.layers import layer_table
from complexity_lab.report.model_rows import model_table
from complexity_lab.report.names import metric_name
from complexity_lab.report.planes import PlaneSection, plane_section
from complexity_lab.report.plates import Plate, plate
from complexity_lab.report.provenance import Provenance, provenance
from complexity_lab.report.sortable import SortableTable
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
from complexity_lab.statistics.rows import plane_of

TEMPLATES = Path(__file__).parent / "templates"
BOOTSTRAP_SEED = 0
"""Equal tables give an equal report."""


@dataclass(frozen=True)
class Failure:
    """A model without numbers, and why."""

    model: str
    status: str
    error_type: str
    error: str


@dataclass(frozen=True)
class Tab:
    """A part of the page that can be opened by itself."""

    name: str  # id of its section
    label: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything the template shows; no number is computed later."""

    summary: ZooSummary
    headline: str
    qualifications: list[str]
    missing: str
    metrics: list[MetricSummary]  # single bit planes have a section of their own
    figures: dict[str, list[Plate]]  # by group
    left_out: dict[str, str]  # figure title -> why it was not drawn
    associations: AssociationSection | None
    planes: PlaneSection | None
    layers: SortableTable | None
    controls: ControlSection | None
    models: SortableTable
    failures: list[Failure]
    skipped: list[dict[str, Any]]
    provenance: Provenance

    @property
    def gallery(self) -> list[Plate]:
        """Every figure, in the order of the page."""
        return [figure for group in GROUPS for figure in self.figures[group]]

    @property
    def tabs(self) -> list[Tab]:
        """The parts that are not empty, in their order."""
        found = {
            "findings": ("Findings", True),
            "planes": ("Planes", self.planes is not None or bool(self.figures["planes"])),
            "layers": ("Layers", self.layers is not None or bool(self.figures["layers"])),
            "controls": ("Controls", self.controls is not None or bool(self.figures["controls"])),
            "gallery": ("Gallery", bool(self.gallery)),
            "models": ("Models", True),
            "failures": ("Failures" if self.failures else "Not scored", bool(self.failures or self.skipped)),
            "reading": ("How to read this", True),
            "provenance": ("Provenance", True),
        }
        return [Tab(name, label) for name, (label, filled) in found.items() if filled]


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
    plates = [plate(figure, tables) for figure in chosen]
    return Page(
        summary=summary,
        headline=headline(summary),
        qualifications=qualifications(summary) or _initial_findings(tables, metric),
        missing=missing_models(summary),
        metrics=[each for each in summarize_metrics(tables.ratios, rng=rng) if plane_of(each.metric) is None],
        figures={group: [each for each in plates if each.group == group] for group in GROUPS},
        left_out={figures[name].title: reason for name, reason in left_out.items()},
        associations=association_section(tables, rng),
        planes=plane_section(tables, rng),
        layers=layer_table(tables),
        controls=control_section(tables),
        models=model_table(tables, metric),
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
    environment.globals.update(numbers=numbers, metric_name=metric_name, estimate_text=estimate_text)
    return environment.get_template("report.html.j2").render(page=page)


def _main_metric(ratios: pd.DataFrame) -> str:
    """Return bdm if it was compared, else the first metric that was."""
    metrics = metrics_of(ratios)
    return "bdm" if "bdm" in metrics or not metrics else metrics[0]


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
