"""Named presets of a whole measurement: the rules of a publication, or ours, with every known departure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.estimators.qubd import QUBD_PRESETS, Rules


@dataclass(frozen=True)
class Preset:
    """How numbers are made: metrics, rules of the bit planes, and what differs from the publication.

    Attributes:
        name: as on the command line and in tables.
        metrics: names in the registry of estimators; None leaves them to the caller.
        rules: of QuBD; None if no bit planes belong to it.
        departures: readable sentences on how the numbers, as computed here, differ from the publication.
        source: the publication.
    """

    name: str
    metrics: tuple[str, ...] | None
    rules: Rules | None
    departures: str
    source: str


_QUBD = "arXiv 2605.15551"
_EXACT = (
    "Quantiles are exact for any size, with ranks in float64, where the published code computes ranks in float32 and "
    "refuses tensors above 2^24 values."
)
_PAPER = (
    f"{_EXACT} A constant tensor has all planes zero, as the paper defines it, where the published code stops. "
    "A tensor that is skipped or cannot be scored is a row with its reason and adds nothing to the sum, where the "
    "published code adds a score of 0 without saying so."
)
_FIXED = (
    f"{_EXACT} Every tensor of two or more axes is scored, whatever its name, where the paper scores those called "
    "weight. Rows and columns beyond the last complete 4x4 block, and matrices down to a side of 2, are counted in "
    "blocks of 3x3 and 2x2 (recursive boundary), where the paper drops them. A tensor is constant only if its range "
    "cannot be divided, where the paper takes ranges below 1e-8 as constant."
)
_MOMOS = (
    "Weights that are NaN or infinite are an error, where the published program takes them as numbers. Every "
    "floating-point tensor of a file counts as trainable, because files do not say which ones are frozen; buffers of "
    "normalization layers are left out by their names."
)
MOMOS_METRICS = ("bdm", "gzip:bits-bytes", "bz2:bits-bytes", "lzma:bits-bytes")  # one byte per sign bit
_ALL = (
    Preset("qubd-paper", None, QUBD_PRESETS["qubd-paper"], _PAPER, _QUBD),
    Preset("fixed", None, QUBD_PRESETS["fixed"], _FIXED, _QUBD),
    Preset("momos-paper", MOMOS_METRICS, None, _MOMOS, "arXiv 2602.14896"),
)
PRESETS: dict[str, Preset] = {item.name: item for item in _ALL}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        UnknownNameError: there is no such preset; the message suggests the nearest and lists all.
    """
    if name not in PRESETS:
        hint = nearest_names(name, tuple(PRESETS)) or f"; there are {', '.join(PRESETS)}"
        raise UnknownNameError(f"unknown preset {name!r}{hint}")
    return PRESETS[name]


def preset_of(name: str | None, bits: int | None) -> Preset | None:
    """Return a preset by name, with so many planes; ``fixed`` if only bits are given, None if neither is.

    Raises:
        UnknownNameError: no such preset.
        InputError: not 1 to 16 bits, or bits of a preset without planes.
    """
    if name is None and bits is None:
        return None
    chosen = preset(name or "fixed")
    if bits is None:
        return chosen
    if not 1 <= bits <= 16:
        raise InputError(f"{bits} bits, wanted 1 to 16")
    if chosen.rules is None:
        raise InputError(
            f"{counted(bits, 'bit')} and preset {chosen.name}, which has no bit planes; leave one of them out"
        )
    if bits == chosen.rules.bits:
        return chosen
    departures = f"{counted(bits, 'plane')} instead of {chosen.rules.bits}; {chosen.departures}"
    return replace(chosen, rules=replace(chosen.rules, bits=bits), departures=departures)
