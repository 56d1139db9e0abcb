"""The loop, against plain ones of the same arithmetic, and what it tells of itself."""

import copy
from dataclasses import replace
from math import cos, pi

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.training.batches import batches_of
from complexity_lab.training.datasets import load_dataset
from complexity_lab.training.digits import digits
from complexity_lab.training.networks import AdditionNetwork, Perceptron
from complexity_lab.training.recipe import DigitsSplit, Recipe
from complexity_lab.training.schedules import learning_rate, measured_steps
from complexity_lab.training.scores import evaluate, score
from complexity_lab.training.streams import Streams, generator_of, seeded
from complexity_lab.training.tasks import addition_task, digits_task
from complexity_lab.training.trainer import Trainer, train
from tests.naive import training as naive


def recipe(**changes):
    given = {"optimizer": "adam", "learning_rate": 1e-2, "weight_decay": 0.0, "batch_size": 16, "steps": 12}
    return Recipe(**(given | changes))


def perceptron(seed=0):
    return Perceptron((16,), features=64, classes=10, weights=generator_of(seed, "weights"))


def task(size=50, seed=0):
    return digits_task(size, subset=generator_of(seed, "data"))


def streams(seed=0):
    return Streams.shared(generator_of(seed, "order"))


def trained(seed=0, at=(), observe=None, **changes):
    network, data, seen = perceptron(seed), task(seed=seed), []

    def keep(state, network):
        seen.append((state, copy.deepcopy(network.state_dict())))
        if observe:
            observe(network)

    train(network, data, recipe(**changes), streams=streams(seed), at=at, observe=keep)
    return network, seen, score(network, data.test)


def convolutional(channels=1):
    """With batch normalization, and dropout, which draws from torch's own generator."""
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.LazyLinear(10)
    )


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


def test_a_seed_gives_the_same_weights_and_torchs_generator_is_left_alone():
    before = torch.get_rng_state()
    first, second, other = trained(0)[0], trained(0)[0], trained(1)[0]
    assert equal(first.state_dict(), second.state_dict())
    assert not equal(first.state_dict(), other.state_dict())
    assert torch.equal(before, torch.get_rng_state())


def test_observing_changes_nothing():
    unseen, observed = trained()[0], trained(at=range(13))[0]
    assert equal(unseen.state_dict(), observed.state_dict())


def test_states_are_of_the_steps_asked_for_and_step_0_is_before_training():
    network, seen, _ = trained(at=(0, 5, 12))
    assert [state.step for state, _ in seen] == [0, 5, 12]
    assert [state.epoch for state, _ in seen] == [0, 5 / 4, 3]  # 50 examples in batches of 16: 4 steps
    assert equal(seen[0][1], perceptron().state_dict())
    assert equal(seen[-1][1], network.state_dict())


def test_scores_are_those_of_the_weights_of_the_step():
    _, seen, test = trained(at=(7, 12))
    data = task()
    for state, weights in seen:
        network = perceptron()
        network.load_state_dict(weights)
        for part, found in ((data.training, state.training), (data.validation, state.validation)):
            logits = network(part.inputs).detach().numpy().astype(np.float64)
            shifted = logits - logits.max(1, keepdims=True)
            nats = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(part)), part.labels]
            assert found.loss == pytest.approx(nats.mean(), rel=1e-5)
            assert found.accuracy == (logits.argmax(1) == part.labels.numpy()).mean()
    assert test == score(network, data.test)


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adam", 0.1), ("adamw", 0.5), ("sgd", 0.01)])
@pytest.mark.parametrize("size", [16, 64, None])
def test_a_watched_training_is_the_plain_loop(optimizer, decay, size):
    """Bit for bit: batches in a new order after every pass, the last one short; or everything at every step."""
    chosen, data, network = recipe(optimizer=optimizer, weight_decay=decay, batch_size=size), task(), perceptron()
    twin, order, epochs = copy.deepcopy(network), generator_of(0, "order"), []
    for _ in range(3 if size == 16 else 12):
        mixed = torch.randperm(50, generator=order) if size == 16 else torch.arange(50)
        epochs.append([(data.training.inputs[part], data.training.labels[part]) for part in mixed.split(size or 50)])
    train(network, data, chosen, streams=streams())
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    naive.fit(twin, kinds[optimizer](twin.parameters(), lr=1e-2, weight_decay=decay, fused=True), epochs)
    assert equal(network.state_dict(), twin.state_dict())


