"""Methods: their kinds, names, and the arguments that exclude each other."""

import pytest
import torch
from torch import nn

from complexity_lab.errors import InputError
from complexity_lab.momos.method import Method


@pytest.mark.parametrize(
    ("method", "kind", "name"),
    [
        (Method(), "baseline", "baseline"),
        (Method(bits=8), "qat", "qat-8"),
        (Method(s=4, capacity=0.01), "momos", "momos-s4-c0.01"),
        (Method(s=2, k=16, force_zero=False, every="epoch"), "momos", "momos-s2-k16-nozero-epoch"),
        (Method(s=2, k=16, every=5, choice="kmeans", padding="vector"), "momos", "momos-s2-k16-5-kmeans-vector"),
        (Method(tile=(2, 1), capacity=0.1), "momos", "momos-t2x1-c0.1"),
        (Method(s=4, capacity=0.1, bits=4), "momos+qat", "momos-s4-c0.1-qat-4"),
    ],
)
def test_kind_and_name(method, kind, name):
    assert (method.kind, method.name) == (kind, name)
    assert method.has_motifs is ("momos" in kind)
    assert method.rounds is ("qat" in kind)


def test_the_projection_has_the_arguments_of_the_method():
    generator = torch.Generator().manual_seed(0)
    momos = Method(s=3, k=2, bits=8, force_zero=False, padding="vector", choice="frequent").momos(generator)
    assert (momos.s, momos.k, momos.capacity, momos.q, momos.force_zero) == (3, 2, None, 32, False)
    assert (momos.padding, momos.generator) == ("vector", generator)
    assert momos(nn.Linear(3, 3)).q == 32  # motifs are not rounded; what is rounded differs between tensors
    assert Method(tile=(2, 3), capacity=0.5).momos().tile == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bits": 1}, "1 bit, wanted 2 to 32"),
        ({"bits": 33}, "33 bits, wanted 2 to 32"),
        ({"every": 0}, "a projection every 0 steps, wanted at least 1"),
        ({"every": "batch"}, "every 'batch', wanted step, epoch or a number of steps"),
        ({"s": 4}, "blocks without a number of motifs; give capacity"),
        ({"capacity": 0.1}, "a number of motifs without a block size; give s"),
        ({"k": 3}, "a number of motifs without a block size; give s"),
        ({"s": 4, "k": 3, "capacity": 0.1}, "k = 3 and capacity = 0.1: give one of them"),
        ({"s": 0, "k": 3}, "s = 0, wanted at least 1"),
        ({"s": 4, "capacity": 2.0}, "capacity 2.0, wanted above 0 and at most 1"),
        ({"tile": (2, 2), "s": 5, "k": 1}, "s = 5 and tiles of 2 x 2"),
    ],
)
def test_impossible_methods_are_refused(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        Method(**arguments)


def test_a_method_without_motifs_has_no_projection():
    with pytest.raises(InputError, match="method qat-4 projects nothing"):
        Method(bits=4).momos()
