"""Runs of the multilayer perceptron on digits: results, early stopping, what is refused before training."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from complexity_lab.errors import InputError, PlanMismatchError, UnknownNameError
from complexity_lab.momos.method import Method
from complexity_lab.momos.runs import RunConfig
from complexity_lab.momos.training import check, train_run
from complexity_lab.training.profiles import recipe_for

RECIPE = replace(recipe_for("mlp", "digits"), epochs=3, batch_size=256, image_size=8)
MOTIFS = Method(s=8, capacity=0.01)


def config(method=MOTIFS, **changes):
    given = {"model": "mlp", "dataset": "digits", "method": method, "recipe": RECIPE, "seed": 1, "device": "cpu"}
    return RunConfig(**(given | changes))


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = train_run(config(), tmp_path / "run")
    told = []
    second = train_run(config(), tmp_path / "run", on_epoch=told.append)
    assert not told
    assert second.epochs == first.epochs
    assert second.test_accuracy_best == first.test_accuracy_best
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_another_run_is_refused_with_the_difference(tmp_path):
    train_run(config(), tmp_path / "run")
    with pytest.raises(PlanMismatchError, match="seed: there 1, now 2"):
        train_run(config(seed=2), tmp_path / "run")


def test_motifs_and_projections_are_counted(tmp_path):
    result = train_run(config(), tmp_path / "run")
    assert result.k == int(0.01 * result.blocks)
    assert result.epochs[-1].projections == 5  # 1,257 images in batches of 256
    assert 0 < result.epochs[-1].used_motifs <= result.k


def test_a_network_learns(tmp_path):
    result = train_run(config(Method(), recipe=replace(RECIPE, epochs=8, batch_size=64)), tmp_path / "run")
    assert result.test_accuracy_final > 0.9
    assert result.rac == 1.0


def test_rac_of_fewer_bits(tmp_path):
    assert train_run(config(Method(bits=8), recipe=replace(RECIPE, epochs=1)), tmp_path / "run").rac == 4.0


def test_patience(tmp_path):
    recipe = replace(RECIPE, epochs=6, patience=1, learning_rate=1e-9)
    result = train_run(config(Method(s=4, capacity=0.001), recipe=recipe), tmp_path / "run")
    assert result.stopped_early
    assert result.epochs[-1].epoch == result.best_epoch + 1
    assert result.best_epoch >= 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"device": "cuda:7"}, InputError, "device 'cuda:7' is not available"),
        ({"precision": "float16"}, InputError, "float16 training needs a GPU"),
        ({"dataset": "digitz"}, UnknownNameError, "did you mean digits"),
        ({"dataset": "cifar10"}, InputError, "cifar10 needs --data-dir"),
        ({"method": Method(s=10**7, capacity=0.5)}, InputError, "choose a smaller s"),
        ({"method": Method(s=4, k=10**7)}, InputError, "k = 10000000 motifs, but there are"),
        ({"validation": 1.5}, InputError, "wanted above 0 and below 1"),
        ({"recipe": replace(RECIPE, epochs=None, steps=9, schedule="constant")}, InputError, "a recipe of 9 steps"),
    ],
)
def test_what_cannot_work_is_found_before_training(changes, error, message):
    if changes.get("device") == "cuda:7" and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(error, match=message):
        check(config(**changes))


def test_results_are_plain_json(tmp_path):
    train_run(config(recipe=replace(RECIPE, epochs=1)), tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert np.isfinite(stored["epochs"][1]["distortion"])
