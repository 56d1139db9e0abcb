"""What a network gets right: loss and accuracy over examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.training.devices import autocast
from complexity_lab.training.examples import Examples
from complexity_lab.training.recipe import Precision


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy (nats) and share of right answers (0..1) over examples."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(
    forward: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], precision: Precision = "float32"
) -> Score:
    """Return the score of a network, which is in evaluation mode, over batches of inputs and labels."""
    loss, right, count = 0.0, 0, 0
    for inputs, labels in batches:
        with autocast(inputs.device, precision):
            logits = forward(inputs)
        loss += float(F.cross_entropy(logits.float(), labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    return Score(loss / count, right / count)


@torch.inference_mode()
def score(network: nn.Module, examples: Examples) -> Score:
    """Return the score of a network on all examples of one part in one batch, the mean in float32 as torch has it."""
    logits = network(examples.inputs)
    right = (logits.argmax(1) == examples.labels).double().mean()
    return Score(float(F.cross_entropy(logits, examples.labels)), float(right))
