"""The networks whose training is watched."""

import pytest
import torch
from torch.nn import functional as F

from complexity_lab.errors import InputError
from complexity_lab.training.networks import AdditionNetwork, Perceptron, parameters_of
from complexity_lab.training.streams import generator_of


def test_a_layer_without_units_is_refused():
    with pytest.raises(InputError, match="hidden is 0"):
        Perceptron((0,), features=64, classes=10, weights=generator_of(0, "weights"))


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
