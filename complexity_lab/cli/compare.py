"""``complexity-lab compare``: two sources of weights, layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer


def compare_cli(
    a: Annotated[str, typer.Argument(help="Weights before: file, directory, timm name, ZOO:NAME or hub repository.")],
    b: Annotated[str, typer.Argument(help="Weights after: the same kinds of source.")],
) -> None:
    """Compare the complexity of two sets of weights, layer by layer."""
    raise NotImplementedError
