"""``complexity-lab series``: complexity over a series of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def series_cli(
    source: Annotated[str, typer.Argument(help="Directory of step-N checkpoints, or a hub repository with revisions.")],
) -> None:
    """Measure a series of checkpoints over training."""
    raise NotImplementedError


def run_trajectory_study(file: Path, out: Path, jobs: int | None, retry_failed: bool) -> int:
    """Run a study file with a ``[trajectory]`` section; return the exit code."""
    raise NotImplementedError
