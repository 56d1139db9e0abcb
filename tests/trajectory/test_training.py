import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.trajectory.networks import AdditionNetwork, Perceptron, parameters_of
from complexity_lab.trajectory.recipe import Recipe, measured_steps
from complexity_lab.trajectory.tasks import addition_task, digits_task
from complexity_lab.trajectory.training import generator_of, score, train


def recipe(**changes):
    given = {"optimizer": "adam", "learning_rate": 1e-2, "weight_decay": 0.0, "batch_size": 16, "steps": 12}
    return Recipe(**(given | changes))


def perceptron(seed=0):
    return Perceptron((16,), features=64, classes=10, weights=generator_of(seed, "weights"))


def trained(seed=0, measured=(), watch=None, **changes):
    network, task = perceptron(seed), digits_task(50, subset=generator_of(seed, "data"))
    seen = []

    def keep(moment, network):
        seen.append((moment, copy.deepcopy(network.state_dict())))
        if watch:
            watch(network)

    test = train(
        network,
        task,
        recipe(**changes),
        order=generator_of(seed, "order"),
        measured=measured,
        watch=keep,
    )
    return network, seen, test


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


def test_a_seed_gives_the_same_weights_and_torchs_generator_is_left_alone():
    before = torch.get_rng_state()
    first, second, other = trained(0)[0], trained(0)[0], trained(1)[0]
    assert equal(first.state_dict(), second.state_dict())
    assert not equal(first.state_dict(), other.state_dict())
    assert torch.equal(before, torch.get_rng_state())


def test_watching_changes_nothing():
    unwatched, watched = trained()[0], trained(measured=range(13))[0]
    assert equal(unwatched.state_dict(), watched.state_dict())


def test_moments_are_of_the_steps_asked_for_and_step_0_is_before_training():
    network, seen, _ = trained(measured=(0, 5, 12))
    assert [moment.step for moment, _ in seen] == [0, 5, 12]
    assert [moment.epoch for moment, _ in seen] == [0, 5 / 4, 3]  # 50 examples in batches of 16: 4 steps
    assert equal(seen[0][1], perceptron().state_dict())
    assert equal(seen[-1][1], network.state_dict())


def test_scores_are_those_of_the_weights_of_the_moment():
    _, seen, test = trained(measured=(7, 12))
    task = digits_task(50, subset=generator_of(0, "data"))
    for moment, weights in seen:
        network = perceptron()
        network.load_state_dict(weights)
        for part, found in ((task.training, moment.training), (task.validation, moment.validation)):
            logits = network(part.inputs).detach().numpy().astype(np.float64)
            shifted = logits - logits.max(1, keepdims=True)
            nats = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(part)), part.labels]
            assert found.loss == pytest.approx(nats.mean(), rel=1e-5)
            assert found.accuracy == (logits.argmax(1) == part.labels.numpy()).mean()
    assert test == score(network, task.test)


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adam", 0.1), ("adamw", 0.5), ("sgd", 0.01)])
def test_steps_are_those_of_a_plain_loop(optimizer, decay):
    """The obvious twin: full batches by hand, with torch's optimizers unfused."""
    chosen = recipe(optimizer=optimizer, weight_decay=decay, batch_size=None, steps=5)
    network, task = perceptron(), digits_task(30, subset=generator_of(0, "data"))
    twin = copy.deepcopy(network)
    train(network, task, chosen, order=generator_of(0, "order"), measured=(), watch=lambda *_: None)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    plain = kinds[optimizer](twin.parameters(), lr=chosen.learning_rate, weight_decay=decay)
    for _ in range(5):
        plain.zero_grad()
        F.cross_entropy(twin(task.training.inputs), task.training.labels).backward()
        plain.step()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_epoch_sees_every_example_once():
    """Learning rate 0, and inputs that are their own number: the first layer's inputs are recorded."""
    task, network = digits_task(50, subset=generator_of(0, "data")), perceptron()
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]) if torch.is_grad_enabled() else None)
    train(
        network,
        task,
        recipe(learning_rate=1e-12, steps=8),
        order=generator_of(0, "order"),
        measured=(),
        watch=lambda *_: None,
    )
    assert [len(batch) for batch in seen] == [16, 16, 16, 2] * 2
    for epoch in (seen[:4], seen[4:]):
        assert sorted(torch.cat(epoch).tolist()) == sorted(task.training.inputs.tolist())
    assert not torch.equal(seen[0], seen[4])


