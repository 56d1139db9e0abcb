"""The record that a task of a study is finished: what it was done for, and what its parts are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from complexity_lab.tables.rows import Status


@dataclass(frozen=True)
class Part:
    """What the rows of a task in one table are: how many, and the SHA-256 of the file."""

    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The record that a task is finished.

    Attributes:
        task: its key.
        plan_hash: of the plan it was done for.
        directory_id: of the directory it was done for; one made anew has another.
        parts: by table; one of them holds the record of the task.
        status: ok or failed.
        error: why it failed, in one sentence.
        seconds: wall time.
        inputs: identities of the files that were measured, see ``study.identity``.

    In a file it ends with its own SHA-256, so that a record somebody edited is none.
    """

    task: str
    plan_hash: str
    directory_id: str
    parts: Mapping[str, Part]
    status: str = "ok"
    error: str | None = None
    seconds: float = 0.0
    inputs: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def read(cls, path: Path) -> Commit | None:
        """Return the record in a file; None if it is damaged or somebody edited it into something else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("sha256") != _digest(found):
                return None
            parts = {str(table): Part(int(part["rows"]), str(part["sha256"])) for table, part in found["parts"].items()}
            commit = cls(**{**found, "parts": parts})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return commit if commit._is_sound() else None

    def to_json(self) -> bytes:
        """Return the content of its file."""
        content = asdict(self)
        return json.dumps(content | {"sha256": _digest(content)}).encode()

    def _is_sound(self) -> bool:
        return (
            all(isinstance(text, str) for text in (self.task, self.plan_hash, self.directory_id))
            and bool(self.parts)
            and self.status in get_args(Status)
            and isinstance(self.seconds, (int, float))
            and isinstance(self.inputs, list)
            and all(isinstance(each, dict) for each in self.inputs)
        )


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def part_stem(task: str) -> str:
    """Return the name of a task's files without suffix: readable, safe on every file system, unique."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", task)[:80].strip(".")
    return f"{readable}-{hashlib.sha256(task.encode()).hexdigest()}"
