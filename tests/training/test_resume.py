"""A small convolutional network with batch normalization and dropout, on augmented images of CIFAR-10's format."""

import re
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import complexity_lab.momos.training as training
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.method import Method
from complexity_lab.momos.runs import RunConfig
from complexity_lab.momos.training import train_run
from complexity_lab.tables.rows import Measurement
from complexity_lab.training.profiles import recipe_for
from complexity_lab.training.streams import DRAWN, Streams, seeds_of
from complexity_lab.training.trainer import Trainer
from tests.cifar import write_cifar10
from tests.sentences import assert_one_sentence


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


METHODS = [
    Method(),
    Method(bits=4),
    Method(s=4, capacity=0.1),
    Method(s=2, k=9, every=3),
    Method(s=4, capacity=0.1, bits=8, every="epoch"),
    Method(tile=(2, 2), k=50, every=2),
]
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


def same_weights(first, second, names=("initial", "best", "final")):
    states = [[load_file(folder / f"{name}.safetensors") for name in names] for folder in (first, second)]
    return all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(*states, strict=True)
    )


def assert_goes_on_to_the_same_end(config, tmp_path, method):
    """The run in ``parts`` was interrupted; trained again, it ends as one that was not."""
    whole = train_run(config(method), tmp_path / "whole")
    assert not (tmp_path / "parts" / "result.json").exists()
    torch.manual_seed(99)  # another process has other global random numbers
    parts = train_run(config(method), tmp_path / "parts")
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    timeless = [
        [replace(record, seconds_training=0.0, seconds_projection=0.0) for record in result.epochs]
        for result in (whole, parts)
    ]
    assert timeless[0] == timeless[1]
    assert (parts.best_epoch, parts.test_accuracy_best) == (whole.best_epoch, whole.test_accuracy_best)


@pytest.mark.parametrize("epoch", [slow(0), 1, slow(2), slow(3)])
@pytest.mark.parametrize("method", METHODS)
def test_stopped_after_any_epoch_it_ends_as_if_it_had_not_been(config, tmp_path, method, epoch):
    with pytest.raises(Stop):
        train_run(config(method), tmp_path / "parts", on_epoch=stop_at(epoch))
    assert_goes_on_to_the_same_end(config, tmp_path, method)


@pytest.mark.parametrize("step", [slow(1), 6, slow(11)])  # the first, the second and the third of an epoch's 4
@pytest.mark.parametrize("method", METHODS)
def test_stopped_inside_any_epoch_it_ends_as_if_it_had_not_been(config, tmp_path, monkeypatch, method, step):
    real, made = Trainer._update, []

    def until_stopped(self, *batch):
        made.append(real(self, *batch))
        if len(made) == step:
            raise Stop
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", until_stopped)
        with pytest.raises(Stop):
            train_run(config(method), tmp_path / "parts")
    assert_goes_on_to_the_same_end(config, tmp_path, method)


def test_every_seed_gives_every_source_of_randomness_a_seed_of_its_own():
    seeds = [seeds_of(seed) for seed in range(20)]
    assert all(set(found) == set(DRAWN) for found in seeds)
    assert len({value for found in seeds for value in found.values()}) == 20 * len(DRAWN)
    streams = Streams.of_seed(3)
    drawn = [getattr(streams, name).initial_seed() for name in DRAWN if name != "dropout"]
    assert drawn == [seeds_of(3)[name] for name in DRAWN if name != "dropout"]


@pytest.fixture
def trained(config, tmp_path, monkeypatch):
    """Train an epoch with the numbers of seed 0, but for one source of them those of seed 1; return its directory."""

    def make(other=None, name=None):
        def mixed(_):
            return seeds_of(0) | ({other: seeds_of(1)[other]} if other in DRAWN else {})

        directory = tmp_path / (name or str(other))
        with monkeypatch.context() as patch:
            for module in ("training.streams", "momos.training"):
                patch.setattr(f"complexity_lab.{module}.seeds_of", mixed)
            seed = int(other == "initialization")
            train_run(config(Method(s=2, k=9), recipe=replace(RECIPE, epochs=1), seed=seed), directory)
        return directory

    return make


def test_equal_seeds_are_equal_weights(trained):
    assert same_weights(trained(name="first"), trained(name="second"))


@pytest.mark.parametrize("source", DRAWN)
def test_a_seed_decides_each_source_of_randomness_alone(trained, source):
    base, other = trained(), trained(source)
    assert same_weights(base, other, ("initial",))
    assert not same_weights(base, other, ("final",))


def test_a_seed_decides_the_initialization_alone(trained):
    assert not same_weights(trained(), trained("initialization"), ("initial",))


