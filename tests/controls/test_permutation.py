"""Permuted networks compute what they did; the naive twin permutes by hand, unit by unit."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.binary.counting import StreamCounter
from complexity_lab.controls.permutation import Coupling, check_couplings, places_of
from complexity_lab.errors import InputError
from complexity_lab.estimators.bdm import bdm_of


def permute(tensors, couplings, rng):
    """Return all tensors, those that a coupling names with their units in random order."""
    check_couplings(tensors, couplings)
    permuted = dict(tensors)
    for coupling in couplings:
        order = rng.permutation(coupling.size)
        for name, axis, *parts in (*coupling.outputs, *coupling.inputs):
            permuted[name] = np.take(permuted[name], places_of(order, permuted[name].shape[axis], *parts), axis=axis)
    return permuted


@dataclass(frozen=True)
class Layer:
    """One link of a chain: a weight, and the vectors that belong to its outputs."""

    weight: str
    vectors: tuple[str, ...] = ()


def chain_couplings(layers, tensors):
    """Return the couplings of layers that feed one another in turn."""
    return tuple(
        Coupling(((layer.weight, 0), *((name, 0) for name in layer.vectors)), ((following.weight, 1),), size)
        for layer, following in pairwise(layers)
        for size in [tensors[layer.weight].shape[0]]
    )


def mlp():
    return nn.Sequential(nn.Linear(20, 31), nn.ReLU(), nn.Linear(31, 24), nn.Tanh(), nn.Linear(24, 5))


MLP_CHAIN = (Layer("0.weight", ("0.bias",)), Layer("2.weight", ("2.bias",)), Layer("4.weight"))


def convolutions():
    return nn.Sequential(
        *(nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU()),
        *(nn.Conv2d(12, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        nn.Linear(10 * 4 * 4, 7),
    )


def norm(index):
    return tuple(f"{index}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))


CONVOLUTION_CHAIN = (Layer("0.weight", ("0.bias", *norm(1))), Layer("3.weight", norm(4)), Layer("8.weight"))


def depthwise():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 5, 1), nn.Flatten()),
    )


DEPTHWISE = (
    Coupling(
        tuple((name, 0) for name in ("0.weight", "0.bias", "2.weight", "2.bias", *norm(3))), (("5.weight", 1),), size=8
    ),
)


def prepared(make):
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.weight, module.bias, module.running_mean):
                    values.normal_()
                module.running_var.uniform_(0.5, 2)
    return model


def arrays(model):
    return {name: values.numpy() for name, values in model.state_dict().items() if values.ndim}


def outputs(make, tensors, inputs):
    model = prepared(make)
    model.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()}, strict=False)
    with torch.no_grad():
        return model(inputs).numpy()


def bdm_of_model(tensors):
    counter = StreamCounter()
    for values in tensors.values():
        counter.add(values)
    return bdm_of(counter.result())


@pytest.mark.parametrize(
    ("make", "chain", "shape"),
    [(mlp, MLP_CHAIN, (6, 20)), (convolutions, CONVOLUTION_CHAIN, (6, 3, 8, 8)), (depthwise, DEPTHWISE, (6, 3, 8, 8))],
)
def test_the_function_stays_and_bdm_changes(make, chain, shape):
    tensors = arrays(prepared(make))
    couplings = chain if isinstance(chain[0], Coupling) else chain_couplings(chain, tensors)
    permuted = permute(tensors, couplings, np.random.default_rng(0))
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    expected, found = (outputs(make, each, inputs) for each in (tensors, permuted))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert list(permuted) == list(tensors)
    named = {name for coupling in couplings for name, _ in (*coupling.outputs, *coupling.inputs)}
    for name, values in tensors.items():
        assert sorted(values.ravel()) == sorted(permuted[name].ravel())
        assert name not in named or not np.array_equal(values, permuted[name])
    assert bdm_of_model(permuted) != bdm_of_model(tensors)


def test_a_partner_left_behind_changes_the_function():
    """The oracle above must see a coupling that forgets the bias, or the norm's running mean."""
    tensors = arrays(prepared(convolutions))
    inputs = torch.randn((6, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    for forgotten in ("0.bias", "1.running_mean"):
        vectors = tuple(name for name in CONVOLUTION_CHAIN[0].vectors if name != forgotten)
        couplings = chain_couplings((Layer("0.weight", vectors), *CONVOLUTION_CHAIN[1:]), tensors)
        permuted = permute(tensors, couplings, np.random.default_rng(0))
        expected, found = (outputs(convolutions, each, inputs) for each in (tensors, permuted))
        assert np.abs(found - expected).max() > 1e-2


def test_units_move_with_their_runs():
    first, second = np.arange(6.0).reshape(3, 2), np.arange(24.0).reshape(2, 12)
    coupling = Coupling((("first", 0),), (("second", 1),), size=3)
    permuted = permute({"first": first, "second": second}, [coupling], np.random.default_rng(2))
    order = [int(row[0] // 2) for row in permuted["first"]]
    assert sorted(order) == [0, 1, 2]
    assert order != [0, 1, 2]
    by_hand = np.concatenate([second[:, 4 * unit : 4 * unit + 4] for unit in order], axis=1)
    assert np.array_equal(permuted["second"], by_hand)


def test_tensors_outside_the_couplings_are_not_copied_and_none_is_changed():
    tensors = arrays(prepared(mlp))
    before = {name: values.copy() for name, values in tensors.items()}
    permuted = permute(tensors, chain_couplings(MLP_CHAIN, tensors), np.random.default_rng(0))
    assert permuted["4.bias"] is tensors["4.bias"]
    assert all(np.array_equal(tensors[name], before[name]) for name in tensors)


def test_bad_couplings_are_named():
    tensors = {"a": np.zeros((6, 3)), "b": np.zeros((2, 9)), "c": np.zeros(6)}
    with pytest.raises(InputError, match=r"length 9 in 1 part, wanted in each a multiple of the 6"):
        permute(tensors, chain_couplings((Layer("a"), Layer("b")), tensors), None)
    with pytest.raises(InputError, match="no tensor 'd'"):
        permute(tensors, chain_couplings((Layer("a", ("d",)), Layer("b")), tensors), None)
    with pytest.raises(InputError, match="c has 1 axis,"):
        permute(tensors, chain_couplings((Layer("a"), Layer("c")), tensors), None)
    with pytest.raises(InputError, match="lacks outputs or inputs"):
        Coupling((("a", 0),), (), size=6)
    with pytest.raises(InputError, match="an axis twice"):
        Coupling((("a", 0),), (("a", 0),), size=6)
    with pytest.raises(InputError, match="0 units"):
        Coupling((("a", 0),), (("b", 1),), size=0)
    one = Coupling((("a", 0),), (("b", 1),), size=3)
    with pytest.raises(InputError, match="couplings share"):
        permute(tensors, [one, one], np.random.default_rng(0))


def test_units_lie_once_in_every_part():
    """The two halves of a gated layer, and packed queries, keys and values by heads."""
    gated, after = np.arange(12.0).reshape(12, 1), np.arange(6.0).reshape(1, 6)
    coupling = Coupling((("gated", 0, 2),), (("after", 1),), size=6)
    permuted = permute({"gated": gated, "after": after}, [coupling], np.random.default_rng(0))
    order = permuted["after"][0].astype(int)
    assert sorted(order) == list(range(6))
    assert permuted["gated"][:, 0].tolist() == [*order, *(6 + order)]
    packed = np.arange(24.0).reshape(24, 1)
    heads = Coupling((("packed", 0, 3),), (("after", 1),), size=2)
    permuted = permute({"packed": packed, "after": np.arange(8.0).reshape(1, 8)}, [heads], np.random.default_rng(1))
    moved = permuted["after"][0].astype(int)
    assert moved.tolist() in ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 0, 1, 2, 3])
    assert permuted["packed"][:, 0].tolist() == [part * 8 + unit for part in range(3) for unit in moved]
    with pytest.raises(InputError, match="in 5 part"):
        permute({"gated": gated, "after": after}, [Coupling((("gated", 0, 5),), (("after", 1),), 6)], None)
    with pytest.raises(InputError, match="an axis twice"):
        Coupling((("gated", 0, 2), ("gated", 0)), (("after", 1),), size=6)
