"""The values of every line along the last axis in random order: its share of ones stays."""

from __future__ import annotations

from functools import partial

from complexity_lab.controls.null import TensorNull
from complexity_lab.controls.shuffle import ShuffleNull

NULL = TensorNull(
    name="shuffle_row",
    label="shuffled in rows",
    description="values permuted within each line along the last axis",
    keeps="row",
    rank=12,
    bits=partial(ShuffleNull, "row"),
    no_planes="only sign bits are shuffled within channels and rows",
)
