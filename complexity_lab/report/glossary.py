"""What the words of a page mean, from ``glossary.toml``; sections say which of them they use."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from complexity_lab.report.section import Fact


@cache
def glossary() -> dict[str, Fact]:
    """Return every term by key, in its order."""
    found = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {key: Fact(term["name"], term["text"]) for key, term in found.items()}


def terms(keys: Iterable[str]) -> list[Fact]:
    """Return terms once each, in the order of the glossary.

    Raises:
        KeyError: there is no such term.

    >>> [each.name for each in terms(["ratio", "bdm", "ratio"])]
    ['BDM', 'Ratio']
    """
    wanted, known = set(keys), glossary()
    if wanted - known.keys():
        raise KeyError(f"no term {', '.join(sorted(wanted - known.keys()))} in the glossary")
    return [fact for key, fact in known.items() if key in wanted]
