"""Recipes: the paper's as it has them, and what is refused."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.training.profiles import recipe_for
from complexity_lab.training.recipe import Recipe
from complexity_lab.training.schedules import steps_per_epoch

PLAIN = Recipe(optimizer="adam", learning_rate=1e-3, weight_decay=0.0, batch_size=64, steps=100)


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
    for model in ("mlp", "mlp5", "resnet20", "tiny_vit_5m"):
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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "steps is 0, wanted above 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"patience": 0}, "patience is 0 epochs"),
        ({"optimizer": "muon"}, "optimizer 'muon', wanted sgd, adam, adamw"),
        ({"schedule": "linear"}, "schedule 'linear', wanted constant"),
        ({"epochs": 3}, "epochs 3 and steps 100: give one of them"),
        ({"steps": None}, "epochs None and steps None: give one of them"),
        ({"schedule": "cosine"}, "a cosine falls from epoch to epoch: give epochs"),
    ],
)
def test_numbers_and_names_that_make_no_sense(wrong, said):
    with pytest.raises(InputError, match=said):
        replace(PLAIN, **wrong)


def test_a_recipe_as_json_tells_what_is_not_as_always():
    usual = {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0, "batch_size": 64, "steps": 100}
    assert PLAIN.as_dict() == usual
    told = replace(PLAIN, batch_size=None, qat_exclude=("bn",), clip_norm=1.0).as_dict()
    assert told == usual | {"batch_size": None, "qat_exclude": ["bn"], "clip_norm": 1.0}
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("last", "steps"), [("keep", (2, 3, 3, 1)), ("drop", (2, 2, 2, 0)), ("drop_single", (2, 2, 3, 1))]
)
def test_the_last_batch_of_an_epoch(last, steps):
    recipe = replace(PLAIN, batch_size=128, last_batch=last)
    assert tuple(steps_per_epoch(examples, recipe) for examples in (256, 257, 258, 1)) == steps


def test_recipes_are_read_without_torch():
    program = (
        "import sys; from complexity_lab.training.profiles import recipe_for; recipe_for('mlp', 'digits');"
        "import complexity_lab.training.schedules, complexity_lab.training.records;"
        "sys.exit(', '.join({'torch', 'numpy', 'sklearn', 'pydantic'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
