"""From results and figures to one HTML file that needs nothing else; the same build for every kind of study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2

from complexity_lab.figures.drawing import Drawing, not_drawn
from complexity_lab.figures.figure import GROUPS
from complexity_lab.figures.registry import figures_for
from complexity_lab.files import write_atomically, writing
from complexity_lab.report.author import AuthorText, read_text
from complexity_lab.report.glossary import terms
from complexity_lab.report.provenance import Provenance, moment, provenance
from complexity_lab.report.records import failures, records_table
from complexity_lab.report.section import Fact, KeyNumber, Section
from complexity_lab.report.sections import sections_of
from complexity_lab.report.table import SortableTable, csv_uri, data_uri
from complexity_lab.statistics.results import Results
from complexity_lab.tables.layout import TEXT

TEMPLATES: Final = Path(__file__).with_name("templates")
PIXELS_PER_INCH: Final = 96  # of CSS
KINDS: Final = {
    "survey": "Survey",
    "series": "Series of checkpoints",
    "training": "MoMos trainings",
    "trajectory": "Networks in training",
    "rounding": "Rounding",
}
"""What kinds of studies are called above their titles; others by their key."""


@dataclass(frozen=True)
class Picture:
    """A figure inside the page; sizes in CSS pixels."""

    name: str
    title: str
    caption: str
    image: str  # data URI
    width: int
    height: int
    table: str | None  # data URI of the CSV behind it; None if too large


@dataclass(frozen=True)
class Group:
    """Figures and numbers about one matter."""

    name: str
    title: str
    pictures: tuple[Picture, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything the template shows; no number is computed later."""

    kind: str
    name: str
    title: str
    question: str
    source: str
    created: str
    ok: int
    not_ok: int
    text: AuthorText | None
    key_numbers: tuple[KeyNumber, ...]
    sentences: tuple[str, ...]
    groups: tuple[Group, ...]
    failures: tuple[SortableTable, ...]
    left_out: tuple[Fact, ...]  # figures that these results cannot have, and why
    terms: tuple[Fact, ...]
    provenance: Provenance
    plan_hash: str


def write_page(results: Results, drawings: Iterable[Drawing], out: Path) -> Path:
    """Write the page of a study and return its path.

    Args:
        results: of the study; an author's text lies next to its tables, see ``report.author``.
        drawings: its figures.
        out: HTML file; its folder is made if it is missing.

    Raises:
        InputError: the author's text, or a file next to the tables, cannot be read.
        OutputError: the page cannot be written.
    """
    page = render(build_page(results, list(drawings)))
    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, page.encode())
    return out


def build_page(results: Results, drawings: Sequence[Drawing]) -> Page:
    """Gather every number, text and picture of the page.

    Raises:
        InputError: the author's text, or a file next to the tables, cannot be read.
    """
    manifest, file = results.manifest, results.file(TEXT)
    sections = sections_of(results) or [_records(results)]
    name = results.name or str(results.plan.get("zoo") or "")
    figures = figures_for(results)
    return Page(
        kind=KINDS.get(results.kind, results.kind),
        name=name,
        title=results.title or name or KINDS.get(results.kind, results.kind),
        question=results.question,
        source=results.source,
        created=moment(manifest.created or (manifest.runs[0].created if manifest.runs else "")),
        ok=len(results.ok),
        not_ok=len(results.failures),
        text=None if file is None else read_text(file, manifest.plan_hash),
        key_numbers=tuple(number for section in sections for number in section.key_numbers),
        sentences=tuple(sentence for section in sections for sentence in section.sentences),
        groups=_groups(drawings, sections),
        failures=tuple(failures(results)),
        left_out=tuple(Fact(figures[key].title, reason) for key, reason in not_drawn(results).items()),
        terms=tuple(terms(term for section in sections for term in section.terms)),
        provenance=provenance(manifest),
        plan_hash=manifest.plan_hash,
    )


def render(page: Page) -> str:
    """Fill the template; everything is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(page=page)


def picture(drawing: Drawing) -> Picture:
    """Return a drawing as the page embeds it."""
    width, height = (round(PIXELS_PER_INCH * float(side)) for side in drawing.canvas.get_size_inches())
    image = data_uri("image/svg+xml", drawing.svg())
    return Picture(drawing.name, drawing.title, drawing.caption, image, width, height, csv_uri(drawing.table))


def _groups(drawings: Sequence[Drawing], sections: Sequence[Section]) -> tuple[Group, ...]:
    found = (
        Group(
            name,
            title,
            tuple(picture(drawing) for drawing in drawings if drawing.group == name),
            tuple(section for section in sections if section.group == name),
        )
        for name, title in GROUPS.items()
    )
    return tuple(group for group in found if group.pictures or group.sections)


def _records(results: Results) -> Section:
    """Return what can be said of a kind of study that no section is for, or of one that has no numbers yet."""
    tables = (records_table(results),) if len(results.records) else ()
    return Section(name="records-section", title="Tasks", group=next(iter(GROUPS)), tables=tables)