def test_learning_learns():
    _, seen, test = trained(measured=(0, 200), steps=200)
    assert seen[0][0].training.accuracy < 0.4
    assert seen[1][0].training.accuracy == 1
    assert test.accuracy > 0.6


def test_a_loss_that_is_not_finite_is_an_error_and_what_was_seen_stays():
    def spoil(network):
        with torch.no_grad():
            network.layers[0].weight.fill_(float("nan"))

    with pytest.raises(WeightsError, match="training diverged: the loss is nan at step 3 of 12; lower"):
        trained(measured=(3,), watch=spoil)
    with pytest.raises(WeightsError, match="training diverged: the training loss is nan at step 0"):
        broken = perceptron()
        spoil(broken)
        task = digits_task(20, subset=generator_of(0, "data"))
        train(broken, task, recipe(), order=generator_of(0, "order"), measured=(0,), watch=lambda *_: None)


def test_what_is_unknown_is_refused():
    with pytest.raises(InputError, match="optimizer 'muon', wanted adam, adamw, sgd"):
        trained(optimizer="muon")
    with pytest.raises(InputError, match="source of random numbers 'luck'"):
        generator_of(0, "luck")
    with pytest.raises(InputError, match="hidden is 0"):
        Perceptron((0,), features=64, classes=10, weights=generator_of(0, "weights"))


def test_measured_steps_begin_at_0_and_end_at_the_last():
    for steps in (1, 2, 9, 10, 999, 3000):
        found = measured_steps(steps, 5)
        assert found[0] == 0
        assert found[1] == 1
        assert found[-1] == steps
        assert list(found) == sorted(set(found))
    with pytest.raises(InputError, match="0 steps"):
        measured_steps(0, 5)


def test_addition_by_tables_is_addition_by_pairs():
    """The network applies its hidden layer to the table of embeddings; the twin applies it to every pair."""
    network = AdditionNetwork(7, embedding=5, hidden=6, weights=generator_of(0, "weights"))
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    vectors = network.embedding(pairs).flatten(1)
    twin = network.output(F.relu(network.hidden(vectors)))
    torch.testing.assert_close(network(pairs), twin)
    labels = pairs.sum(1) % 7
    ours = torch.autograd.grad(F.cross_entropy(network(pairs), labels), list(network.parameters()))
    theirs = torch.autograd.grad(F.cross_entropy(twin, labels), list(network.parameters()))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_initial_weights_are_spread_as_torchs_own():
    network = AdditionNetwork(97, embedding=64, hidden=200, weights=generator_of(0, "weights"))
    assert parameters_of(network) == 97 * 64 + 200 * 128 + 200 + 97 * 200 + 97
    assert float(network.embedding.weight.std().detach()) == pytest.approx(1, rel=0.03)
    for layer in (network.hidden, network.output):
        bound = layer.in_features**-0.5
        assert float(layer.weight.abs().max().detach()) == pytest.approx(bound, rel=0.01)
        assert float(layer.weight.std().detach()) == pytest.approx(bound / 3**0.5, rel=0.03)


@pytest.mark.slow
def test_a_narrow_network_groks():
    """Memorized first, understood later; half a minute."""
    network = AdditionNetwork(97, embedding=64, hidden=128, weights=generator_of(0, "weights"))
    task, seen = addition_task(97, split=generator_of(0, "data")), []
    chosen = Recipe("adamw", 1e-3, 1.0, None, 1800)
    train(
        network,
        task,
        chosen,
        order=generator_of(0, "order"),
        measured=(600, 1800),
        watch=lambda moment, _: seen.append(moment),
    )
    memorized, understood = seen
    assert memorized.training.accuracy == 1
    assert memorized.validation.accuracy < 0.05
    assert understood.validation.accuracy > 0.6
