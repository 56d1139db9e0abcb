"""The registry of null models: every file of ``controls/nulls`` is one, found by itself."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module

from complexity_lab.controls import nulls
from complexity_lab.controls.null import NullModel
from complexity_lab.errors import UnknownNameError, nearest_names

ALL = "all"  # asks for every null model that is drawn only if it is asked for


@cache
def null_models() -> dict[str, NullModel]:
    """Return all null models by name, in the order of their ranks."""
    names = sorted(module.name for module in pkgutil.iter_modules(nulls.__path__))
    found: list[NullModel] = [import_module(f"{nulls.__name__}.{name}").NULL for name in names]
    return {null.name: null for null in sorted(found, key=lambda null: null.rank)}


def opt_in_names() -> tuple[str, ...]:
    """Return the names of the null models that are drawn only if they are asked for, in order."""
    return tuple(null.name for null in null_models().values() if null.opt_in)


def checked_controls(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of null models that can be asked for, in their order and each once; ``all`` names all of them.

    Raises:
        UnknownNameError: there is no such null model to ask for.

    >>> checked_controls(["gaussian", "shuffle", "gaussian"])
    ('shuffle', 'gaussian')
    """
    names, known = tuple(names), opt_in_names()
    for name in names:
        if name not in (*known, ALL):
            hint = nearest_names(name, (*known, ALL)) or f"; there are {', '.join((*known, ALL))}"
            raise UnknownNameError(f"unknown control {name!r}{hint}")
    return tuple(name for name in known if name in names or ALL in names)
