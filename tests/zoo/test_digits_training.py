"""The training of one network of the digits zoo, and what it leaves as it was."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from complexity_lab.errors import WeightsError
from complexity_lab.training.examples import TestExamples
from complexity_lab.zoo.digits_networks import DigitsNetwork, digits_networks
from complexity_lab.zoo.digits_training import accuracy, build, train
from tests.zoo.quick import QUICK

SMALLEST = min(digits_networks(), key=lambda network: network.parameters)


def trained_otherwise(network: DigitsNetwork, **changes: Any) -> DigitsNetwork:
    return replace(network, recipe=replace(network.recipe, **changes))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("network", digits_networks(), ids=lambda network: network.architecture)
def test_parameters_in_the_table_are_those_of_the_module(network: DigitsNetwork) -> None:
    module = build(network, 0)
    assert sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad) == network.parameters


def test_training_starts_from_the_initial_weights_of_its_seed() -> None:
    unmoved = train(trained_otherwise(QUICK, learning_rate=1e-30), 5)
    assert equal(state(unmoved.module), state(build(QUICK, 5)))
    assert not equal(state(unmoved.module), state(build(QUICK, 6)))


def test_a_seed_gives_the_same_weights_whatever_the_caller_did(two_threads: None) -> None:
    first = train(QUICK, 1)
    torch.manual_seed(99)
    torch.set_num_threads(1)
    second = train(QUICK, 1)
    assert equal(state(first.module), state(second.module))
    assert first.test_accuracy == second.test_accuracy
    assert not equal(state(first.module), state(train(QUICK, 2).module))


def test_generator_and_threads_stay_as_they_were(two_threads: None) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(QUICK, 0)
    build(SMALLEST, 3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_a_diverging_training_raises_and_restores_the_process(two_threads: None) -> None:
    before = torch.get_rng_state()
    with pytest.raises(WeightsError, match=r"mlp_quick, seed 0 diverged in epoch 1, step .* lower the learning rate"):
        train(trained_otherwise(QUICK, learning_rate=1e30, epochs=2), 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_trained_weights_are_contiguous_and_the_module_evaluates() -> None:
    module = train(trained_otherwise(SMALLEST, epochs=1), 0).module
    assert all(parameter.is_contiguous() for parameter in module.parameters())
    assert not module.training


def test_accuracy_is_the_share_of_right_answers() -> None:
    class FirstPixel(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(pixels[:, 0, 0, 0].long(), 10).float()

    labels = torch.arange(300) % 10
    pixels = labels.float().reshape(-1, 1, 1, 1).repeat(1, 3, 2, 2)
    pixels[:75] = (pixels[:75] + 1) % 10
    assert accuracy(FirstPixel(), TestExamples(pixels, labels)) == 0.75


def test_the_smallest_network_learns() -> None:
    trained = train(SMALLEST, 0)
    assert trained.test_accuracy >= 0.95
    assert trained.validation_accuracy >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("network", digits_networks(), ids=lambda network: network.architecture)
def test_every_network_learns_from_every_seed(network: DigitsNetwork, seed: int) -> None:
    assert train(network, seed).test_accuracy >= 0.9
