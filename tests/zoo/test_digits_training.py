"""The digits, the training of one network, and what it leaves as it was."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from complexity_lab.errors import WeightsError
from complexity_lab.zoo.digits_data import TestImages, digits, split_indices
from complexity_lab.zoo.digits_recipes import RECIPES, SPLIT, Recipe
from complexity_lab.zoo.digits_training import accuracy, build, learning_rate, shifted, train

SMALLEST = min(RECIPES, key=lambda recipe: recipe.parameters)
QUICK = Recipe(
    architecture="mlp_quick",
    family="mlp",
    constructor="complexity_lab.momos.models:MLP",
    options=(("hidden", (4,)),),
    parameters=12_342,
    epochs=1,
    learning_rate=1e-3,
    batch_size=64,
)


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


def naive_bilinear(image: np.ndarray, size: int) -> np.ndarray:
    """Scale a square image pixel by pixel, with pixel centres at half integers and clamped edges."""
    side = len(image)
    result = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            y, x = (min(max((i + 0.5) * side / size - 0.5, 0), side - 1) for i in (row, column))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, side - 1), min(left + 1, side - 1)
            down, across = y - top, x - left
            upper = (1 - across) * image[top, left] + across * image[top, right]
            lower = (1 - across) * image[bottom, left] + across * image[bottom, right]
            result[row, column] = (1 - down) * upper + down * lower
    return result


def test_the_three_parts_are_all_digits_once() -> None:
    labels = load_digits().target
    parts = split_indices(torch.as_tensor(labels), SPLIT)
    assert [len(part) for part in parts] == [1257, 180, 360]
    assert sorted(index for part in parts for index in part) == list(range(1797))
    for part in parts:
        shares = np.bincount(labels[list(part)]) / len(part)
        np.testing.assert_allclose(shares, np.bincount(labels) / 1797, atol=0.01)


def test_images_are_scaled_standardised_copies_of_the_originals() -> None:
    original = load_digits()
    training, _, test = split_indices(torch.as_tensor(original.target), SPLIT)
    data = digits()
    scaled = np.stack([naive_bilinear(original.images[index], 32) for index in (training[0], test[0])])
    ours = torch.stack([data.training.pixels[0], data.test.pixels[0]]).numpy()
    slope, offset = np.polyfit(scaled.ravel(), ours[:, 0].ravel(), 1)
    np.testing.assert_allclose(scaled * slope + offset, ours[:, 0], atol=1e-5)
    assert ours.shape == (2, 3, 32, 32)
    assert (ours == ours[:, :1]).all()
    assert int(data.test.labels[0]) == original.target[test[0]]


def test_training_pixels_alone_set_the_scale() -> None:
    data = digits()
    assert float(data.training.pixels.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.training.pixels.std()) == pytest.approx(1, abs=1e-4)
    assert float(data.test.pixels.mean()) != pytest.approx(0, abs=1e-5)


def test_shifted_cuts_one_window_per_image() -> None:
    shift, side = 2, 5
    padded = torch.arange(3 * 2 * 9 * 9, dtype=torch.float32).reshape(3, 2, 9, 9)
    torch.manual_seed(3)
    ours = shifted(padded, shift)
    torch.manual_seed(3)
    origins = torch.randint(0, 2 * shift + 1, (2, 3, 1))[:, :, 0].T.tolist()
    for window, image, (row, column) in zip(ours, padded, origins, strict=True):
        assert torch.equal(window, image[:, row : row + side, column : column + side])
    assert len({tuple(origin) for origin in origins}) > 1


def test_every_shift_occurs_and_none_beyond() -> None:
    padded = torch.arange(7.0).reshape(1, 1, 1, 7).expand(500, 1, 7, 7).contiguous()
    torch.manual_seed(0)
    assert set(shifted(padded, 2)[:, 0, 0, 0].tolist()) == {0, 1, 2, 3, 4}


def test_the_rate_warms_up_to_its_peak_and_falls_to_zero() -> None:
    rates = [learning_rate(QUICK, step, 100) for step in range(100)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(QUICK.learning_rate)
    assert 9 <= peak <= 10
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001 * QUICK.learning_rate


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.architecture)
def test_parameters_in_the_table_are_those_of_the_module(recipe: Recipe) -> None:
    module = build(recipe, 0)
    assert sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad) == recipe.parameters


def test_training_starts_from_the_initial_weights_of_its_seed() -> None:
    untrained = train(replace(QUICK, epochs=0), 5)
    assert equal(state(untrained.module), state(build(QUICK, 5)))
    assert not equal(state(untrained.module), state(build(QUICK, 6)))


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
    with pytest.raises(WeightsError, match=r"mlp_quick, seed 0 diverged: at step .* the loss is .* lower the recipe's"):
        train(replace(QUICK, learning_rate=1e30, epochs=2), 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_a_last_step_that_overflows_is_not_taken_for_a_result() -> None:
    one_step = replace(QUICK, batch_size=len(digits().training), learning_rate=1e39)
    with pytest.raises(WeightsError, match="at step 1 of 1 a weight is not finite"):
        train(one_step, 0)


def test_trained_weights_are_contiguous_and_the_module_evaluates() -> None:
    module = train(replace(SMALLEST, epochs=1), 0).module
    assert all(parameter.is_contiguous() for parameter in module.parameters())
    assert not module.training


def test_accuracy_is_the_share_of_right_answers() -> None:
    class FirstPixel(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(pixels[:, 0, 0, 0].long(), 10).float()

    labels = torch.arange(300) % 10
    pixels = labels.float().reshape(-1, 1, 1, 1).repeat(1, 3, 2, 2)
    pixels[:75] = (pixels[:75] + 1) % 10
    assert accuracy(FirstPixel(), TestImages(pixels, labels)) == 0.75


def test_the_smallest_network_learns() -> None:
    trained = train(SMALLEST, 0)
    assert trained.test_accuracy >= 0.95
    assert trained.validation_accuracy >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.architecture)
def test_every_network_learns_from_every_seed(recipe: Recipe, seed: int) -> None:
    assert train(recipe, seed).test_accuracy >= 0.9