@pytest.mark.parametrize(
    "method", [Method(s=2, k=9, every=3), Method(s=2, k=9, every=100), Method(s=2, k=9, every="epoch")]
)
def test_what_is_saved_and_validated_is_always_a_mosaic(config, tmp_path, method):
    result = train_run(config(method), tmp_path / "run")
    assert all(record.projections >= 1 for record in result.epochs[1:])
    for name in ("best", "final"):
        state = load_file(tmp_path / "run" / f"{name}.safetensors")
        blocks = torch.cat([state[key].reshape(-1, 2) for key in ("0.weight", "5.weight")])
        assert len(torch.unique(blocks, dim=0)) <= 9


def test_statistics_belong_to_their_epoch_and_none_are_there_before_training(config, tmp_path):
    before, *trained = train_run(config(), tmp_path / "run").epochs
    assert (before.train_loss, before.distortion, before.projections) == (None, None, 0)
    assert [record.projections for record in trained] == [4, 4, 4]  # 36 images in batches of 10
    rates = [record.learning_rate for record in trained]
    assert rates == pytest.approx([0.1, 0.075, 0.025])  # half a cosine over three epochs


def test_initial_weights_may_be_the_best_of_a_baseline_but_not_of_a_mosaic(config, tmp_path):
    recipe = replace(RECIPE, learning_rate=3.0, epochs=1)
    baseline = train_run(config(Method(), recipe=recipe), tmp_path / "baseline")
    mosaic = train_run(config(recipe=recipe), tmp_path / "mosaic")
    assert (baseline.best_epoch, mosaic.best_epoch) == (0, 1)
    initial, best = (load_file(tmp_path / "baseline" / f"{name}.safetensors") for name in ("initial", "best"))
    assert all(torch.equal(initial[key], best[key]) for key in initial)


def test_the_probe_sees_raw_weights_before_training_and_after_every_epoch(config, tmp_path):
    def probe(model):
        largest = max(float(parameter.abs().max()) for parameter in model.parameters())
        return [Measurement(model="net", scope="model", metric="largest", unit="1", value=largest)]

    result = train_run(config(Method(bits=2)), tmp_path / "run", probe=probe)
    initial = load_file(tmp_path / "run" / "initial.safetensors")
    names = [name for name in initial if name.endswith(("weight", "bias"))]
    (row,) = result.epochs[0].measurements
    assert row.value == max(float(initial[name].abs().max()) for name in names)
    assert [len(record.measurements) for record in result.epochs] == [1] * 4
    assert train_run(config(Method(bits=2)), tmp_path / "run", probe=probe).epochs == result.epochs  # read again


@pytest.mark.parametrize(
    ("method", "got"),
    [
        (Method(), "the loss is (nan|inf)"),
        (
            Method(s=4, capacity=0.1),
            r"\d+ of 216 weights of 0\.weight are NaN or infinite; the training step before diverged",
        ),
    ],
)
@pytest.mark.parametrize(("precision", "or_else"), [("float32", ""), ("bfloat16", ", or train with precision float32")])
def test_divergence_is_one_sentence(config, tmp_path, method, got, precision, or_else):
    """It names the run, epoch and step, what was found there, and the way out."""
    config = config(method, recipe=replace(RECIPE, learning_rate=1e38), precision=precision)
    with pytest.raises(WeightsError) as error:
        train_run(config, tmp_path / "run")
    assert_one_sentence(error.value)
    what = rf"training of {re.escape(config.key)} diverged in epoch 1, step [1-4] of 4"
    wanted = rf"lower the learning rate, 1e\+38 there{or_else}"
    assert re.fullmatch(f"{what}: {got}; {wanted}", str(error.value)), error.value


def test_a_stop_ends_the_run_for_good(config, tmp_path):
    told = []
    result = train_run(config(), tmp_path / "run", on_epoch=told.append, stop=lambda: len(told) == 2)
    assert result.epochs[-1].epoch == 1
    assert train_run(config(), tmp_path / "run").epochs == result.epochs


def test_nothing_is_written_for_a_run_that_cannot_work(config, tmp_path):
    with pytest.raises(InputError, match="k = 10000000 motifs"):
        train_run(config(Method(s=2, k=10**7)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_read_the_images_is_found_at_once(config, tmp_path):
    with pytest.raises(InputError, match=r"cifar10-small-.* maps one image of 3 x 16 x 16 to .*choose another network"):
        train_run(config(recipe=replace(RECIPE, image_size=16)), tmp_path / "run")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"precision": "float8"}])
def test_a_run_of_no_sense_is_refused(config, wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} "):
        config(**wrong)


def test_bfloat16_trains_and_keeps_float32_weights(config, tmp_path):
    train_run(config(precision="bfloat16", recipe=replace(RECIPE, epochs=1)), tmp_path / "run")
    assert load_file(tmp_path / "run" / "final.safetensors")["0.weight"].dtype == torch.float32


def test_threads_and_random_numbers_of_the_caller_stay(config, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    training.check(config())
    train_run(config(), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
