"""QuBD rows of one state: a tensor's bit planes as it is read, and their sums over the model.

A tensor that the rules skip, or that holds NaN, is one row that says why. ``qubd`` is the sum over planes and
``qubd_plane0`` the least significant of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.presets import Preset, preset
from complexity_lab.estimators.qubd import QuBD, Rules, total_profile
from complexity_lab.weights.source import NamedTensor, SkippedTensor

Row = dict[str, Any]
UNIT = "bits"


class PlaneReader:
    """Scores tensors one by one and keeps what the model's rows need."""

    def __init__(self, rules: Rules, tensor_rows: bool, preset: Preset | None = None) -> None:
        self.rules, self.tensor_rows = rules, tensor_rows
        self.made_by = marks(preset)
        self.found: list[QuBD] = []
        self.skipped = 0  # values of tensors that the rules leave out
        self.failure: WeightsError | None = None  # why there are no numbers of the model

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Score a tensor of finite values; return its rows, none unless they are wanted.

        Of a parametrized weight that is the tensor the model computes with, as in the published code.
        """
        if isinstance(tensor.computed, SkippedTensor):
            self.skipped += tensor.values.size
            return self.without_score(place, "skipped", tensor.computed.reason)
        tensor = tensor.computed or tensor
        reason = self.rules.why_not(np.shape(tensor.values), tensor.name)
        if reason is not None:
            self.skipped += tensor.values.size
            return self.without_score(place, "skipped", reason)
        try:
            scored = self.rules.score(tensor.values)
        except WeightsError as error:  # such as a range that float32 cannot hold; other metrics do not mind
            self.failure = self.failure or WeightsError(f"tensor {tensor.name}: {error}")
            return self.without_score(place, "failed", str(error))
        self.found.append(scored)
        if not self.tensor_rows:
            return []
        return _rows(place | self.made_by, scored.planes, scored.ones, scored.scored, scored.dropped, scored)

    def without_score(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the row that says why a tensor has no planes."""
        row = place | self.made_by | {"metric": "qubd", "unit": UNIT, "status": status, "reason": reason}
        return [row] if self.tensor_rows else []

    def model_rows(self, place: Row, failure: Exception | None) -> list[Row]:
        """Return the rows of the whole model: sums over its tensors, or why there are none."""
        place = place | self.made_by
        failure = failure or self.failure
        if failure is None and not self.found:
            failure = WeightsError("no tensor is a matrix large enough for these rules")
        if failure is not None:
            return [place | {"metric": "qubd", "unit": UNIT, "status": "failed", "reason": str(failure)}]
        scored = sum(each.scored for each in self.found)
        dropped = sum(each.dropped for each in self.found) + self.skipped
        ones = np.sum([each.ones for each in self.found], axis=0).tolist()
        return _rows(place, total_profile(self.found).tolist(), ones, scored, dropped)


def marks(chosen: Preset | None) -> Row:
    """Return the columns that say by which rules a number was made, and where they differ from the publication."""
    return {"preset": chosen.name, "departures": chosen.departures} if chosen is not None else {}


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
    plane_metrics(bits)
    if chosen.rules is None:
        raise InputError(f"{bits} bits and preset {chosen.name}, which has no bit planes; leave one of them out")
    if bits == chosen.rules.bits:
        return chosen
    departures = f"{bits} planes instead of {chosen.rules.bits}; {chosen.departures}"
    return replace(chosen, rules=replace(chosen.rules, bits=bits), departures=departures)


def metrics_of(metrics: Sequence[str] | None, chosen: Preset | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the metrics to measure: those asked for, else the preset's own, else the default.

    Raises:
        InputError: metrics beside a preset that names them itself.
    """
    own = None if chosen is None else chosen.metrics
    if own is None:
        return default if metrics is None else tuple(metrics)
    if metrics is not None and tuple(metrics) != own:
        raise InputError(f"metrics {', '.join(metrics)} and a preset that has {', '.join(own)}; leave one of them out")
    return own


def plane_metrics(bits: int) -> tuple[str, ...]:
    """Return the names of the rows: ``qubd``, then a plane each, least significant first.

    Raises:
        InputError: not 1 to 16 bits.
    """
    if not 1 <= bits <= 16:
        raise InputError(f"{bits} bits, wanted 1 to 16")
    return ("qubd", *(f"qubd_plane{plane}" for plane in range(bits)))


def _rows(
    place: Row, planes: Sequence[float], ones: Sequence[int], scored: int, dropped: int, tensor: QuBD | None = None
) -> list[Row]:
    values = (float(sum(planes)), *planes)
    distinct = (None, *tensor.distinct) if tensor is not None else (None,) * len(values)
    common = place | {"unit": UNIT, "status": "ok", "scored": scored, "dropped": dropped}
    if tensor is not None:
        common |= {"blocks": tensor.blocks}
    return [
        common | {"metric": name, "value": value, "distinct_blocks": seen, "ones": one}
        for name, value, seen, one in zip(plane_metrics(len(planes)), values, distinct, (None, *ones), strict=True)
    ]
