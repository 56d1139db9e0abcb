"""Building and training the networks of the digits zoo.

Everything runs on one thread of the CPU and inside a fork of torch's generator, so that a seed gives the same weights
whatever the caller's settings, and the caller's generator and threads are as before.
"""

import math
import pkgutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import WeightsError
from complexity_lab.zoo.digits_data import NUM_CLASSES, Digits, Images, TrainingImages, digits
from complexity_lab.zoo.digits_recipes import Recipe

_EVALUATION_BATCH = 128

# torch's generator and thread count belong to the process: threads of one process take turns.
_PROCESS_STATE = threading.RLock()


@dataclass(frozen=True)
class TrainedNetwork:
    """A network after training; accuracies are fractions in 0..1."""

    module: nn.Module
    validation_accuracy: float
    test_accuracy: float


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Run on one thread with torch's generator at ``seed``; restore both afterwards."""
    with _PROCESS_STATE, torch.random.fork_rng(devices=[]):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def build(recipe: Recipe, seed: int) -> nn.Module:
    """Return a recipe's network with the initial weights of ``seed``: those that its training starts from."""
    constructor = pkgutil.resolve_name(recipe.constructor)
    with _seeded(seed):
        module: nn.Module = constructor(num_classes=NUM_CLASSES, **dict(recipe.options))
    return module


def train(recipe: Recipe, seed: int, data: Digits | None = None) -> TrainedNetwork:
    """Train a recipe's network from the initial weights of ``seed``, which also orders and shifts the images.

    Raises:
        WeightsError: the loss or a weight is no longer finite.
    """
    data = digits() if data is None else data
    module = build(recipe, seed).to(memory_format=torch.channels_last)
    with _seeded(seed):
        _fit(module, recipe, data.training, f"{recipe.architecture}, seed {seed}")
        module.to(memory_format=torch.contiguous_format)
        return TrainedNetwork(module, accuracy(module, data.validation), accuracy(module, data.test))


def accuracy(module: nn.Module, images: Images) -> float:
    """Return the fraction of images whose largest logit is their label's."""
    module.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(images), _EVALUATION_BATCH):
            batch = slice(start, start + _EVALUATION_BATCH)
            right += int((module(images.pixels[batch]).argmax(1) == images.labels[batch]).sum())
    return right / len(images)


def _fit(module: nn.Module, recipe: Recipe, images: TrainingImages, label: str) -> None:
    module.train()
    optimizer = _optimizer(module, recipe)
    batches_per_epoch = len(images) // recipe.batch_size
    steps = recipe.epochs * batches_per_epoch
    for step, (pixels, labels) in enumerate(_batches(images, recipe)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, steps)
        loss = F.cross_entropy(module(pixels), labels)
        if not math.isfinite(loss.item()):
            raise WeightsError(_diverged(label, f"the loss is {loss.item()}", step, steps))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), recipe.clip_norm)
        optimizer.step()
    if not all(bool(parameter.isfinite().all()) for parameter in module.parameters()):
        raise WeightsError(_diverged(label, "a weight is not finite", steps, steps))


def _diverged(label: str, found: str, step: int, steps: int) -> str:
    return f"training of {label} diverged: at step {step} of {steps} {found}; lower the recipe's learning rate"


def _batches(images: TrainingImages, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every epoch's shuffled and shifted batches; images beyond the last full batch sit that epoch out."""
    paper = float(images.pixels.min())  # the background of every digit
    padded = F.pad(images.pixels, (recipe.shift,) * 4, value=paper)
    size = recipe.batch_size
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images) - size + 1, size):
            chosen = order[start : start + size]
            pixels = shifted(padded[chosen], recipe.shift)
            yield pixels.contiguous(memory_format=torch.channels_last), images.labels[chosen]


def shifted(padded: Tensor, shift: int) -> Tensor:
    """Cut a window ``(n, c, h, w)`` at a random place out of each of ``(n, c, h + 2 shift, w + 2 shift)`` images."""
    count, _, height, width = padded.shape
    origin = torch.randint(0, 2 * shift + 1, (2, count, 1))
    rows = origin[0] + torch.arange(height - 2 * shift)
    columns = origin[1] + torch.arange(width - 2 * shift)
    image = torch.arange(count)
    windows = padded.permute(0, 2, 3, 1)[image[:, None, None], rows[:, :, None], columns[:, None, :]]
    return windows.permute(0, 3, 1, 2)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the rate of one step: linear warm-up to ``recipe.learning_rate``, then half a cosine down to 0."""
    warm = max(1, round(recipe.warmup * steps))
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return AdamW for a module; norms and biases (fewer than two axes) do not decay."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
