"""Fair bits: the most that weights of this number can be expected to score."""

from __future__ import annotations

from functools import partial

from complexity_lab.controls.iid import iid_null_of_counts
from complexity_lab.controls.null import CountNull

NULL = CountNull(
    name="fair",
    label="fair bits",
    description="as many fair bits",
    keeps="size",
    rank=1,
    distribution=partial(iid_null_of_counts, ones_fraction=0.5),
    has_sd=False,
)
