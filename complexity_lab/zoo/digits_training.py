"""Building and training the networks of the digits zoo.

Everything runs on one thread of the CPU and inside a fork of torch's generator, so that a seed gives the same weights
whatever the caller's settings, and the caller's generator and threads are as before.
"""

import pkgutil
from dataclasses import dataclass

import torch
from torch import nn

from complexity_lab.training.batches import batches_of
from complexity_lab.training.digits import CLASSES, digits
from complexity_lab.training.examples import Examples
from complexity_lab.training.scores import evaluate
from complexity_lab.training.streams import seeded
from complexity_lab.training.trainer import train as fit
from complexity_lab.zoo.digits_networks import SPLIT, DigitsNetwork

_EVALUATION_BATCH = 128


@dataclass(frozen=True)
class TrainedNetwork:
    """A network after training; accuracies are fractions in 0..1."""

    module: nn.Module
    validation_accuracy: float
    test_accuracy: float


def build(network: DigitsNetwork, seed: int) -> nn.Module:
    """Return a network with the initial weights of ``seed``: those that its training starts from."""
    constructor = pkgutil.resolve_name(network.constructor)
    with seeded(seed):
        module: nn.Module = constructor(num_classes=CLASSES, **dict(network.options))
    return module


def train(network: DigitsNetwork, seed: int) -> TrainedNetwork:
    """Train a network from the initial weights of ``seed``, which also orders and shifts the images.

    Raises:
        WeightsError: the loss or a weight is no longer finite.
    """
    data = digits(SPLIT)
    module = build(network, seed).to(memory_format=torch.channels_last)
    with seeded(seed) as streams:
        fit(module, data, network.recipe, streams=streams, label=f"{network.architecture}, seed {seed}")
        module.to(memory_format=torch.contiguous_format)
        return TrainedNetwork(module, accuracy(module, data.validation), accuracy(module, data.test))


def accuracy(module: nn.Module, examples: Examples) -> float:
    """Return the fraction of examples whose largest logit is their label's."""
    module.eval()
    return evaluate(module, batches_of(examples, _EVALUATION_BATCH)).accuracy
