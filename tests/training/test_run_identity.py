"""What a run directory holds belongs to one run: its metrics, its best weights, its id at a tracker, its settings."""

import json
import os
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

import complexity_lab.momos.training as training
from complexity_lab.errors import PlanMismatchError
from complexity_lab.momos.method import Method
from complexity_lab.momos.runs import RunConfig
from complexity_lab.momos.trackers import tracker_for
from complexity_lab.momos.training import train_run
from complexity_lab.tables.rows import Measurement
from complexity_lab.training.checkpoints import RunDirectory
from complexity_lab.training.devices import WORKSPACE, deterministic
from complexity_lab.training.profiles import recipe_for
from complexity_lab.training.run import Run

RECIPE = replace(recipe_for("mlp", "digits"), epochs=3, batch_size=256, image_size=8)


def config(method=Method(), **changes):  # noqa: B008
    given = {"model": "mlp", "dataset": "digits", "method": method, "recipe": RECIPE, "device": "cpu"}
    return RunConfig(**(given | changes))


class Killed(Exception):  # noqa: N818
    pass


@dataclass(frozen=True)
class Probe:
    metrics: tuple[str, ...]

    def __call__(self, model):
        return [Measurement(model="net", scope="model", metric=name, unit="bits", value=1.0) for name in self.metrics]


def kill_in_epoch(epoch):
    def told(record):
        if record.epoch == epoch:
            raise Killed

    return told


def test_other_metrics_are_refused_before_training_goes_on(tmp_path):
    with pytest.raises(Killed):
        train_run(config(), tmp_path, probe=Probe(("bdm",)), on_epoch=kill_in_epoch(1))
    assert json.loads((tmp_path / "config.json").read_text())["metrics"] == ["bdm"]
    sentence = "holds a run that measures bdm, and now (bdm, gzip|nothing) is to be measured; ask for the same metrics"
    for probe in (Probe(("bdm", "gzip")), None):
        with pytest.raises(PlanMismatchError, match=sentence):
            train_run(config(), tmp_path, probe=probe, on_epoch=lambda _: pytest.fail("trained"))
    assert len(train_run(config(), tmp_path, probe=Probe(("bdm",))).epochs) == 4


def test_a_directory_that_does_not_say_what_it_watches_goes_on(tmp_path):
    with pytest.raises(Killed):
        train_run(config(), tmp_path, on_epoch=kill_in_epoch(1))
    (tmp_path / "config.json").write_text(json.dumps(config().as_dict()))
    probe = Probe(("bdm",))
    assert train_run(config(), tmp_path, probe=probe).epochs[-1].measurements == tuple(probe(None))


def test_every_epoch_is_told_once_also_if_killed_before_the_first_ended(tmp_path, monkeypatch):
    told = []
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_epoch", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train_run(config(), tmp_path, on_epoch=told.append)
    train_run(config(), tmp_path, on_epoch=told.append)
    assert [record.epoch for record in told] == [0, 1, 2, 3]


@pytest.fixture
def losses(monkeypatch):
    """Validation losses by epoch, as the test sets them."""
    given = {}
    record = Run._record

    def faked(self):
        return replace(record(self), validation_loss=given[len(self.epochs)])

    monkeypatch.setattr(Run, "_record", faked)
    return given


def killed_at_the_third(patch, method):
    """End the process, as it were, instead of the third checkpoint or the third best weights: both are of epoch 2."""
    real, calls = getattr(RunDirectory, method), []

    def instead(self, first, *rest):
        if first not in ("initial", "final"):
            calls.append(first)
        if len(calls) == 3:
            raise Killed
        return real(self, first, *rest)

    patch.setattr(RunDirectory, method, instead)


@pytest.mark.parametrize(
    ("method", "later", "best"),
    [
        ("save_checkpoint", {2: 2.0}, 1),  # trained again, on a GPU say, epoch 2 is not the best any more
        ("save_weights", {}, 2),
    ],
)
def test_the_best_weights_are_those_of_the_best_epoch(tmp_path, monkeypatch, losses, method, later, best):
    losses.update({0: 4.0, 1: 1.0, 2: 0.5, 3: 3.0})
    kept = {}

    def told(record):
        kept[record.epoch] = load_file(tmp_path / "whole" / "best.safetensors")

    train_run(config(), tmp_path / "whole", on_epoch=told)
    with monkeypatch.context() as patch:
        killed_at_the_third(patch, method)
        with pytest.raises(Killed):
            train_run(config(), tmp_path / "run")
    losses.update(later)
    assert train_run(config(), tmp_path / "run").best_epoch == best
    found = load_file(tmp_path / "run" / "best.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in kept[best].items())


def test_a_run_that_goes_on_is_the_same_run_at_wandb(tmp_path, monkeypatch):
    begun = []
    run = SimpleNamespace(log=lambda *_, **__: None, finish=lambda: None)
    wandb = SimpleNamespace(init=lambda **options: begun.append(options) or run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for name in ("a", "a", "b"):
        with tracker_for("wandb", config(), tmp_path / name):
            pass
    first, second, other = (options["id"] for options in begun)
    assert first == second != other
    assert {options["resume"] for options in begun} == {"allow"}
    train_run(config(recipe=replace(RECIPE, epochs=1)), tmp_path / "a")  # the directory is still free for its run


def test_a_gpu_is_asked_for_deterministic_algorithms_and_only_during_training(tmp_path, monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with deterministic(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.backends.cudnn.benchmark
        assert WORKSPACE in os.environ
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    assert WORKSPACE not in os.environ
    entered = []
    monkeypatch.setattr(training, "deterministic", lambda device: entered.append(device) or deterministic(device))
    train_run(config(recipe=replace(RECIPE, epochs=1)), tmp_path)
    assert entered == [torch.device("cpu")]


@pytest.mark.gpu
def test_on_a_gpu_a_killed_run_ends_as_one_that_was_not(tmp_path):
    method = Method(s=4, capacity=0.05)
    train_run(config(method, device="cuda"), tmp_path / "whole")
    with pytest.raises(Killed):
        train_run(config(method, device="cuda"), tmp_path / "parts", on_epoch=kill_in_epoch(1))
    train_run(config(method, device="cuda"), tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / "final.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
