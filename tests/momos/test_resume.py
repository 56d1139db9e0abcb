"""A small convolutional network with batch normalization and dropout, on augmented images of CIFAR-10's format."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import complexity_lab.momos.training as training
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.method import Method
from complexity_lab.momos.recipes import recipe_for
from complexity_lab.momos.training import RunConfig, train
from tests.cifar import write_cifar10

RECIPE = replace(recipe_for("resnet8", "cifar10", kind="resnet"), epochs=3, batch_size=10)


def small_network(name, *, num_classes, in_channels, image_size, seed):
    torch.default_generator.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(8 * 8 * 8, num_classes),
    )  # fmt: skip


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "build_model", small_network)
    data_dir = write_cifar10(tmp_path / "data", monkeypatch)

    def make(method=Method(s=4, capacity=0.1), **changes):  # noqa: B008
        given = {"model": "small", "dataset": "cifar10", "method": method, "recipe": RECIPE, "data_dir": data_dir}
        return RunConfig(**({"device": "cpu", **given} | changes))

    return make


class Stop(Exception):  # noqa: N818
    pass


def stop_at(epoch):
    def told(record):
        if record.epoch == epoch:
            raise Stop

    return told


def same_weights(first, second):
    names = ("initial", "best", "final")
    states = [[load_file(folder / f"{name}.safetensors") for name in names] for folder in (first, second)]
    return all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(*states, strict=True)
    )


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
@pytest.mark.parametrize("method", [Method(), Method(bits=4), Method(s=4, capacity=0.1), Method(s=2, k=9, every=3)])
def test_stopped_after_any_epoch_it_ends_as_if_it_had_not_been(config, tmp_path, method, epoch):
    whole = train(config(method), tmp_path / "whole")
    with pytest.raises(Stop):
        train(config(method), tmp_path / "parts", on_epoch=stop_at(epoch))
    torch.manual_seed(99)  # another process has other global random numbers
    parts = train(config(method), tmp_path / "parts")
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    timeless = [
        [replace(record, seconds_training=0.0, seconds_projection=0.0) for record in result.epochs]
        for result in (whole, parts)
    ]
    assert timeless[0] == timeless[1]
    assert (parts.best_epoch, parts.test_accuracy_best) == (whole.best_epoch, whole.test_accuracy_best)


def test_seeds_differ_in_everything(config, tmp_path):
    for seed in (0, 1):
        train(config(seed=seed), tmp_path / str(seed))
    assert not same_weights(tmp_path / "0", tmp_path / "1")


@pytest.mark.parametrize(
    "method", [Method(s=2, k=9, every=3), Method(s=2, k=9, every=100), Method(s=2, k=9, every="epoch")]
)
def test_what_is_saved_and_validated_is_always_a_mosaic(config, tmp_path, method):
    result = train(config(method), tmp_path / "run")
    assert all(record.projections >= 1 for record in result.epochs[1:])
    for name in ("best", "final"):
        state = load_file(tmp_path / "run" / f"{name}.safetensors")
        blocks = torch.cat([state[key].reshape(-1, 2) for key in ("0.weight", "5.weight")])
        assert len(torch.unique(blocks, dim=0)) <= 9


def test_statistics_belong_to_their_epoch_and_none_are_there_before_training(config, tmp_path):
    before, *trained = train(config(), tmp_path / "run").epochs
    assert (before.train_loss, before.distortion, before.projections) == (None, None, 0)
    assert [record.projections for record in trained] == [4, 4, 4]  # 36 images in batches of 10
    rates = [record.learning_rate for record in trained]
    assert rates == pytest.approx([0.1, 0.075, 0.025])  # half a cosine over three epochs


def test_initial_weights_may_be_the_best_of_a_baseline_but_not_of_a_mosaic(config, tmp_path):
    recipe = replace(RECIPE, learning_rate=3.0, epochs=1)
    baseline = train(config(Method(), recipe=recipe), tmp_path / "baseline")
    mosaic = train(config(recipe=recipe), tmp_path / "mosaic")
    assert (baseline.best_epoch, mosaic.best_epoch) == (0, 1)
    initial, best = (load_file(tmp_path / "baseline" / f"{name}.safetensors") for name in ("initial", "best"))
    assert all(torch.equal(initial[key], best[key]) for key in initial)


def test_the_probe_sees_raw_weights_before_training_and_after_every_epoch(config, tmp_path):
    def probe(model):
        return {"largest": max(float(parameter.abs().max()) for parameter in model.parameters())}

    result = train(config(Method(bits=2)), tmp_path / "run", probe=probe)
    initial = load_file(tmp_path / "run" / "initial.safetensors")
    names = [name for name in initial if name.endswith(("weight", "bias"))]
    assert result.epochs[0].metrics == {"largest": max(float(initial[name].abs().max()) for name in names)}
    assert len(result.epochs) == 4
    assert all(record.metrics for record in result.epochs)


@pytest.mark.parametrize(
    ("method", "what"),
    [(Method(), "the loss is (nan|inf)"), (Method(s=4, capacity=0.1), "NaN or infinite")],
)
def test_divergence_names_epoch_step_and_way_out(config, tmp_path, method, what):
    recipe = replace(RECIPE, learning_rate=1e38)
    with pytest.raises(
        WeightsError, match=rf"diverged in epoch 1, step \d of 4: .*{what}.*lower the learning rate"
    ) as e:
        train(config(method, recipe=recipe), tmp_path / "run")
    assert "\n" not in str(e.value)


def test_a_stop_ends_the_run_for_good(config, tmp_path):
    told = []
    result = train(config(), tmp_path / "run", on_epoch=told.append, stop=lambda: len(told) == 2)
    assert result.epochs[-1].epoch == 1
    assert train(config(), tmp_path / "run").epochs == result.epochs


def test_nothing_is_written_for_a_run_that_cannot_work(config, tmp_path):
    with pytest.raises(InputError, match="k = 10000000 motifs"):
        train(config(Method(s=2, k=10**7)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_read_the_images_is_found_at_once(config, tmp_path):
    with pytest.raises(InputError, match=r"small maps one image of 3 x 16 x 16 to .*choose another network"):
        train(config(recipe=replace(RECIPE, image_size=16)), tmp_path / "run")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"precision": "float8"}])
def test_a_run_of_no_sense_is_refused(config, wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} "):
        config(**wrong)


def test_bfloat16_trains_and_keeps_float32_weights(config, tmp_path):
    train(config(precision="bfloat16", recipe=replace(RECIPE, epochs=1)), tmp_path / "run")
    assert load_file(tmp_path / "run" / "final.safetensors")["0.weight"].dtype == torch.float32


def test_threads_and_random_numbers_of_the_caller_stay(config, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    training.check(config())
    train(config(), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
