"""What a file of weights says in its metadata of how they were trained.

``bits``; ``s`` and ``padding``, or ``tile``, of a mosaic; ``rounded``, the names of the weights that are stored exactly
and that the network saw rounded to ``bits`` bits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import get_args

import torch
from torch import Tensor

from complexity_lab.errors import InputError
from complexity_lab.momos.blocks import Padding
from complexity_lab.momos.codebook import Cut
from complexity_lab.momos.method import Method
from complexity_lab.momos.qat import FakeQuantization


def notes_of(method: Method, rounded: Sequence[str] = ()) -> dict[str, str]:
    """Return what a file of weights says of how they were trained.

    Args:
        method: of the training.
        rounded: names of the weights that are stored exactly and that the network saw rounded.

    Example:
        >>> notes_of(Method(tile=(2, 3), capacity=0.01))
        {'bits': '32', 'tile': '2x3'}
    """
    notes = {"bits": str(method.bits)}
    if method.tile is not None:
        notes["tile"] = f"{method.tile[0]}x{method.tile[1]}"
    elif method.s is not None:
        notes |= {"s": str(method.s), "padding": method.padding}
    return notes | ({"rounded": json.dumps(list(rounded))} if rounded else {})


def cut_of(notes: Mapping[str, str]) -> Cut | None:
    """Return how blocks were cut in training; None if the notes, which may be another program's, do not say.

    >>> cut_of({"bits": "32", "s": "6", "padding": "vector"})
    Cut(s=6, padding='vector', tile=None)
    """
    tile = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", notes.get("tile", ""))
    if tile:
        rows, columns = int(tile[1]), int(tile[2])
        return Cut(rows * columns, tile=(rows, columns))
    size, padding = re.fullmatch(r"[1-9]\d*", notes.get("s", "")), notes.get("padding")
    return next((Cut(int(size[0]), rule) for rule in get_args(Padding) if size and rule == padding), None)


@torch.no_grad()
def bake_noted(state: Mapping[str, Tensor], notes: Mapping[str, str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Round the weights that notes name as ``rounded``: then any program that loads them has the network of the tests.

    Returns:
        The weights, and the notes with ``baked`` instead of ``rounded``; both as they were if nothing is to be rounded.

    Raises:
        InputError: the notes name a weight that is not there, or are damaged.
    """
    if "rounded" not in notes:
        return dict(state), dict(notes)
    try:
        names, rounding = [str(name) for name in json.loads(notes["rounded"])], FakeQuantization(int(notes["bits"]))
        weights = {name: rounding(state[name]) for name in names}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the metadata do not say which weights to round ({error!r}); save the weights again"
        ) from None
    rest = {key: value for key, value in notes.items() if key != "rounded"}
    return {**state, **weights}, rest | {"baked": "true"}
