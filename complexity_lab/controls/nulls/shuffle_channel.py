"""The values of every output channel in random order: its share of ones stays."""

from __future__ import annotations

from functools import partial

from complexity_lab.controls.null import TensorNull
from complexity_lab.controls.shuffle import ShuffleNull

NULL = TensorNull(
    name="shuffle_channel",
    label="shuffled in channels",
    description="values permuted within each output channel",
    keeps="channel",
    rank=11,
    bits=partial(ShuffleNull, "channel"),
    no_planes="only sign bits are shuffled within channels and rows",
)
