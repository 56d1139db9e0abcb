"""The training loop: one optimizer step after another over shuffled batches, at the rates of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.training.batches import Batches
from complexity_lab.training.devices import autocast
from complexity_lab.training.examples import Splits
from complexity_lab.training.recipe import Precision, Recipe
from complexity_lab.training.schedules import learning_rate, steps_per_epoch, total_steps
from complexity_lab.training.scores import Score, score
from complexity_lab.training.streams import Streams, random_states, restore_random_states


@dataclass(frozen=True)
class StepState:
    """Where a training is when it is measured; ``epoch`` counts passes over the training examples."""

    step: int
    epoch: float
    training: Score
    validation: Score


@dataclass(frozen=True)
class Update:
    """An optimizer step that was made, the ``step``-th: mean loss of its batch before it, logits and labels."""

    step: int
    loss: Tensor
    logits: Tensor
    labels: Tensor

    @property
    def right(self) -> Tensor:
        """Examples of the batch that were right, int64 scalar."""
        return (self.logits.argmax(1) == self.labels).sum()


Observe = Callable[[StepState, nn.Module], None]


def train(
    network: nn.Module,
    data: Splits,
    recipe: Recipe,
    *,
    streams: Streams,
    at: Collection[int] = (),
    observe: Observe | None = None,
    label: str = "the network",
) -> None:
    """Fit a network in place, to the end of its recipe.

    Args:
        network: changed in place.
        data: only its training part reaches the weights.
        recipe: how.
        streams: of the order of examples and of augmentation; dropout draws from torch's generator.
        at: steps after which ``observe`` is called, 0 is before the first.
        observe: takes where the training is, and the network, which it must leave as it is.
        label: of the network in errors.

    Raises:
        WeightsError: a loss or a weight is no longer finite; what was observed before stays valid.
        InputError: an epoch of this recipe has no batch.
    """
    trainer, wanted = Trainer(network, data, recipe, streams=streams, label=label), frozenset(at)

    def measure() -> None:
        if observe is not None and trainer.step in wanted:
            observe(trainer.state(), network)

    measure()
    while trainer.step < trainer.steps:
        for _ in trainer.epoch():
            measure()
    trainer.refuse_not_finite()


class Trainer:
    """A training that is under way.

    Args:
        network: on the device of the data; changed in place.
        data: what to train on.
        recipe: how.
        streams: see ``train``.
        forward: the network, compiled; itself if None.
        precision: of the forward pass.
        label: of the network in errors.

    Attributes:
        step: optimizer steps made.
        steps: of the whole recipe.
        per_epoch: of a pass over the training examples.

    Raises:
        InputError: an epoch of this recipe has no batch.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Splits,
        recipe: Recipe,
        *,
        streams: Streams,
        forward: Callable[[Tensor], Tensor] | None = None,
        precision: Precision = "float32",
        label: str = "the network",
    ) -> None:
        self.network, self.data, self.recipe, self.streams = network, data, recipe, streams
        self.forward, self.precision, self.label = forward or network, precision, label
        self.device = data.training.labels.device
        self.batches = Batches(data, recipe)
        self.optimizer = optimizer_for(network, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "float16")
        self.step = 0
        self.per_epoch = steps_per_epoch(len(data.training), recipe)
        self.steps = total_steps(self.per_epoch, recipe)
        if not self.per_epoch:
            raise InputError(
                f"{len(data.training)} training examples, fewer than a batch of {recipe.batch_size}; "
                "choose a smaller batch_size"
            )

    @property
    def rate(self) -> float:
        """The learning rate of the latest step, before the first of the next."""
        return learning_rate(self.recipe, max(0, self.step - 1), self.per_epoch)

    def epoch(self) -> Iterator[Update]:
        """Train on every example once, or until the recipe's last step, and yield after every step.

        Raises:
            WeightsError: a loss is no longer finite, found at once on a CPU, at the end of the epoch on a GPU; or a
                hook of the optimizer found weights that are not.
        """
        self.network.train()
        losses: list[Tensor] = []
        for inputs, labels in self.batches.epoch(self.streams):
            update = self._update(inputs, labels)
            losses.append(update.loss)
            if self.device.type == "cpu" and not isfinite(update.loss.item()):
                break
            yield update
            if self.step == self.steps:
                break
        self._refuse_losses(torch.stack(losses))

    def _update(self, inputs: Tensor, labels: Tensor) -> Update:
        rate = learning_rate(self.recipe, self.step, self.per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with autocast(self.device, self.precision):
            logits = self.forward(inputs)
            loss = F.cross_entropy(logits, labels)
        self.step += 1
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        try:
            self.scaler.step(self.optimizer)  # where the scaler skips a step, no hook of the optimizer is called either
        except WeightsError as error:  # of such a hook, see ``momos.schedule``
            raise self.diverged(str(error)) from None
        self.scaler.update()
        return Update(self.step, loss.detach(), logits.detach(), labels)

    def state(self) -> StepState:
        """Return where the training is, with the scores of the weights as they are now.

        Raises:
            WeightsError: a loss is not finite.
        """
        found = {"training": score(self.network, self.data.training)}
        found["validation"] = score(self.network, self.data.validation)
        for name, part in found.items():
            if not isfinite(part.loss):
                raise self.diverged(f"the {name} loss is {part.loss}", during="measuring")
        return StepState(self.step, self.step / self.per_epoch, **found)

    def _refuse_losses(self, losses: Tensor) -> None:
        """Raise if one of the losses ``[steps]`` of the latest steps is not finite."""
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        if bad:
            raise self.diverged(f"the loss is {float(losses[bad[0]])}", self.step - len(losses) + bad[0] + 1)

    def refuse_not_finite(self) -> None:
        """Raise if a weight is not finite: the last step's loss was of the weights before it.

        Raises:
            WeightsError: the tensor is named.
        """
        for name, parameter in self.network.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise self.diverged(f"{name} is not finite")

    def diverged(self, what: str, step: int | None = None, *, during: str | None = None) -> WeightsError:
        """Return the error that says where something was found: at a step, the latest if None, or while validating."""
        step = self.step if step is None else step
        epoch = -(-step // self.per_epoch)
        inside = during or f"step {step - (epoch - 1) * self.per_epoch} of {self.per_epoch}"
        place = f"in epoch {epoch}, {inside}" if self.recipe.steps is None else f"at step {step} of {self.steps}"
        other = "" if self.precision == "float32" else ", or train with precision float32"
        return WeightsError(
            f"training of {self.label} diverged {place}: {what}; lower the learning rate, {self.rate:g} there{other}"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that decides the steps to come: tensors and plain values."""
        return {
            "step": self.step,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "streams": self.streams.state_dict(),
            "dropout": random_states(self.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken, at the end of an epoch; torch's own generator too."""
        self.step = state["step"]
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.streams.load_state_dict(state["streams"])
        restore_random_states(state["dropout"], self.device)


def optimizer_for(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of a recipe over all trainable parameters."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if recipe.decays == "matrices":
        groups = [
            {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
            {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
    # fused: one pass over each parameter, about a tenth of a small batch's step of Tiny-ViT
    common: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "sgd":
        if recipe.momentum:  # fused, its momentum rounds otherwise than in the runs that are published
            common["fused"] = None
        return torch.optim.SGD(groups, momentum=recipe.momentum, **common)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, **common)
