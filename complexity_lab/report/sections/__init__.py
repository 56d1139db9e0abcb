"""What each kind of study adds to its page: every module here that names ``SECTIONS`` is found by itself."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from complexity_lab.report.section import Section, Sections
from complexity_lab.statistics.results import Results


@cache
def all_sections() -> tuple[Sections[Any], ...]:
    """Return what every module adds, in the order of the page."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found: list[Sections[Any]] = [import_module(f"{__name__}.{name}").SECTIONS for name in names]
    return tuple(sorted(found, key=lambda each: each.rank))


def sections_of(results: Results) -> list[Section]:
    """Return the sections of a study; none for a kind that no module is for."""
    return [section for each in all_sections() if results.kind in each.kinds for section in each.build(results)]
