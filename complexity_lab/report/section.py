"""What a part of the page holds; modules of ``report.sections`` make these from results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from complexity_lab.report.table import SortableTable
from complexity_lab.statistics.results import Results

R = TypeVar("R", bound=Results)


@dataclass(frozen=True)
class KeyNumber:
    """A number at the top of the page, with what it is, and what it is out of."""

    label: str
    value: str
    of: str = ""


@dataclass(frozen=True)
class Fact:
    """A name and what it is, both as text."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Numbers about one matter.

    Attributes:
        name: id of the element.
        title: heading.
        group: key of ``figures.figure.GROUPS``: where on the page.
        note: how to read it, whatever the numbers are.
        sentences: numbers in sentences whose words never depend on them.
        facts: names and texts.
        tables: in their order.
        key_numbers: for the top of the page.
        terms: keys of ``glossary.TERMS`` that a reader needs.
    """

    name: str
    title: str
    group: str
    note: str = ""
    sentences: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    tables: tuple[SortableTable, ...] = ()
    key_numbers: tuple[KeyNumber, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sections(Generic[R]):
    """What one module adds to pages: it names this ``SECTIONS``.

    Attributes:
        kinds: of studies.
        build: sections of results; none where they have nothing of the sort.
        rank: the lower, the earlier within a group.
    """

    kinds: tuple[str, ...]
    build: Callable[[R], list[Section]]
    rank: int = 100
