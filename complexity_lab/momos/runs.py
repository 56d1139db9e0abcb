"""A run of a method as values: what decides it, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from complexity_lab.errors import InputError
from complexity_lab.momos.method import Method
from complexity_lab.training.recipe import Precision, Recipe
from complexity_lab.training.records import EpochRecord, Outcome

ELSEWHERE = ("device", "data_dir")  # where a run happens, not what it is


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that decides a run.

    Attributes:
        model: name of the network, see ``networks``.
        dataset: name of the images, see ``training.datasets``.
        method: what is done to the weights.
        recipe: hyper-parameters.
        seed: of initialization, order of images, augmentation, motifs and dropout; 0 or above.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: of the forward pass; weights stay float32.
        compile: run the network through ``torch.compile``.
        data_dir: where torchvision's files lie.
        validation: share of the training images held out; the data set's own if None.

    Raises:
        InputError: unknown precision, a negative seed, or a recipe in steps.
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
        if self.recipe.epochs is None:
            raise InputError(f"a recipe of {self.recipe.steps} steps; a run is saved after epochs, so give epochs")

    @property
    def key(self) -> str:
        """A name for the run's directory and rows."""
        return f"{self.dataset}-{self.model}-{self.method.name}-{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides the weights, as JSON types; where the run happens is not part of it."""
        decisive = {key: value for key, value in asdict(self).items() if key not in ELSEWHERE}
        found: dict[str, Any] = json.loads(json.dumps(decisive | {"recipe": self.recipe.as_dict()}))
        return found


@dataclass(frozen=True, kw_only=True)
class RunResult(Outcome):
    """A finished run.

    Attributes:
        config: what was trained.
        blocks: m; None without motifs.
        k: motifs; None without.
        rac: relative algorithmic compression; of quantization 32 / bits, of the baseline 1.
    """

    config: RunConfig
    blocks: int | None
    k: int | None
    rac: float

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return asdict(self) | {"config": self.config.as_dict()}

    @classmethod
    def from_dict(cls, config: RunConfig, stored: Mapping[str, Any]) -> RunResult:
        """Return the result that ``as_dict`` made for a configuration."""
        epochs = [EpochRecord.from_dict(epoch) for epoch in stored["epochs"]]
        rest = {key: value for key, value in stored.items() if key not in ("config", "epochs")}
        return cls(config=config, epochs=epochs, **rest)
