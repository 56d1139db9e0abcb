"""What is noted of a run: its epochs, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from complexity_lab.tables.rows import Measurement


@dataclass(frozen=True)
class EpochRecord:
    """One epoch. What was not measured is None.

    Attributes:
        epoch: 0 is before training and has validation and measurements only.
        learning_rate: during the epoch.
        validation_loss: mean cross entropy of the validation examples, nats.
        validation_accuracy: fraction of them.
        train_loss: unweighted mean over the batches, nats, while training.
        train_accuracy: fraction of the training examples, while training.
        distortion: sum of squared changes of the epoch's last projection, where weights are projected.
        num_changed_weights: weights that it changed.
        used_motifs: motifs that it gave to at least one block.
        distinct_motifs: motifs of different values among those it chose.
        projections: in this epoch.
        seconds_training: wall-clock time of the epoch without validation and probe, projections included.
        seconds_projection: of which projections.
        measurements: rows of the raw weights, without a step.
    """

    epoch: int
    learning_rate: float
    validation_loss: float
    validation_accuracy: float
    train_loss: float | None = None
    train_accuracy: float | None = None
    distortion: float | None = None
    num_changed_weights: int | None = None
    used_motifs: int | None = None
    distinct_motifs: int | None = None
    projections: int = 0
    seconds_training: float = 0.0
    seconds_projection: float = 0.0
    measurements: Sequence[Measurement] = ()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> EpochRecord:
        """Return the record that ``dataclasses.asdict`` made plain."""
        rows = tuple(Measurement(**row) for row in stored["measurements"])
        return cls(**{**stored, "measurements": rows})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        epochs: records from epoch 0 on.
        best_epoch: of the lowest validation loss, the first one where several are equal.
        stopped_early: whether patience ran out.
        test_accuracy_best: fraction of the test examples, with the weights of the best epoch.
        test_accuracy_final: the same with the last weights.
        test_loss_final: mean cross entropy, nats.
        parameters: trainable.
        seconds: wall-clock time of all epochs, interruptions left out.
    """

    epochs: list[EpochRecord]
    best_epoch: int
    stopped_early: bool
    test_accuracy_best: float
    test_accuracy_final: float
    test_loss_final: float
    parameters: int
    seconds: float
