"""What a directory says about its study: kind, title, question, plan, and what it was run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of a study's command: it may take several until every task is done."""

    created: str  # ISO 8601, UTC
    versions: Mapping[str, str]  # of python and packages
    command: str | None = None  # None for the Python API


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of a study. ``plan`` is the section of the study file, resolved, as JSON types."""

    kind: str
    name: str = ""
    title: str = ""
    question: str = ""
    source: str = ""
    figures: tuple[str, ...] = ()  # that the study asks for; none: all that apply
    plan: Mapping[str, Any] = field(default_factory=dict)
    plan_hash: str = ""
    created: str = ""  # ISO 8601, UTC
    runs: tuple[RunRecord, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    ctm_sha256: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False  # one file per table instead of parts

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Manifest:
        """Return what ``tables.directory.read_manifest`` found; what the format may leave out keeps its default."""
        texts = {
            key: str(found[key] or "") for key in ("name", "title", "question", "source", "created") if key in found
        }
        return cls(
            kind=str(found["kind"]),
            **texts,
            figures=tuple(found.get("figures") or ()),
            plan=found["plan"],
            plan_hash=str(found["plan_hash"]),
            runs=tuple(
                RunRecord(created=run["created"], versions=run["versions"], command=run.get("command"))
                for run in found["runs"]
            ),
            machine=found.get("machine") or {},
            ctm_sha256=found.get("ctm_sha256") or {},
            published="published" in found,
        )
