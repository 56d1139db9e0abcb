"""How a watched network is fitted and when it is measured: values that are readable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import Literal

from complexity_lab.errors import InputError

Labels = Literal["true", "random"]
OptimizerName = Literal["adam", "adamw", "sgd"]


@dataclass(frozen=True)
class Recipe:
    """Optimizer and number of steps; ``batch_size`` None is the whole training set at every step.

    Nothing else: no schedule, no augmentation, no early stopping, and all parameters decay, biases too.
    """

    optimizer: OptimizerName  # adam adds weight decay to the gradient, adamw shrinks the weights
    learning_rate: float
    weight_decay: float
    batch_size: int | None
    steps: int

    def __str__(self) -> str:
        batch = "all examples at every step" if self.batch_size is None else f"batches of {self.batch_size}"
        return (
            f"{self.optimizer}, learning rate {self.learning_rate:g}, weight decay {self.weight_decay:g}, "
            f"{batch}, {self.steps} steps"
        )


def measured_steps(steps: int, per_decade: int) -> tuple[int, ...]:
    """Return the steps at which a training is measured: 0, whole numbers even in the logarithm, and the last one.

    >>> measured_steps(100, 3)
    (0, 1, 2, 5, 10, 22, 46, 100)

    Raises:
        InputError: fewer than one step, or per decade.
    """
    if steps < 1 or per_decade < 1:
        raise InputError(f"{steps} steps, {per_decade} measurements per decade; wanted 1 or more of each")
    count = floor(per_decade * log10(steps) + 1e-9) + 1
    return tuple(sorted({0, steps, *(round(10 ** (place / per_decade)) for place in range(count))}))
