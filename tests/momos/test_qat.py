"""Fake quantization: values, gradients, which weights, state dicts, and together with motifs."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from complexity_lab.errors import InputError
from complexity_lab.momos.projection import MoMos
from complexity_lab.momos.qat import FakeQuantization, fake_quantize, plain_state_dict, quantize_weights


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def naive(values, bits):
    """The rule in float64 numpy, one value at a time."""
    largest = 2 ** (bits - 1) - 1
    scale = max(abs(value) for value in values) / largest
    if scale == 0:
        return list(values)
    return [scale * min(max(float(np.rint(value / scale)), -largest), largest) for value in values]


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20), bits=st.integers(2, 16))
def test_rounded_values_are_the_naive_ones(values, bits):
    expected = naive(values, bits)
    assert fake_quantize(torch.tensor(values, dtype=torch.float64), bits).tolist() == expected


def test_the_example_of_two_bits_and_half_to_even():
    weight = torch.tensor([-2, -1.2, -0.2, 0.2, 1.2, 2])
    assert fake_quantize(weight, 2).tolist() == [-2, -2, 0, 0, 2, 2]
    halves = torch.tensor([3.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5])  # Qmax of 3 bits is 3: the step is 1
    assert fake_quantize(halves, 3).tolist() == [3, 0, 2, 2, 0, -2, -2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept_and_zeros_stay(dtype):
    assert fake_quantize(torch.zeros(3, dtype=dtype), 4).tolist() == [0, 0, 0]
    rounded = fake_quantize(torch.tensor([1.0, 0.3], dtype=dtype), 2)
    assert rounded.dtype == dtype
    assert rounded.tolist() == [1, 0]


def test_a_tiny_step_does_not_make_nan_of_half_precision():
    weight = torch.tensor([6e-5, 3e-5], dtype=torch.float16)  # the step of 16 bits underflows in float16
    assert torch.equal(fake_quantize(weight, 16), weight)
    least = torch.tensor([1e-45, 0.0])  # and here in float32
    assert torch.equal(fake_quantize(least, 8), least)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_more_values_than_bits_allow(bits):
    weight = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    assert fake_quantize(weight, bits).unique().numel() <= 2**bits - 1


def test_the_gradient_goes_straight_through():
    weight = torch.tensor([-2, -1.2, -0.2, 0.0, 1.2, 2], requires_grad=True)
    towards = torch.tensor([1.0, 2, 3, 4, 5, 6])
    (FakeQuantization(2)(weight) * towards).sum().backward()
    assert torch.equal(weight.grad, towards)


def test_training_moves_the_exact_weights():
    model = small()
    quantize_weights(model, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    raw = model[0].parametrizations.weight.original
    before = raw.detach().clone()
    model(torch.randn(4, 6, generator=torch.Generator().manual_seed(1)))[:, 0].sum().backward()
    optimizer.step()
    assert not torch.equal(raw, before)
    assert model[0].weight.unique().numel() <= 7
    assert raw.unique().numel() > 7


@pytest.mark.parametrize(("exclude", "names"), [((), ["0", "1", "3"]), (("1",), ["0", "3"]), (("9",), ["0", "1", "3"])])
def test_every_trainable_weight_unless_excluded(exclude, names):
    model = small()
    assert quantize_weights(model, 4, exclude) == names
    assert model[0].bias.unique().numel() == 8


def test_exclusion_is_by_part_of_the_name():
    model = nn.ModuleDict({"conv": nn.Linear(2, 2), "bn1": nn.BatchNorm1d(2)})
    assert quantize_weights(model, 4, ("bn",)) == ["conv"]


def test_frozen_weights_stay_exact():
    model = small()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    assert quantize_weights(model, 2) == ["1", "3"]
    assert torch.equal(model[0].weight, before)


def test_parameters_stay_the_same_objects():
    model = small()
    before = {id(parameter) for parameter in model.parameters()}
    quantize_weights(model, 4)
    assert {id(parameter) for parameter in model.parameters()} == before


@pytest.mark.parametrize("bits", [32, 64])
def test_from_32_bits_on_nothing_happens(bits):
    model = small()
    assert quantize_weights(model, bits) == []
    assert type(model[0]) is nn.Linear


@pytest.mark.parametrize("bits", [1, 0, -4])
def test_too_few_bits_are_refused(bits):
    with pytest.raises(InputError, match=f"{bits} bits?, wanted 2 to 31 to round weights, or 32 to leave them"):
        quantize_weights(small(), bits)


def test_attaching_twice_is_refused_and_changes_nothing():
    model = small()
    quantize_weights(model[3], 4)
    names = list(model.state_dict())
    with pytest.raises(InputError, match="the weight of 3 is parametrized already; attach once, to plain weights"):
        quantize_weights(model, 4)
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("exclude", ["bn", ("bn", "")])
def test_an_exclusion_of_everything_is_refused(exclude):
    with pytest.raises(InputError, match="wanted a tuple of parts of module names, none of them empty"):
        quantize_weights(small(), 4, exclude)


def test_the_plain_state_dict_loads_into_the_plain_model():
    model, plain = small(), small()
    quantize_weights(model, 4)
    with torch.no_grad():
        model[0].parametrizations.weight.original.add_(1)
    plain.load_state_dict(plain_state_dict(model))
    assert torch.equal(plain[0].weight, model[0].parametrizations.weight.original)
    assert set(plain_state_dict(model)) == set(plain.state_dict())


def test_the_plain_state_dict_of_a_single_layer_and_of_a_compiled_model():
    layer = nn.Linear(2, 2)
    quantize_weights(layer, 4)
    assert set(plain_state_dict(layer)) == {"weight", "bias"}
    assert set(plain_state_dict(torch.compile(layer))) == {"weight", "bias"}


def test_shared_weights_are_rounded_alike():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert quantize_weights(model, 3) == ["0", "1"]
    assert torch.equal(model[1].weight, model[0].weight)


def test_a_copy_is_quantized_too():
    model = small()
    quantize_weights(model, 3)
    assert torch.equal(copy.deepcopy(model)[0].weight, model[0].weight)


def test_motifs_replace_the_exact_weights_of_a_quantized_model():
    model, plain = small(), small()
    quantize_weights(model, 4)
    generator = torch.Generator().manual_seed(0)
    result = MoMos(s=2, k=4, q=4, generator=generator)(model)
    assert result.values == sum(parameter.numel() for parameter in plain.parameters())
    raw = model[0].parametrizations.weight.original
    assert len({tuple(pair) for pair in raw.detach().reshape(-1, 2).tolist()}) <= 4
    assert torch.equal(model[0].weight, fake_quantize(raw, 4))
