"""The registry of figures: every module in a subfolder of ``figures`` that names a FIGURE or FIGURES.

Importing this is light; figures, and with them matplotlib, are imported when they are asked for.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from complexity_lab import figures
from complexity_lab.figures.figure import GROUPS, Figure

if TYPE_CHECKING:
    from complexity_lab.statistics.results import Results

AnyFigure = Figure[Any]
"""A figure of whatever results it is for; ``kinds`` says which."""


@cache
def all_figures() -> dict[str, AnyFigure]:
    """Return every figure by name, in the order of a report: by group, rank and name.

    Raises:
        ValueError: two figures have one name, or a group has no heading.
    """
    found = [figure for module in _modules() for figure in _figures_in(module)]
    groups = list(GROUPS)
    ordered = sorted(found, key=lambda figure: (groups.index(figure.group), figure.rank, figure.name))
    named = {figure.name: figure for figure in ordered}
    if len(named) < len(ordered):
        names = [figure.name for figure in ordered]
        raise ValueError(f"figures share names: {sorted(name for name in named if names.count(name) > 1)}")
    return named


def figures_of(kind: str) -> dict[str, AnyFigure]:
    """Return the figures of a kind of study, by name, in the order of a report."""
    return {name: figure for name, figure in all_figures().items() if kind in figure.kinds}


def figures_for(results: Results) -> dict[str, AnyFigure]:
    """Return the figures of the kind that results are of; what does not apply to them is among these."""
    return figures_of(results.kind)


def _modules() -> list[ModuleType]:
    folders = [
        import_module(f"{figures.__name__}.{it.name}") for it in pkgutil.iter_modules(figures.__path__) if it.ispkg
    ]
    return [
        import_module(f"{folder.__name__}.{it.name}")
        for folder in folders
        for it in pkgutil.iter_modules(folder.__path__)
    ]


def _figures_in(module: ModuleType) -> list[AnyFigure]:
    one, several = getattr(module, "FIGURE", None), getattr(module, "FIGURES", ())
    return [*([one] if one is not None else []), *several]
