"""One training run as values: what decides it, what is noted of each epoch, what it came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from complexity_lab.errors import InputError
from complexity_lab.momos.method import Method
from complexity_lab.momos.recipes import Recipe

Precision = Literal["float32", "bfloat16", "float16"]
ELSEWHERE = ("device", "data_dir")  # where a run happens, not what it is


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that decides a run.

    Attributes:
        model: name of the network, see ``networks``.
        dataset: name of the images, see ``datasets``.
        method: what is done to the weights.
        recipe: hyper-parameters.
        seed: of initialization, order of images, augmentation, motifs and dropout; 0 or above.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: of the forward pass; weights stay float32.
        compile: run the network through ``torch.compile``.
        data_dir: where torchvision's files lie.
        validation: share of the training images held out; the data set's own if None.

    Raises:
        InputError: unknown precision, or a negative seed.
    """

    model: str
    dataset: str
    method: Method
    recipe: Recipe
    seed: int = 0
    device: str = "auto"
    precision: Precision = "float32"
    compile: bool = False
    data_dir: Path | None = None
    validation: float | None = None

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InputError(f"precision {self.precision!r}, wanted one of {', '.join(get_args(Precision))}")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}, wanted 0 or above")

    @property
    def key(self) -> str:
        """A name for the run's directory and rows."""
        return f"{self.dataset}-{self.model}-{self.method.name}-{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides the weights, as JSON types; where the run happens is not part of it."""
        decisive = {key: value for key, value in asdict(self).items() if key not in ELSEWHERE}
        found: dict[str, Any] = json.loads(json.dumps(decisive))
        return found


@dataclass(frozen=True)
class EpochRecord:
    """One epoch. What was not measured is None.

    Attributes:
        epoch: 0 is before training and has validation and metrics only.
        learning_rate: during the epoch.
        validation_loss: mean cross entropy of the validation images, nats.
        validation_accuracy: fraction of them.
        train_loss: unweighted mean over the batches, nats, while training.
        train_accuracy: fraction of the training images, while training.
        distortion: sum of squared changes of the epoch's last projection.
        num_changed_weights: weights that it changed.
        used_motifs: motifs that it gave to at least one block.
        distinct_motifs: motifs of different values among those it chose.
        projections: in this epoch.
        seconds_training: wall-clock time of the epoch without validation and probe, projections included.
        seconds_projection: of which projections.
        metrics: what the probe says of the raw weights.
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
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        config: what was trained.
        epochs: records from epoch 0 on.
        best_epoch: of the lowest validation loss, the first one where several are equal.
        stopped_early: whether patience ran out.
        test_accuracy_best: fraction of the test images, with the weights of the best epoch.
        test_accuracy_final: the same with the last weights.
        test_loss_final: mean cross entropy, nats.
        parameters: trainable.
        blocks: m; None without motifs.
        k: motifs; None without.
        rac: relative algorithmic compression; of quantization 32 / bits, of the baseline 1.
        seconds: wall-clock time of all epochs, interruptions left out.
    """

    config: RunConfig
    epochs: list[EpochRecord]
    best_epoch: int
    stopped_early: bool
    test_accuracy_best: float
    test_accuracy_final: float
    test_loss_final: float
    parameters: int
    blocks: int | None
    k: int | None
    rac: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return asdict(self) | {"config": self.config.as_dict()}

    @classmethod
    def from_dict(cls, config: RunConfig, stored: Mapping[str, Any]) -> RunResult:
        """Return the result that ``as_dict`` made for a configuration."""
        epochs = [EpochRecord(**epoch) for epoch in stored["epochs"]]
        rest = {key: value for key, value in stored.items() if key not in ("config", "epochs")}
        return cls(config=config, epochs=epochs, **rest)
