"""The kinds of studies by name: the modules of ``kinds``, each with a ``KIND``, and what is registered beside them."""

from __future__ import annotations

import pkgutil
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


def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds of studies; none is imported."""
    own = (each.name for each in pkgutil.iter_modules(kinds.__path__))
    return tuple(dict.fromkeys((*own, *_REGISTERED)))


def kind_named(name: str) -> Kind[Any]:
    """Return a kind of study by name.

    Raises:
        UnknownNameError: there is none of this name here; the message says what to install, or suggests the nearest.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    known = kind_names()
    if name in known:
        own: Kind[Any] = import_module(f"{kinds.__name__}.{name}").KIND
        return own
    hint = nearest_names(name, known) or f"; there are {', '.join(known)}"
    way_out = EXTRAS.get(name, "install the package or the newer complexity-lab that has it")
    raise UnknownNameError(f"no kind of study is called {name!r} here{hint}; {way_out}")
