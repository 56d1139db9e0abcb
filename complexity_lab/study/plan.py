"""What a study will do, decided before anything is done: a pure value with a hash, read from a TOML file or made here.

A study file has ``title``, ``question``, ``source`` and ``figures``, and one section named like its kind (``kind`` may
name it too). ``NAME.md`` beside ``NAME.toml`` is what its author wrote about the results.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from complexity_lab.errors import InputError, nearest_names
from complexity_lab.study.kind import Kind, Spec
from complexity_lab.study.registry import kind_named, kind_names


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study: its kind and spec decide the rows, the rest is for readers.

    Attributes:
        kind: name of the kind of study.
        spec: what it does.
        name: of the study file, without suffix; empty where there is none.
        title: one line.
        question: one sentence.
        source: publication it follows.
        figures: names of the figures to draw; all that apply if empty.
        text: what the author wrote about the results, Markdown; empty if nothing.
    """

    kind: str
    spec: Spec
    name: str = ""
    title: str = ""
    question: str = ""
    source: str = ""
    figures: tuple[str, ...] = ()
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return all that decides the rows, as JSON types."""
        found: dict[str, Any] = json.loads(json.dumps(self.spec.decisive()))
        return found

    @property
    def hash(self) -> str:
        """A short hash of the kind and of all that decides the rows."""
        text = json.dumps({"kind": self.kind, **self.as_dict()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def plugin(self) -> Kind[Any]:
        """The kind of study itself."""
        return kind_named(self.kind)

    def with_spec(self, **changes: Any) -> Plan:
        """Return the plan with some choices of its spec replaced; they are checked as if read.

        Raises:
            InputError: this kind has no such choice, or a value is not allowed.
        """
        unknown = [name for name in changes if name not in type(self.spec).model_fields]
        if unknown:
            raise InputError(f"a {self.kind} has no {unknown[0]}; leave --{unknown[0].replace('_', '-')} out")
        given = {name: getattr(self.spec, name) for name in type(self.spec).model_fields}
        return replace(self, spec=checked(type(self.spec), {**given, **changes}, f"the {self.kind}"))


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    title: str
    question: str
    source: str = ""
    figures: tuple[str, ...] = ()
    kind: str | None = None


def read_study(path: Path) -> Plan:
    """Read and check a study file.

    Raises:
        InputError: no such file, no TOML, or a key that is unknown (the nearest is named), missing or of a wrong type.
        UnknownNameError: its kind is not known here.
    """
    content = _toml(path)
    header = checked(_Header, content, str(path))
    sections = {key: value for key, value in content.items() if key not in _Header.model_fields}
    kind = _kind_of(header, sections, path)
    section = sections.pop(kind.name, {})
    if sections or not isinstance(section, dict):
        raise InputError(_unknown(next(iter(sections), kind.name), (*_Header.model_fields, kind.name), str(path)))
    try:
        spec = kind.spec(section, path.parent)
    except ValidationError as error:
        raise InputError(f"{path} is not a study: {problems(error, f'[{kind.name}]')}") from None
    text = path.with_suffix(".md")
    return Plan(
        kind=kind.name,
        spec=spec,
        name=path.stem,
        title=header.title,
        question=header.question,
        source=header.source,
        figures=header.figures,
        text=text.read_text(encoding="utf-8") if text.is_file() else "",
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; wanted a study file such as studies/digits.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from None


def _kind_of(header: _Header, sections: Mapping[str, Any], path: Path) -> Kind[Any]:
    named = [name for name, value in sections.items() if isinstance(value, dict)]
    if header.kind is not None:
        return kind_named(header.kind)
    if len(named) == 1:
        return kind_named(named[0])
    found = ", ".join(f"[{name}]" for name in named) or "none"
    raise InputError(
        f"{path} has the sections {found}, wanted one of {', '.join(f'[{name}]' for name in kind_names())}"
    )


def checked(model: type[Any], values: Mapping[str, Any], what: str) -> Any:
    """Return a pydantic model of these values; what is wrong with them is one sentence.

    Raises:
        InputError: a key is unknown, missing, or its value not allowed.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"{what} cannot be planned: {problems(error)}") from None


def problems(error: ValidationError, section: str = "") -> str:
    """Return what pydantic found, in one line: where and what; an unknown key comes with the nearest known one."""
    found = []
    for item in error.errors():
        where = ".".join(map(str, (*((section,) if section else ()), *item["loc"])))
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _keys_at(error, item["loc"])
            text = f"unknown key{nearest_names(str(item['loc'][-1]), known)}"
        found.append(f"{where}: {text}" if where else text)
    return "; ".join(found)


def _keys_at(error: ValidationError, location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys that are known where an unknown one was found, so far as the model's name tells."""
    models = {model.__name__: model for model in _models(Spec)}
    model: Any = models.get(error.title)
    for name in location[:-1]:
        fields = getattr(model, "model_fields", {})
        model = getattr(fields.get(name), "annotation", None) if isinstance(name, str) else model
    return tuple(getattr(model, "model_fields", ()))


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [model, *(each for child in model.__subclasses__() for each in _models(child))]


def _unknown(key: str, known: tuple[str, ...], what: str) -> str:
    return f"{what} has an unknown key {key!r}{nearest_names(key, known)}; wanted {', '.join(known)}"
