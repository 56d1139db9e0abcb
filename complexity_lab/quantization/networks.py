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

    Every tensor starts with 1 bit. The next bit goes to the tensor whose relative squared error, in which every tensor
    counts the same, falls most per bit stored, until none fits into the budget.

    Args:
        errors: relative squared error by tensor with 1, 2, ... bits, float ``[most bits]``.
        weights: values of each tensor.
        budget: bits in all, sum over tensors of bits times weights.

    >>> bits_by_error({"a": np.array([0.5, 0.1]), "b": np.array([0.2, 0.1])}, {"a": 10, "b": 10}, 30)
    {'a': 2, 'b': 1}
    """
    bits = dict.fromkeys(errors, 1)
    left = budget - sum(weights[name] for name in bits)
    while True:
        gains = {
            name: float(errors[name][number - 1] - errors[name][number]) / weights[name]
            for name, number in bits.items()
            if number < len(errors[name]) and weights[name] <= left
        }
        if not gains:
            return bits
        best = max(gains, key=lambda name: (gains[name], -bits[name]))
        bits[best] += 1
        left -= weights[best]
