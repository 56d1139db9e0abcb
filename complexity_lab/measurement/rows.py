"""How rows of measurements are made: whose weights, which of their tensors, which quantity, and what entered it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.estimator import QUBD
from complexity_lab.estimators.presets import Preset
from complexity_lab.tables.rows import Measurement, Scope, Statistic, Status
from complexity_lab.weights.order import OrderRule
from complexity_lab.weights.source import NamedTensor, SkippedTensor


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose weights are measured: what all rows of one set of weights share; see ``tables.rows.Measurement``."""

    model: str = ""
    study: str = ""
    state: str | None = None
    seed: int | None = None
    step: int | None = None


class Quantity(NamedTuple):
    """What a number is: a metric of the registry or one of its planes, of the weights or of a null model."""

    metric: str
    unit: str
    plane: int | None = None
    null: str | None = None
    statistic: Statistic = "value"


class Facts(NamedTuple):
    """What entered a number; null where it is not counted."""

    scored: int | None = None
    dropped: int | None = None
    ones: int | None = None
    blocks: int | None = None
    distinct_blocks: int | None = None
    raw_bytes: int | None = None
    compressed_bytes: int | None = None

    @classmethod
    def of_counts(cls, counts: BlockCounts) -> Facts:
        """Return the facts of block counts."""
        return cls(counts.scored, counts.dropped, counts.ones, counts.blocks, counts.distinct)


NOTHING = Facts()


@dataclass(frozen=True, slots=True)
class Target:
    """The whole of some weights, or one of their tensors: it makes the rows about them.

    Rows of bit planes say by which preset they were made; with a preset that has none, every row does.
    """

    subject: Subject
    order: OrderRule | None = None
    made_by: Preset | None = None
    scope: Scope = "model"
    tensor: str | None = None
    kind: str | None = None
    shape: tuple[int, ...] = field(default=(), repr=False)
    note: str | None = None

    def of_tensor(self, tensor: NamedTensor | SkippedTensor) -> Target:
        """Return one tensor of these weights as the target."""
        if isinstance(tensor, SkippedTensor):
            shape, note = tensor.shape, None
        else:
            shape, note = tensor.values.shape, tensor.note or None
        return Target(self.subject, self.order, self.made_by, "tensor", tensor.name, tensor.kind, shape, note)

    def number(self, quantity: Quantity, value: float, facts: Facts = NOTHING) -> Measurement:
        """Return the row of a number."""
        return self._row(quantity, facts, value, "ok", None)

    def missing(self, quantity: Quantity, status: Status, reason: str, facts: Facts = NOTHING) -> Measurement:
        """Return the row that says why there is no number."""
        return self._row(quantity, facts, None, status, reason)

    def _row(
        self, quantity: Quantity, facts: Facts, value: float | None, status: Status, reason: str | None
    ) -> Measurement:
        made_by = self.made_by
        if made_by is not None and made_by.rules is not None and quantity.metric != QUBD.name:
            made_by = None
        return Measurement(
            study=self.subject.study,
            model=self.subject.model,
            state=self.subject.state,
            seed=self.subject.seed,
            step=self.subject.step,
            scope=self.scope,
            tensor=self.tensor,
            kind=self.kind,
            shape=shape_name(self.shape) if self.scope == "tensor" else None,
            metric=quantity.metric,
            plane=quantity.plane,
            null=quantity.null,
            statistic=quantity.statistic,
            value=value,
            unit=quantity.unit,
            scored=facts.scored,
            dropped=facts.dropped,
            ones=facts.ones,
            blocks=facts.blocks,
            distinct_blocks=facts.distinct_blocks,
            raw_bytes=facts.raw_bytes,
            compressed_bytes=facts.compressed_bytes,
            preset=None if made_by is None else made_by.name,
            departures=None if made_by is None else made_by.departures,
            note=self.note,
            order=self.order,
            status=status,
            reason=reason,
        )
