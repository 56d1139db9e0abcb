"""What the directory of a study records about its origin: everything that a reader needs, nothing to be guessed."""

from __future__ import annotations

import shlex
import sys
import uuid
from pathlib import Path
from typing import Any

from complexity_lab.estimators.ctm import SOURCES, TABLE_SHA256
from complexity_lab.study.plan import Plan
from complexity_lab.tables.directory import FORMAT
from complexity_lab.tables.provenance import machine, now, versions


def new_manifest(plan: Plan) -> dict[str, Any]:
    """Return the manifest of a plan that is run for the first time; ``runs`` grows with every later run."""
    return {
        "format": FORMAT,
        "kind": plan.kind,
        "name": plan.name,
        "title": plan.title,
        "question": plan.question,
        "source": plan.source,
        "figures": list(plan.figures),
        "plan": plan.as_dict(),
        "plan_hash": plan.hash,
        "directory_id": uuid.uuid4().hex,
        "created": now(),
        "ctm_sha256": {"tables": TABLE_SHA256, **SOURCES},
        "machine": machine(),
        "runs": [{"created": now(), "versions": versions(), "command": command_line()}],
    }


def command_line() -> str | None:
    """Return the command that asked for this, ready to be typed again; None for the Python API."""
    program = Path(sys.argv[0])
    if program.name != "complexity-lab" and program.parent.name != "complexity_lab":
        return None
    return shlex.join(["complexity-lab", *sys.argv[1:]])
