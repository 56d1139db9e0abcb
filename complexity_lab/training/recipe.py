"""What decides a training besides network, data and seed: values that are readable without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from complexity_lab.errors import InputError

Optimizer = Literal["sgd", "adam", "adamw"]
Decays = Literal["all", "matrices"]
Schedule = Literal["constant", "cosine", "warmup_cosine"]
LastBatch = Literal["keep", "drop", "drop_single"]
Augmentation = Literal["none", "shift", "randaugment"]
Precision = Literal["float32", "bfloat16", "float16"]
Labels = Literal["true", "random"]

ALWAYS_TOLD = ("optimizer", "learning_rate", "weight_decay", "batch_size")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyper-parameters of one training.

    Attributes:
        optimizer: adam adds weight decay to the gradient, adamw shrinks the weights.
        learning_rate: the highest of the schedule.
        weight_decay: of the tensors that ``decays`` says.
        batch_size: examples; None is all of them, in one batch at every step.
        epochs: passes over the training examples, at most.
        steps: of the optimizer, instead of epochs.
        momentum: of sgd.
        decays: all tensors, or those of two or more axes: no biases and no gains of norms.
        schedule: ``constant``; ``cosine``, half of one down to 0, constant within an epoch; ``warmup_cosine``, a
            straight rise over the share ``warmup`` of all steps, then half a cosine down to 0, step by step.
        warmup: share of all steps, 0 to 1.
        last_batch: of an epoch, where fewer examples are left than a batch holds: kept, left out, or left out only
            where it is a single example, on which batch normalization cannot work.
        clip_norm: largest norm of the gradient; None does not clip.
        augmentation: of training images; None is what the data set says of itself.
        shift: largest shift along each axis, pixels; None is a sixteenth of the side.
        image_size: pixels per side of what the network reads; None leaves images as they are stored.
        patience: epochs without a lower validation loss after which training stops; None never stops.
        qat_exclude: modules whose names hold one of these are not rounded by quantization-aware training.

    Raises:
        InputError: a value out of its range; the field is named.

    Example:
        >>> str(Recipe(optimizer="adam", learning_rate=1e-3, weight_decay=0.0, batch_size=None, steps=3000))
        'adam, learning rate 0.001, weight decay 0, all examples at every step, 3000 steps'
    """

    optimizer: Optimizer
    learning_rate: float
    weight_decay: float
    batch_size: int | None
    epochs: int | None = None
    steps: int | None = None
    momentum: float = 0.0
    decays: Decays = "all"
    schedule: Schedule = "constant"
    warmup: float = 0.0
    last_batch: LastBatch = "keep"
    clip_norm: float | None = None
    augmentation: Augmentation | None = None
    shift: int | None = None
    image_size: int | None = None
    patience: int | None = None
    qat_exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs", "steps", "clip_norm", "image_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value}, wanted above 0")
        for name, kind in _CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                raise InputError(f"{name} {getattr(self, name)!r}, wanted {', '.join(get_args(kind))}")
        if (self.epochs is None) == (self.steps is None):
            raise InputError(f"epochs {self.epochs} and steps {self.steps}: give one of them")
        if self.schedule == "cosine" and self.epochs is None:
            raise InputError("a cosine falls from epoch to epoch: give epochs, not steps, or another schedule")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience is {self.patience} epochs, wanted at least 1")

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON types, without what is as always: so a field that is added changes no hash."""
        told = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in ALWAYS_TOLD or getattr(self, field.name) != field.default
        }
        found: dict[str, Any] = json.loads(json.dumps(told))
        return found

    def __str__(self) -> str:
        batch = "all examples at every step" if self.batch_size is None else f"batches of {self.batch_size}"
        length = f"{self.epochs} epochs" if self.steps is None else f"{self.steps} steps"
        return (
            f"{self.optimizer}, learning rate {self.learning_rate:g}, weight decay {self.weight_decay:g}, "
            f"{batch}, {length}"
        )


_CHOICES = {"optimizer": Optimizer, "decays": Decays, "schedule": Schedule, "last_batch": LastBatch}


@dataclass(frozen=True, kw_only=True)
class DigitsSplit:
    """How scikit-learn's 1797 digits are scaled and divided; shares of the whole, the rest is for training."""

    seed: int = 0
    validation: float = 0.1
    test: float = 0.2
    size: int = 32  # pixels per side, from 8
    channels: int = 3  # copies of the one grey channel
