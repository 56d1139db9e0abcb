"""QuBD rows of one state: a tensor's bit planes as it is read, and their sums over the model.

A tensor that the rules skip, or that holds NaN, is one row that says why. ``qubd`` is the sum over planes and
``qubd_plane0`` the least significant of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.qubd import QuBD, Rules, qubd_rules, total_profile
from complexity_lab.weights.source import NamedTensor

Row = dict[str, Any]
UNIT = "bits"


class PlaneReader:
    """Scores tensors one by one and keeps what the model's rows need."""

    def __init__(self, rules: Rules, tensor_rows: bool) -> None:
        self.rules, self.tensor_rows = rules, tensor_rows
        self.found: list[QuBD] = []
        self.skipped = 0  # values of tensors that the rules leave out
        self.failure: WeightsError | None = None  # why there are no numbers of the model

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Score a tensor of finite values; return its rows, none unless they are wanted."""
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
        return _rows(place, scored.planes, scored.scored, scored.dropped, scored) if self.tensor_rows else []

    def without_score(self, place: Row, status: str, reason: str) -> list[Row]:
        """Return the row that says why a tensor has no planes."""
        row = place | {"metric": "qubd", "unit": UNIT, "status": status, "reason": reason}
        return [row] if self.tensor_rows else []

    def model_rows(self, place: Row, failure: Exception | None) -> list[Row]:
        """Return the rows of the whole model: sums over its tensors, or why there are none."""
        failure = failure or self.failure
        if failure is None and not self.found:
            failure = WeightsError("no tensor is a matrix large enough for these rules")
        if failure is not None:
            return [place | {"metric": "qubd", "unit": UNIT, "status": "failed", "reason": str(failure)}]
        scored = sum(each.scored for each in self.found)
        dropped = sum(each.dropped for each in self.found) + self.skipped
        return _rows(place, total_profile(self.found).tolist(), scored, dropped)


def planes_of(preset: str | None, bits: int | None) -> Rules | None:
    """Return the rules of a preset with so many planes; ``fixed`` if only bits are given, None if neither is.

    Raises:
        UnknownNameError: no such preset.
        InputError: not 1 to 16 bits.
    """
    if preset is None and bits is None:
        return None
    rules = qubd_rules(preset or "fixed")
    if bits is None:
        return rules
    plane_metrics(bits)
    return replace(rules, bits=bits)


def plane_metrics(bits: int) -> tuple[str, ...]:
    """Return the names of the rows: ``qubd``, then a plane each, least significant first.

    Raises:
        InputError: not 1 to 16 bits.
    """
    if not 1 <= bits <= 16:
        raise InputError(f"{bits} bits, wanted 1 to 16")
    return ("qubd", *(f"qubd_plane{plane}" for plane in range(bits)))


def _rows(place: Row, planes: Any, scored: int, dropped: int, tensor: QuBD | None = None) -> list[Row]:
    values = (float(sum(planes)), *planes)
    distinct = (None, *tensor.distinct) if tensor is not None else (None,) * len(values)
    common = place | {"unit": UNIT, "status": "ok", "scored": scored, "dropped": dropped}
    if tensor is not None:
        common |= {"blocks": tensor.blocks}
    return [
        common | {"metric": name, "value": value, "distinct_blocks": seen}
        for name, value, seen in zip(plane_metrics(len(planes)), values, distinct, strict=True)
    ]
