"""The callbacks, called as the frameworks document it; the frameworks themselves are stand-ins of a few lines."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from complexity_lab.errors import InputError
from complexity_lab.momos.callbacks import lightning_callback, trainer_callback
from complexity_lab.momos.projection import MoMos


class Callback:
    """Stands for the base class of either framework."""

    def __init__(self):
        self.base_was_made = True


@pytest.fixture
def frameworks(monkeypatch):
    lightning, pytorch, transformers = (ModuleType(n) for n in ("lightning", "lightning.pytorch", "transformers"))
    lightning.pytorch, pytorch.Callback, transformers.TrainerCallback = pytorch, Callback, Callback
    for module in (lightning, pytorch, transformers):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Linear(8, 4)


def momos():
    return MoMos(s=2, k=3, generator=torch.Generator().manual_seed(0))


def fit(callback, model, *, epochs, batches, accumulate=1, start=0):
    """Call the hooks of Lightning in its order; return the projections made before each validation."""
    trainer = SimpleNamespace(global_step=start, is_last_batch=False)
    seen_by_validation = []
    callback.on_train_start(trainer, model)
    for _ in range(epochs):
        for batch_idx in range(batches):
            trainer.is_last_batch = batch_idx == batches - 1
            if (batch_idx + 1) % accumulate == 0 or trainer.is_last_batch:
                trainer.global_step += 1
            callback.on_train_batch_end(trainer, model, None, None, batch_idx)
        seen_by_validation.append(callback.projector.projections)
        callback.on_train_epoch_end(trainer, model)
    return seen_by_validation


def train(callback, model, *, epochs, steps):
    """Call the hooks of transformers' Trainer, with some of the keyword arguments it adds."""
    state, more = SimpleNamespace(global_step=0), {"optimizer": None, "train_dataloader": None}
    callback.on_train_begin(None, state, None, model=model, **more)
    for _ in range(epochs):
        for _ in range(steps):
            state.global_step += 1
            callback.on_step_end(None, state, None, model=model, **more)
        callback.on_epoch_end(None, state, None, model=model, **more)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("make", [lightning_callback, trainer_callback])
def test_it_is_a_callback_of_the_framework(make):
    callback = make(momos())
    assert isinstance(callback, Callback)
    assert callback.base_was_made


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(("every", "expected"), [("step", [4, 8]), (1, [4, 8]), (3, [1, 2]), ("epoch", [1, 2])])
def test_lightning_projects_before_validation(every, expected, model):
    results = []
    callback = lightning_callback(momos(), every, results.append)
    assert fit(callback, model, epochs=2, batches=4) == expected
    assert len(results) == callback.projector.projections == expected[-1]
    assert model.weight.unique().numel() <= 6


@pytest.mark.usefixtures("frameworks")
def test_lightning_projects_only_when_a_step_was_made(model):
    assert fit(lightning_callback(momos()), model, epochs=1, batches=8, accumulate=4) == [2]


@pytest.mark.usefixtures("frameworks")
def test_lightning_resumes_the_count(model):
    assert fit(lightning_callback(momos(), 5), model, epochs=1, batches=4, start=8) == [1]  # at step 10, not 13


@pytest.mark.usefixtures("frameworks")
def test_lightning_catches_an_epoch_that_ended_otherwise(model):
    callback, trainer = lightning_callback(momos(), "epoch"), SimpleNamespace(global_step=0, is_last_batch=False)
    callback.on_train_start(trainer, model)
    trainer.global_step = 2
    callback.on_train_batch_end(trainer, model, outputs=None, batch=None, batch_idx=1)
    assert callback.projector.projections == 0
    callback.on_train_epoch_end(trainer, model)
    callback.on_train_epoch_end(trainer, model)
    assert callback.projector.projections == 1


@pytest.mark.usefixtures("frameworks")
def test_lightning_saves_the_random_state(model):
    callback, other = lightning_callback(momos()), lightning_callback(momos())
    fit(callback, model, epochs=1, batches=2)
    other.load_state_dict(callback.state_dict())
    assert other.projector.projections == 2
    assert torch.equal(other.projector.momos.generator.get_state(), callback.projector.momos.generator.get_state())


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(("every", "expected"), [("step", 6), (4, 1), ("epoch", 2)])
def test_the_trainer_projects_after_real_steps(every, expected, model):
    results = []
    callback = trainer_callback(momos(), every, results.append)
    train(callback, model, epochs=2, steps=3)
    assert callback.projector.projections == len(results) == expected
    assert model.weight.unique().numel() <= 6


@pytest.mark.usefixtures("frameworks")
def test_a_trainer_without_a_model_is_an_error():
    with pytest.raises(InputError, match="the trainer called without model=, so there is nothing to project"):
        trainer_callback(momos()).on_step_end(None, SimpleNamespace(global_step=1), None)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("make", [lightning_callback, trainer_callback])
@pytest.mark.parametrize(
    ("every", "sentence"), [("batch", "every 'batch', wanted step, epoch or a"), (0, "every 0 steps")]
)
def test_another_schedule_is_refused(make, every, sentence):
    with pytest.raises(InputError, match=sentence):
        make(momos(), every)


@pytest.mark.usefixtures("frameworks")
def test_what_does_not_fit_the_model_is_refused_before_training(model):
    with pytest.raises(InputError, match="k = 99 motifs, but there are 18 blocks"):
        fit(lightning_callback(MoMos(s=2, k=99)), model, epochs=1, batches=1)
    with pytest.raises(InputError, match="blocks of s = 99 values"):
        train(trainer_callback(MoMos(s=99)), model, epochs=1, steps=1)


@pytest.mark.parametrize(
    ("make", "absent"), [(lightning_callback, "lightning.pytorch"), (trainer_callback, "transformers")]
)
def test_a_missing_package_is_named(make, absent, monkeypatch):
    monkeypatch.setitem(sys.modules, absent, None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, absent.partition(".")[0], None)
    with pytest.raises(InputError, match=f"{absent}.* needs the package {absent.partition('.')[0]}, which cannot be"):
        make(momos())


def test_importing_the_callbacks_imports_no_framework():
    check = "import sys, complexity_lab.momos.callbacks; print({'lightning', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
