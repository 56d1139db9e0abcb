"""The kinds of studies by name: every module of ``kinds`` that has a ``KIND``, and what is registered beside them."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.study import kinds
from complexity_lab.study.kind import Kind

_REGISTERED: dict[str, Kind[Any]] = {}
EXTRAS: dict[str, str] = {}
"""Kinds of other versions or extras, with what to install."""


def register(kind: Kind[Any]) -> None:
    """Add a kind of study from outside the package; one of the same name is replaced."""
    _REGISTERED[kind.name] = kind


def known_kinds() -> dict[str, Kind[Any]]:
    """Return every kind of study by name."""
    return _own_kinds() | _REGISTERED


@cache
def _own_kinds() -> dict[str, Kind[Any]]:
    found = (import_module(f"{kinds.__name__}.{each.name}") for each in pkgutil.iter_modules(kinds.__path__))
    own = [module.KIND for module in found if hasattr(module, "KIND")]
    return {kind.name: kind for kind in own}


def kind_named(name: str) -> Kind[Any]:
    """Return a kind of study by name.

    Raises:
        UnknownNameError: there is none of this name here; the message says what to install, or suggests the nearest.
    """
    known = known_kinds()
    if name in known:
        return known[name]
    hint = nearest_names(name, tuple(known)) or f"; there are {', '.join(known)}"
    way_out = EXTRAS.get(name, "install the package or the newer complexity-lab that has it")
    raise UnknownNameError(f"no kind of study is called {name!r} here{hint}; {way_out}")