def test_the_zoos_training_is_the_plain_loop():
    """Bit for bit: warm-up and cosine step by step, shifts, full batches, clipped gradients, no decay of vectors."""
    data = digits(DigitsSplit(size=8))
    images, size, steps = data.training, 300, 8
    chosen = recipe(
        **{"optimizer": "adamw", "batch_size": size, "steps": None, "epochs": 2, "weight_decay": 0.05},
        **{"decays": "matrices", "schedule": "warmup_cosine", "warmup": 0.25, "last_batch": "drop"},
        **{"clip_norm": 0.5, "augmentation": "shift", "shift": 1},
    )
    network = convolutional(3)
    network(images.inputs[:1])
    twin = copy.deepcopy(network)

    def epoch():
        order = torch.randperm(len(images))
        for start in range(0, 4 * size, size):
            part = order[start : start + size]
            shifts = naive.shifted(images.inputs[part], 1, float(images.inputs.min()))
            yield shifts.contiguous(memory_format=torch.channels_last), images.labels[part]

    rates = [1e-2 * (step + 1) / 2 for step in range(2)]
    rates += [1e-2 * 0.5 * (1 + cos(pi * step / 6)) for step in range(6)]
    assert [learning_rate(chosen, step, 4) for step in range(steps)] == rates
    vectors = [[p for p in twin.parameters() if (p.ndim > 1) is matrices] for matrices in (True, False)]
    groups = [{"params": found, "weight_decay": decay} for found, decay in zip(vectors, (0.05, 0.0), strict=True)]
    with seeded(3) as drawn:
        train(network, data, chosen, streams=drawn)
    with seeded(3):
        each = iter([rate for rate in rates for _ in groups])
        naive.fit(twin, torch.optim.AdamW(groups, lr=1, fused=True), [epoch(), epoch()], clip=0.5, rates=each)
    assert equal(network.state_dict(), twin.state_dict())


