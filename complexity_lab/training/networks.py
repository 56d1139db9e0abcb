"""Networks small enough to be trained many times on two cores: a perceptron, and one that adds modulo a number.

Initial weights come from a generator that is an argument; torch's global generator is neither read nor moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from complexity_lab.errors import InputError

Layer = TypeVar("Layer", nn.Linear, nn.Embedding)


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name} is {size}, wanted 1 or more")


class Perceptron(nn.Module):
    """Linear layers with ReLU between them: ``features`` values in, ``hidden`` units per layer, ``classes`` logits out.

    Raises:
        InputError: a size below 1.

    >>> network = Perceptron((8, 4), features=64, classes=10, weights=torch.Generator().manual_seed(0))
    >>> tuple(network(torch.zeros(2, 64)).shape), parameters_of(network)
    ((2, 10), 606)
    """

    def __init__(self, hidden: Sequence[int], *, features: int, classes: int, weights: torch.Generator) -> None:
        super().__init__()
        _require_positive(features=features, classes=classes, hidden=min(hidden, default=1))
        widths = (features, *hidden, classes)
        self.layers = nn.ModuleList(_undrawn(nn.Linear, *sides) for sides in pairwise(widths))
        _draw(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map float32 ``(batch, features)`` to logits ``(batch, classes)``."""
        signal = inputs
        for index, layer in enumerate(self.layers):
            signal = layer(F.relu(signal) if index else signal)
        return signal


class AdditionNetwork(nn.Module):
    """Two numbers below ``modulus`` to logits of their sum: one shared embedding, a hidden layer on both, a linear one.

    The architecture of the grokking study of arXiv 2605.15551 (embedding 512 twice, 512 units, 97 classes), of any
    width. Since the hidden layer is linear before its ReLU, it is applied to the table of embeddings and not to each
    pair, which gives the same function and gradients for a twentieth of the work at 4,704 pairs.

    Raises:
        InputError: a size below 1.

    >>> network = AdditionNetwork(7, embedding=4, hidden=8, weights=torch.Generator().manual_seed(0))
    >>> tuple(network(torch.tensor([[1, 2], [6, 6]])).shape), tuple(network.hidden.weight.shape)
    ((2, 7), (8, 8))
    """

    def __init__(self, modulus: int, *, embedding: int, hidden: int, weights: torch.Generator) -> None:
        super().__init__()
        _require_positive(modulus=modulus, embedding=embedding, hidden=hidden)
        self.embedding = _undrawn(nn.Embedding, modulus, embedding)
        self.hidden = _undrawn(nn.Linear, 2 * embedding, hidden)
        self.output = _undrawn(nn.Linear, hidden, modulus)
        _draw(self, weights)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map int64 ``(batch, 2)`` to logits ``(batch, modulus)``."""
        table, width = self.embedding.weight, self.embedding.embedding_dim
        first = F.linear(table, self.hidden.weight[:, :width], self.hidden.bias)
        second = F.linear(table, self.hidden.weight[:, width:])
        signal = F.embedding(pairs[:, 0], first) + F.embedding(pairs[:, 1], second)
        logits: Tensor = self.output(F.relu(signal))
        return logits


def parameters_of(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _undrawn(layer: type[Layer], *sides: int) -> Layer:
    """Return a layer without initial weights, so that none are drawn from torch's global generator."""
    empty: Layer = skip_init(layer, *sides)  # type: ignore[no-untyped-call]  # of torch
    return empty


def _draw(network: nn.Module, weights: torch.Generator) -> None:
    """Draw initial weights by torch's own defaults: linear layers uniform within 1/sqrt(fan in), embeddings normal."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=weights)
                module.bias.uniform_(-bound, bound, generator=weights)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(generator=weights)
