"""``complexity-lab suggest``: bits per layer from the planes of a model, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def suggest_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
) -> None:
    """Suggest bits per layer from the bit planes of a model."""
    raise NotImplementedError


def run_quantization_study(file: Path, out: Path, jobs: int | None, retry_failed: bool) -> int:
    """Run a study file with a ``[quantization]`` section; return the exit code."""
    raise NotImplementedError