def test_a_runs_training_is_the_plain_loop_with_torchs_own_scheduler():
    """Bit for bit: bytes normalised, a cosine from epoch to epoch, a last batch of one image left out."""
    data = load_dataset("digits")
    chosen = recipe(
        **{"optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 628, "steps": None, "epochs": 3},
        **{"schedule": "cosine", "last_batch": "drop_single", "augmentation": "none"},
    )
    network = convolutional(3)
    network(torch.zeros(1, 3, 32, 32))
    twin = copy.deepcopy(network)
    scale = [255 * torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.sd)]
    pixels = ((data.training.inputs.float() - scale[0]) / scale[1]).contiguous(memory_format=torch.channels_last)
    order = Streams.of_seed(4).order

    def epoch():
        for part in torch.randperm(1257, generator=order)[:1256].split(628):
            yield pixels[part].contiguous(memory_format=torch.channels_last), data.training.labels[part]

    torch.manual_seed(6)
    train(network, data, chosen, streams=Streams.of_seed(4))
    optimizer = torch.optim.SGD(twin.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    torch.manual_seed(6)
    naive.fit(twin, optimizer, (epoch() for _ in range(3)), scheduler=scheduler)
    assert equal(network.state_dict(), twin.state_dict())


@pytest.mark.parametrize("epochs", [1, 2, 7, 200])
def test_a_cosine_from_epoch_to_epoch_has_torchs_very_numbers(epochs):
    chosen = recipe(schedule="cosine", steps=None, epochs=epochs, learning_rate=0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        assert learning_rate(chosen, 3 * epoch, 3) == learning_rate(chosen, 3 * epoch + 2, 3)
        assert learning_rate(chosen, 3 * epoch, 3) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()


def test_the_rate_warms_up_to_its_peak_and_falls_to_zero():
    chosen = recipe(schedule="warmup_cosine", warmup=0.1, steps=100)
    rates = [learning_rate(chosen, step, 10) for step in range(100)]
    assert max(rates) == rates[9] == pytest.approx(1e-2)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-5


def test_a_training_goes_on_where_its_state_was_taken():
    """Dropout, batch normalization, momenta, order and shifts: what is restored is all that decides."""
    data = digits(DigitsSplit(size=8, channels=1))
    chosen = recipe(steps=None, epochs=3, batch_size=200, augmentation="shift", optimizer="adamw")

    def begun(seed):
        network = convolutional()
        network(data.training.inputs[:1])
        return Trainer(network, data, chosen, streams=Streams.of_seed(seed))

    def epochs(trainer, count):
        for _ in range(count):
            for update in trainer.epoch():
                last = update
        return last

    straight, resumed = begun(0), begun(1)
    torch.manual_seed(7)
    epochs(straight, 1)
    saved = copy.deepcopy(straight.state_dict())
    assert epochs(straight, 2).step == straight.steps == 21
    resumed.load_state_dict(saved)
    epochs(resumed, 2)
    assert equal(straight.network.state_dict(), resumed.network.state_dict())


def test_learning_learns():
    _, seen, test = trained(at=(0, 200), steps=200)
    assert seen[0][0].training.accuracy < 0.4
    assert seen[1][0].training.accuracy == 1
    assert test.accuracy > 0.6


def spoil(network):
    with torch.no_grad():
        network.layers[0].weight.fill_(float("nan"))


def test_a_loss_that_is_not_finite_is_an_error_that_says_where():
    with pytest.raises(WeightsError, match="training of the network diverged at step 4 of 12: the loss is nan; lower"):
        trained(at=(3,), observe=spoil)
    with pytest.raises(WeightsError, match=r"diverged in epoch 2, step 1 of 4: the loss is nan; .* rate, 0\.01 there"):
        trained(at=(4,), observe=spoil, steps=None, epochs=2)
    broken = perceptron()
    spoil(broken)
    with pytest.raises(WeightsError, match="diverged at step 0 of 12: the training loss is nan"):
        train(broken, task(), recipe(), streams=streams(), at=(0,), observe=lambda *_: None)


def test_a_last_step_that_overflows_is_not_taken_for_a_result():
    with pytest.raises(WeightsError, match=r"at step 1 of 1: layers\.0\.weight is not finite"):
        trained(steps=1, learning_rate=1e39)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match="50 training examples, fewer than a batch of 64; choose a smaller batch_size"):
        train(perceptron(), task(), recipe(batch_size=64, last_batch="drop"), streams=streams())
    with pytest.raises(InputError, match="source of random numbers 'luck'"):
        generator_of(0, "luck")


class FirstPixel(nn.Module):
    """Says what the first pixel says."""

    def forward(self, pixels):
        return nn.functional.one_hot(pixels[:, 0].long(), 10).float()


def test_a_score_over_batches_is_that_over_all():
    part = task().training
    part = replace(part, inputs=part.labels[:, None].repeat(1, 4).float())
    part.inputs[:20] = (part.inputs[:20] + 1) % 10
    found = evaluate(FirstPixel(), batches_of(part, 7))
    assert found.accuracy == score(FirstPixel(), part).accuracy == 0.6
    assert found.loss == pytest.approx(score(FirstPixel(), part).loss, rel=1e-6)


def test_measured_steps_begin_at_0_and_end_at_the_last():
    for steps in (1, 2, 9, 10, 999, 3000):
        found = measured_steps(steps, 5)
        assert found[0] == 0
        assert found[1] == 1
        assert found[-1] == steps
        assert list(found) == sorted(set(found))
    with pytest.raises(InputError, match="0 steps"):
        measured_steps(0, 5)


@pytest.mark.slow
def test_a_narrow_network_groks():
    """Memorized first, understood later; half a minute."""
    network = AdditionNetwork(97, embedding=64, hidden=128, weights=generator_of(0, "weights"))
    data, seen = addition_task(97, split=generator_of(0, "data")), []
    chosen = recipe(optimizer="adamw", learning_rate=1e-3, weight_decay=1.0, batch_size=None, steps=1800)
    train(network, data, chosen, streams=streams(), at=(600, 1800), observe=lambda state, _: seen.append(state))
    memorized, understood = seen
    assert memorized.training.accuracy == 1
    assert memorized.validation.accuracy < 0.05
    assert understood.validation.accuracy > 0.6
