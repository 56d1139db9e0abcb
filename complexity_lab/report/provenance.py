"""What was done and how to do it again, from the manifest."""

from __future__ import annotations

import json
from calendar import month_name
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from complexity_lab.report.section import Fact
from complexity_lab.statistics.manifest import Manifest, RunRecord

_LONGEST = 12  # values of a list that are written out


@dataclass(frozen=True)
class RunFacts:
    """One run of the command."""

    created: str
    command: str  # empty if it was called from Python
    versions: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The manifest of a study as text."""

    plan: tuple[Fact, ...]
    runs: tuple[RunFacts, ...]
    identity: tuple[Fact, ...]
    machine: tuple[Fact, ...]


def provenance(manifest: Manifest) -> Provenance:
    """Turn a manifest into text."""
    return Provenance(
        plan=tuple(Fact(words(key), as_text(value)) for key, value in manifest.plan.items() if value is not None),
        runs=tuple(_run(run) for run in manifest.runs),
        identity=(
            Fact("plan hash (SHA-256)", manifest.plan_hash),
            *(Fact(f"CTM table {name} (SHA-256)", str(digest)) for name, digest in manifest.ctm_sha256.items()),
        ),
        machine=tuple(_machine_fact(str(key), value) for key, value in manifest.machine.items()),
    )


def words(key: str) -> str:
    """Return a key as words.

    >>> words("max_parameters")
    'max parameters'
    """
    return key.replace("_", " ")


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
    """Return a value of a plan as a short line; of long lists the number and the ends.

    >>> as_text([0, 1, 2]), as_text({"sample": 200, "filter": None}), as_text(None), as_text(list(range(99)))
    ('0, 1, 2', 'sample 200', 'not set', '99: 0, ..., 98')
    """
    if isinstance(value, dict):
        parts = [f"{words(str(key))} {as_text(item)}" for key, item in value.items() if item is not None]
        return ", ".join(parts) or "everything"
    if isinstance(value, (list, tuple)):
        if len(value) > _LONGEST:
            return f"{len(value):,}: {as_text(value[0])}, ..., {as_text(value[-1])}"
        apart = "; " if any(isinstance(item, (dict, list, tuple)) for item in value) else ", "
        return apart.join(as_text(item) for item in value) or "none"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return "not set" if value is None else json.dumps(value)


def _run(run: RunRecord) -> RunFacts:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return RunFacts(moment(run.created), run.command or "", versions)


def _machine_fact(key: str, value: Any) -> Fact:
    if key == "memory_bytes" and isinstance(value, (int, float)):
        return Fact("memory", f"{value / 2**30:.1f} GiB")
    return Fact(words(key), as_text(value))
