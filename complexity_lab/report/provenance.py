"""What was surveyed and how to do it again, from the manifest."""

import json
from calendar import month_name
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from complexity_lab.errors import InputError

_PLAN_FIRST = ("zoo", "selection", "states", "seeds", "metrics")


@dataclass(frozen=True)
class Fact:
    """A name and what it is, both as text."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The manifest of a survey as text."""

    zoo: str
    created: str
    command: str | None  # None if the survey was run from Python
    plan: tuple[Fact, ...]
    identity: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    resumed: tuple[str, ...]  # one line per later run under other versions
    machine: tuple[Fact, ...]


def provenance(manifest: dict[str, Any]) -> Provenance:
    """Read a manifest.

    Raises:
        InputError: a key is missing.
    """
    try:
        plan = manifest["plan"]
        named = [key for key in _PLAN_FIRST if key in plan]
        named += [key for key in plan if key not in (*_PLAN_FIRST, "models") and plan[key] is not None]
        return Provenance(
            zoo=str(plan["zoo"]),
            created=moment(str(manifest["created"])),
            command=_command(manifest["command"]),
            plan=(
                *(Fact(key.replace("_", " "), as_text(plan[key])) for key in named),
                Fact("models in the plan", f"{len(plan['models']):,}"),
            ),
            identity=(
                Fact("plan hash", str(manifest["plan_hash"])),
                *(Fact(f"CTM table {name} (SHA-256)", str(digest)) for name, digest in manifest["ctm_sha256"].items()),
            ),
            versions=(
                Fact("complexity-lab", str(manifest["package_version"])),
                *(Fact(str(name), str(version)) for name, version in manifest["versions"].items()),
            ),
            resumed=tuple(_resumed(run, manifest["versions"]) for run in manifest.get("runs") or ()),
            machine=tuple(_machine_fact(str(key), value) for key, value in manifest["machine"].items()),
        )
    except KeyError as error:
        raise InputError(
            f"the manifest lacks {error}, which every survey writes; run the survey again or restore its manifest.json"
        ) from error


def moment(text: str) -> str:
    """Return an ISO time for reading; anything else as it is.

    >>> moment("2026-01-02T03:04:05+00:00"), moment("yesterday")
    ('2 January 2026, 03:04 UTC', 'yesterday')
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time.day} {month_name[time.month]} {time:%Y, %H:%M} {time.tzname() or ''}".strip()


def as_text(value: Any) -> str:
    """Return a value of a plan as a short line.

    >>> as_text([0, 1, 2]), as_text({"sample": 200, "filter": None}), as_text(None)
    ('0, 1, 2', 'sample 200', 'not set')
    """
    if isinstance(value, dict):
        return (
            ", ".join(f"{key.replace('_', ' ')} {as_text(item)}" for key, item in value.items() if item is not None)
            or "everything"
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value) or "none"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return "not set" if value is None else json.dumps(value)


def _command(command: str | None) -> str | None:
    """Return the command line that can be typed again; None where another program called the Python API.

    >>> _command("complexity-lab survey --zoo digits"), _command("my_script.py 3"), _command(None)
    ('complexity-lab survey --zoo digits', None, None)
    """
    return command if command is not None and command.startswith("complexity-lab") else None


def _resumed(run: dict[str, Any], first: dict[str, Any]) -> str:
    """Return a line about a later run: when, by what, and the versions that are not those of the first run.

    >>> run = {"created": "2026-01-02", "versions": {"numpy": "2.4"}, "command": None}
    >>> _resumed(run, {"numpy": "2.3", "zstd": "1"})
    '2 January 2026, 00:00, run from Python: numpy 2.4 (first 2.3), zstd none (first 1)'
    """
    versions = run["versions"]
    changed = [
        f"{name} {versions.get(name) or 'none'} (first {first.get(name) or 'none'})"
        for name in dict.fromkeys([*first, *versions])
        if versions.get(name) != first.get(name)
    ]
    command = _command(run["command"])
    return (
        f"{moment(str(run['created']))}, {command or 'run from Python'}: {', '.join(changed) or 'the first versions'}"
    )


def _machine_fact(key: str, value: Any) -> Fact:
    if key == "memory_bytes" and isinstance(value, (int, float)):
        return Fact("memory", f"{value / 2**30:.1f} GiB")
    return Fact(key.replace("_", " "), as_text(value))
