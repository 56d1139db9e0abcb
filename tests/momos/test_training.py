import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from complexity_lab.errors import InputError, PlanMismatchError, UnknownNameError, UnreachableError, WeightsError
from complexity_lab.momos.augment import augment, flipped, randaugment, resized, shifted
from complexity_lab.momos.datasets import load_dataset
from complexity_lab.momos.method import Method
from complexity_lab.momos.recipes import recipe_for
from complexity_lab.momos.training import RunConfig, check, train

RECIPE = replace(recipe_for("mlp", "digits"), epochs=3, batch_size=256, image_size=8)
MOTIFS = Method(s=8, capacity=0.01)


def config(method=MOTIFS, **changes):
    given = {"model": "mlp", "dataset": "digits", "method": method, "recipe": RECIPE, "seed": 1, "device": "cpu"}
    return RunConfig(**(given | changes))


class Stop(Exception):  # noqa: N818
    pass


def stop_after(epoch):
    def told(record):
        if record.epoch == epoch:
            raise Stop

    return told


def weights(directory, name="final"):
    return load_file(directory / f"{name}.safetensors")


@pytest.mark.parametrize(
    "method",
    [
        Method(),
        Method(bits=4),
        MOTIFS,
        Method(s=8, capacity=0.01, bits=8, every="epoch"),
        Method(tile=(2, 2), k=50, every=2),
    ],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, method):
    whole = train(config(method), tmp_path / "whole")
    with pytest.raises(Stop):
        train(config(method), tmp_path / "parts", on_epoch=stop_after(1))
    assert not (tmp_path / "parts" / "result.json").exists()
    parts = train(config(method), tmp_path / "parts")
    for name in ("initial", "best", "final"):
        first, second = weights(tmp_path / "whole", name), weights(tmp_path / "parts", name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert [record.validation_loss for record in parts.epochs] == [record.validation_loss for record in whole.epochs]
    assert parts.test_accuracy_final == whole.test_accuracy_final


def test_kill_9_and_resume(tmp_path):
    code = f"""
import os, signal
from dataclasses import replace
from pathlib import Path
from tests.momos.test_training import config
from complexity_lab.momos.training import train
def told(record):
    if record.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
train(config(), Path({str(tmp_path / "killed")!r}), on_epoch=told)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": "."}, check=False)
    assert done.returncode == -signal.SIGKILL
    train(config(), tmp_path / "killed")
    train(config(), tmp_path / "whole")
    first, second = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = train(config(), tmp_path / "run")
    told = []
    second = train(config(), tmp_path / "run", on_epoch=told.append)
    assert not told
    assert second.epochs == first.epochs
    assert second.test_accuracy_best == first.test_accuracy_best
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_another_run_is_refused_with_the_difference(tmp_path):
    train(config(), tmp_path / "run")
    with pytest.raises(PlanMismatchError, match="seed: there 1, now 2"):
        train(config(seed=2), tmp_path / "run")


def test_projected_weights_hold_few_motifs(tmp_path):
    result = train(config(), tmp_path / "run")
    values = torch.cat([tensor.flatten() for tensor in weights(tmp_path / "run").values()])
    assert result.k == int(0.01 * result.blocks)
    assert len(torch.unique(values)) <= 8 * result.k
    assert result.epochs[-1].projections == 5  # 1,258 images in batches of 256
    assert 0 < result.epochs[-1].used_motifs <= result.k


def test_a_network_learns_and_a_seed_decides(tmp_path):
    recipe = replace(RECIPE, epochs=8, batch_size=64)
    runs = [train(config(Method(), recipe=recipe), tmp_path / name) for name in "ab"]
    assert runs[0].epochs == runs[1].epochs or [r.validation_loss for r in runs[0].epochs] == [
        r.validation_loss for r in runs[1].epochs
    ]
    assert runs[0].test_accuracy_final > 0.9
    assert runs[0].rac == 1.0


def test_rac_of_fewer_bits(tmp_path):
    assert train(config(Method(bits=8), recipe=replace(RECIPE, epochs=1)), tmp_path / "run").rac == 4.0


def test_patience(tmp_path):
    recipe = replace(RECIPE, epochs=6, patience=1, learning_rate=1e-9)
    result = train(config(Method(s=4, capacity=0.001), recipe=recipe), tmp_path / "run")
    assert result.stopped_early
    assert result.epochs[-1].epoch == result.best_epoch + 1
    assert result.best_epoch >= 1


def test_divergence_is_one_sentence(tmp_path):
    recipe = replace(RECIPE, learning_rate=1e30)
    with pytest.raises(WeightsError, match=r"lower the learning rate|diverged"):
        train(config(Method(), recipe=recipe), tmp_path / "run")


def test_the_callers_random_numbers_stay(tmp_path):
    before = torch.random.get_rng_state()
    train(config(recipe=replace(RECIPE, epochs=1)), tmp_path / "run")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"device": "cuda:7"}, InputError, "device 'cuda:7' is not available"),
        ({"precision": "float8"}, InputError, "precision 'float8'"),
        ({"precision": "float16"}, InputError, "float16 training needs a GPU"),
        ({"dataset": "digitz"}, UnknownNameError, "did you mean digits"),
        ({"dataset": "cifar10"}, InputError, "cifar10 needs --data-dir"),
        ({"method": Method(s=10**7, capacity=0.5)}, InputError, "choose a smaller s"),
        ({"method": Method(s=4, k=10**7)}, InputError, "k = 10000000 motifs, but there are"),
        ({"validation": 1.5}, InputError, "wanted above 0 and below 1"),
    ],
)
def test_what_cannot_work_is_found_before_training(changes, error, message):
    if changes.get("device") == "cuda:7" and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(error, match=message):
        check(config(**changes))


def test_missing_files_without_network(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(UnreachableError, match="does not hold cifar10, and it cannot be downloaded"):
        load_dataset("cifar10", data_dir=tmp_path)


def test_digits_are_three_disjoint_parts():
    data = load_dataset("digits")
    sizes = [len(part) for part in (data.training, data.validation, data.test)]
    assert sum(sizes) == 1797
    assert sizes[2] == 360
    rows = {name: {bytes(image) for image in getattr(data, name).pixels.numpy()} for name in ("training", "test")}
    assert len(rows["training"] & rows["test"]) < 5  # a few digits were written twice alike
    assert load_dataset("digits").training.labels.equal(data.training.labels)
    assert not load_dataset("digits", split_seed=3).training.labels.equal(data.training.labels)


@pytest.fixture
def images():
    return torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seeded():
    return torch.Generator().manual_seed(5)


def test_augmentation_is_decided_by_its_generator(images):
    for name in ("none", "shift", "randaugment"):
        first, second = (augment(name, images, 32, seeded()) for _ in range(2))
        assert torch.equal(first, second)
        assert first.dtype == torch.uint8
        assert torch.equal(first, images) == (name == "none")


def test_flips_and_shifts_move_pixels_only(images):
    mirrored = flipped(images, seeded())
    same = (mirrored == images).flatten(1).all(1)
    turned = (mirrored == images.flip(-1)).flatten(1).all(1)
    assert bool((same ^ turned).all())
    assert 10 < int(same.sum()) < 54
    moved = shifted(images, 2, seeded())
    middle = moved[:, :, 2:-2, 2:-2]
    found = [
        any(torch.equal(middle[i], images[i, :, 2 + dy : 30 + dy, 2 + dx : 30 + dx]) for dy in R for dx in R)
        for R in [range(-2, 3)]
        for i in range(8)
    ]
    assert all(found)


def test_randaugment_uses_every_operation(images):
    many = images.repeat(20, 1, 1, 1)
    changed = (randaugment(many, seeded()) != many).flatten(1).any(1).float().mean()
    assert 0.8 < changed < 1.0  # two draws of identity leave an image as it is
    grey = many[:, :1]
    assert randaugment(grey, seeded()).shape == grey.shape


def test_resizing_keeps_bytes(images):
    large = resized(images, 48)
    assert large.shape == (64, 3, 48, 48)
    assert large.dtype == torch.uint8
    assert abs(float(large.float().mean()) - float(images.float().mean())) < 1


def test_results_are_plain_json(tmp_path):
    train(config(recipe=replace(RECIPE, epochs=1)), tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert np.isfinite(stored["epochs"][1]["distortion"])
