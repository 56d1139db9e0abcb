"""The training loop that is watched: plain minibatches, no schedule, no augmentation, nothing chosen by validation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.trajectory.recipe import Recipe
from complexity_lab.trajectory.tasks import Examples, Task, TrainingExamples

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
SOURCES = ("weights", "order", "data")  # of random numbers, each with a stream of its own


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy (nats) and share of right answers (0..1) of one set of examples."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Moment:
    """Where a training is when it is measured; ``epoch`` counts passes over the training examples."""

    step: int
    epoch: float
    training: Score
    validation: Score


Watch = Callable[[Moment, nn.Module], None]


def generator_of(seed: int, source: str) -> torch.Generator:
    """Return the generator of one source of random numbers of a run: ``weights``, ``order`` or ``data``.

    Raises:
        InputError: no such source.
    """
    if source not in SOURCES:
        raise InputError(f"source of random numbers {source!r}, wanted {', '.join(SOURCES)}")
    state = np.random.SeedSequence(seed, spawn_key=(SOURCES.index(source),)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def train(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    order: torch.Generator,
    measured: Collection[int],
    watch: Watch,
) -> Score:
    """Fit a network in place and return what the last weights score on the test examples.

    Args:
        network: changed in place.
        task: only its training part reaches the weights.
        recipe: optimizer and number of steps.
        order: shuffles the examples of every epoch.
        measured: steps after which ``watch`` is called, 0 is before the first; it must leave the network as it is.
        watch: takes the moment and the network.

    Raises:
        WeightsError: a loss is no longer finite; what was watched before stays valid.
        InputError: unknown optimizer.
    """
    optimizer = optimizer_for(network, recipe)
    per_epoch = batches_per_epoch(len(task.training), recipe.batch_size)
    batches = _batches(task.training, recipe.batch_size, order)
    for step in range(recipe.steps + 1):
        if step in measured:
            watch(_moment(network, task, step, per_epoch, recipe), network)
        if step < recipe.steps:
            _update(network, optimizer, *next(batches), step=step, recipe=recipe)
    return score(network, task.test)


def optimizer_for(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of a recipe over all parameters; every one decays, biases too, as torch does by default.

    Raises:
        InputError: unknown optimizer.
    """
    if recipe.optimizer not in OPTIMIZERS:
        raise InputError(f"optimizer {recipe.optimizer!r}, wanted {', '.join(OPTIMIZERS)}")
    options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
    return OPTIMIZERS[recipe.optimizer](network.parameters(), **options)  # type: ignore[arg-type]


def batches_per_epoch(examples: int, batch_size: int | None) -> int:
    """Return the steps in one pass; the last one may have fewer examples."""
    return 1 if batch_size is None else -(-examples // batch_size)


@torch.inference_mode()
def score(network: nn.Module, examples: Examples) -> Score:
    """Return loss and accuracy of a network on all examples of one part."""
    logits = network(examples.inputs)
    right = (logits.argmax(1) == examples.labels).double().mean()
    return Score(float(F.cross_entropy(logits, examples.labels)), float(right))


def _moment(network: nn.Module, task: Task, step: int, per_epoch: int, recipe: Recipe) -> Moment:
    training, validation = score(network, task.training), score(network, task.validation)
    for name, found in (("training", training), ("validation", validation)):
        if not isfinite(found.loss):
            raise WeightsError(_diverged(f"the {name} loss", found.loss, step, recipe))
    return Moment(step, step / per_epoch, training, validation)


def _diverged(what: str, loss: float, step: int, recipe: Recipe) -> str:
    return f"training diverged: {what} is {loss} at step {step} of {recipe.steps}; lower the learning rate"


def _update(
    network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor, *, step: int, recipe: Recipe
) -> None:
    loss = F.cross_entropy(network(inputs), labels)
    if not isfinite(loss.item()):
        raise WeightsError(_diverged("the loss", loss.item(), step, recipe))
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def _batches(training: TrainingExamples, size: int | None, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever, in a new order after every pass."""
    if size is None or size >= len(training):
        while True:
            yield training.inputs, training.labels
    while True:
        mixed = torch.randperm(len(training), generator=order)
        for start in range(0, len(mixed), size):
            chosen = mixed[start : start + size]
            yield training.inputs[chosen], training.labels[chosen]
