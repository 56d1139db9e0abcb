"""A digits network with rounded weights, and what it still gets right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from complexity_lab.errors import UnknownNameError
from complexity_lab.quantization.rounding import rounded

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.zoo.digits_data import Images

BATCH = 128  # images at a time


@dataclass(frozen=True)
class Score:
    """Accuracy (fraction in 0..1) and mean cross-entropy (nats) over ``images`` images."""

    accuracy: float
    loss: float
    images: int


@contextmanager
def with_rounded_weights(module: nn.Module, bits: Mapping[str, int]) -> Iterator[None]:
    """Round parameters, each to its bits, and put back what was there.

    Raises:
        UnknownNameError: the module has no parameter of a name.
    """
    import torch

    parameters = dict(module.named_parameters())
    unknown = [name for name in bits if name not in parameters]
    if unknown:
        raise UnknownNameError(f"{type(module).__name__} has no parameter {unknown[0]!r}; name them as it does")
    kept = {name: parameters[name].detach().clone() for name in bits}
    try:
        with torch.no_grad():
            for name, number in bits.items():
                parameters[name].copy_(torch.from_numpy(rounded(kept[name], number)))
        yield
    finally:
        with torch.no_grad():
            for name, values in kept.items():
                parameters[name].copy_(values)


def score(module: nn.Module, images: Images) -> Score:
    """Return accuracy and loss of a network in evaluation mode; infinite or undefined outputs give such a loss."""
    import torch
    from torch.nn import functional as F

    module.eval()
    right, lost = 0, 0.0
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            labels = images.labels[start : start + BATCH]
            logits = module(images.pixels[start : start + BATCH])
            right += int((logits.argmax(1) == labels).sum())
            lost += float(F.cross_entropy(logits, labels, reduction="sum"))
    return Score(right / len(images), lost / len(images), len(images))


def rounded_names(module: nn.Module) -> list[str]:
    """Return the parameters that are rounded: trainable, two axes or more. Biases and norms stay as they are."""
    return [name for name, value in module.named_parameters() if value.ndim >= 2 and value.requires_grad]


def same_bits(names: list[str], bits: int) -> dict[str, int]:
    """Return the same number of bits for each name."""
    return dict.fromkeys(names, bits)


def bits_by_error(errors: Mapping[str, np.ndarray], weights: Mapping[str, int], budget: float) -> dict[str, int]:
    """Spend a budget of bits where rounding hurts most, without looking at planes: what a suggestion has to beat.

    Every tensor starts with 1 bit. What comes next is the step, of one bit or several, by which the relative squared
    error of a tensor falls most per bit stored, until none that lessens an error fits into the budget. Every tensor's
    relative error counts the same. (One step at a time would not do: with 2 bits the error is often above that with 1.)

    Args:
        errors: relative squared error by tensor with 1, 2, ... bits, float ``[most bits]``.
        weights: values of each tensor.
        budget: bits in all, sum over tensors of bits times weights.

    >>> bits_by_error({"a": np.array([0.5, 0.6, 0.1]), "b": np.array([0.2, 0.1, 0.1])}, {"a": 10, "b": 10}, 40)
    {'a': 3, 'b': 1}
    """
    bits = dict.fromkeys(errors, 1)
    left = budget - sum(weights[name] for name in bits)
    while steps := [step for name in bits for step in _steps(name, errors[name], bits[name], weights[name], left)]:
        _, name, number = max(steps, key=lambda step: step[0])
        left -= (number - bits[name]) * weights[name]
        bits[name] = number
    return bits


def _steps(name: str, errors: np.ndarray, bits: int, weights: int, left: float) -> list[tuple[float, str, int]]:
    """Return fall of the error per bit stored, tensor and bits of each step that fits and lessens the error."""
    ahead = range(bits + 1, len(errors) + 1)
    falls = {number: float(errors[bits - 1] - errors[number - 1]) for number in ahead}
    cost = {number: (number - bits) * weights for number in ahead}
    return [
        (falls[number] / cost[number], name, number) for number in ahead if falls[number] > 0 and cost[number] <= left
    ]
