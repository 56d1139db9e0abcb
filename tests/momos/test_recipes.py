import pytest
import torch

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.recipes import RECIPES, Recipe, recipe_for


def test_the_hyper_parameters_of_the_paper():
    """ALGORITHMS 2.2."""
    resnet, mlp = recipe_for("resnet20", "cifar10"), recipe_for("mlp", "cifar10")
    assert (resnet.optimizer, resnet.learning_rate, resnet.momentum, resnet.weight_decay) == ("sgd", 0.1, 0.9, 1e-4)
    assert (mlp.optimizer, mlp.learning_rate, mlp.weight_decay) == ("adamw", 3e-4, 1e-2)
    assert {(r.epochs, r.batch_size, r.patience) for r in (resnet, mlp)} == {(200, 128, 20)}
    assert recipe_for("tiny_vit_5m", "cifar10").image_size == 224
    assert recipe_for("resnet20", "cifar10", "reference").patience is None
    assert resnet.qat_exclude == ("bn",)
    assert recipe_for("tiny_vit_5m", "cifar10").qat_exclude == ()


def test_digits_are_small_and_few():
    for model in RECIPES:
        recipe = recipe_for(model, "digits")
        assert recipe.image_size == 32
        assert recipe.epochs <= 20
    assert recipe_for("mlp", "digits", "quick").epochs == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("resnet21", "digits"), UnknownNameError, "no recipe for 'resnet21'.*recipes: mlp, mlp5, resnet20"),
        (("convnext_atto", "digits"), UnknownNameError, "say which to train it like: mlp, resnet, vit"),
        (("mlp", "digits", "papers"), InputError, "preset 'papers', wanted one of paper, reference, quick"),
    ],
)
def test_nothing_is_trained_by_a_silent_default(arguments, error, message):
    with pytest.raises(error, match=message):
        recipe_for(*arguments)


def test_another_network_says_what_it_is_like():
    assert recipe_for("convnext_atto", "cifar10", kind="vit").learning_rate == 3e-4
    with pytest.raises(UnknownNameError, match="unknown recipe 'vitt'"):
        recipe_for("convnext_atto", "cifar10", kind="vitt")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0.0}, {"batch_size": -1}, {"patience": 0}])
def test_numbers_that_make_no_sense(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is"):
        Recipe(**({"model": "m", "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0} | wrong))


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("mlp", 32, 986_634),
        ("mlp5", 32, 1_052_426),
        ("resnet20", 32, 269_722),
        ("tiny_vit_5m", 224, 5_074_974),
        ("mobilevit_xxs", 32, 954_234),
    ],
)
def test_networks_are_as_large_as_published(name, size, parameters):
    model = build_model(name, num_classes=10, image_size=size)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_small_images_get_small_windows():
    model = build_model("tiny_vit_5m", num_classes=10, image_size=32)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_seed_decides_and_the_callers_numbers_stay():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second = (build_model("resnet20", num_classes=10, seed=1) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_an_unknown_network():
    with pytest.raises(UnknownNameError, match="did you mean"):
        build_model("resnet20x", num_classes=10)
