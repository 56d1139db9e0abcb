"""Independent bits of which 45 % are ones: what a bias of this size is worth at this number of weights."""

from __future__ import annotations

from functools import partial

from complexity_lab.controls.iid import iid_null_of_counts
from complexity_lab.controls.null import CountNull

NULL = CountNull(
    name="share_45",
    label="45 % ones",
    description="as many independent bits, 45 % of them ones",
    keeps="size",
    rank=2,
    distribution=partial(iid_null_of_counts, ones_fraction=0.45),
    has_sd=False,
)
