"""Named presets of a whole measurement: the rules of a publication, or ours, with every known departure."""

from __future__ import annotations

from dataclasses import dataclass

from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.estimators.qubd import QUBD_PRESETS, Rules


@dataclass(frozen=True)
class Preset:
    """How numbers are made: metrics, rules of the bit planes, and what differs from the publication."""

    name: str
    metrics: tuple[str, ...] | None
    rules: Rules | None
    departures: str
    source: str


PRESETS: dict[str, Preset] = {
    "qubd-paper": Preset("qubd-paper", None, QUBD_PRESETS["qubd-paper"], "exact quantiles", "arXiv 2605.15551"),
    "fixed": Preset("fixed", None, QUBD_PRESETS["fixed"], "borders and every tensor scored", "arXiv 2605.15551"),
    "momos-paper": Preset(
        "momos-paper",
        ("bdm", "gzip:bits-bytes", "bz2:bits-bytes", "lzma:bits-bytes"),
        None,
        "none known",
        "arXiv 2602.14896",
    ),
}


def preset(name: str) -> Preset:
    """Return a preset by name."""
    if name not in PRESETS:
        hint = nearest_names(name, tuple(PRESETS)) or f"; there are {', '.join(PRESETS)}"
        raise UnknownNameError(f"unknown preset {name!r}{hint}")
    return PRESETS[name]
