"""What every reader does: it sees each tensor once, in order, and gives the rows of its family of estimators."""

from __future__ import annotations

from typing import Protocol

from complexity_lab.measurement.rows import Target
from complexity_lab.tables.rows import Measurement, Status
from complexity_lab.weights.source import NamedTensor

Rows = list[Measurement]


class RowMaker(Protocol):
    """Makes the rows of one family of estimators, or of one null model."""

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the rows that say why a tensor, or the whole model, has no numbers.

        Of a tensor there are none unless rows of tensors are asked for.
        """
        ...

    def model_rows(self, target: Target) -> Rows:
        """Return the rows of the whole model; the last call."""
        ...


class Reader(RowMaker, Protocol):
    """Reads the values of every tensor."""

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Add a tensor to the whole; return its own rows, none unless rows of tensors are asked for.

        Raises:
            WeightsError: NaN or infinite weights.
            InputError: a dtype that the estimator does not read.
        """
        ...
