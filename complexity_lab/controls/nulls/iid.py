"""Independent bits with the observed share of ones."""

from __future__ import annotations

from complexity_lab.controls.iid import iid_null_of_counts
from complexity_lab.controls.null import CountNull

NULL = CountNull(
    name="iid",
    label="independent bits",
    description="independent bits with the observed share of ones",
    keeps="model",
    rank=0,
    distribution=iid_null_of_counts,
)
