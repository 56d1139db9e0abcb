"""Couplings found in real networks keep their function; what would not is never among them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from complexity_lab.controls import couplings as couplings_module
from complexity_lab.controls.couplings import couplings_of, example_of, permuted, permuted_scores, touched_share
from complexity_lab.controls.permutation import Coupling
from complexity_lab.errors import InputError


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, units, hidden):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(units, hidden, 1), nn.Conv2d(hidden, units, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class Inverted(nn.Module):
    """An inverted residual with a gate, all its activations functional."""

    def __init__(self, units, hidden):
        super().__init__()
        self.wide, self.norm = nn.Conv2d(units, hidden, 1, bias=False), nn.BatchNorm2d(hidden)
        self.deep, self.gate = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), Gate(hidden, 3)
        self.back = nn.Conv2d(hidden, units, 1)
        self.scale = nn.Parameter(torch.zeros(units, 1, 1))  # hides the whole branch

    def forward(self, x):
        return x + self.scale * self.back(self.gate(F.hardswish(self.deep(F.relu(self.norm(self.wide(x)))))))


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 6, 3), Inverted(6, 10)
        self.grouped, self.group_norm = nn.Conv2d(6, 12, 3, groups=2), nn.GroupNorm(4, 12)
        self.head = nn.Linear(12 * 4, 5)

    def forward(self, x):
        x = F.relu(self.group_norm(self.grouped(self.block(self.stem(x)))))
        return self.head(F.adaptive_avg_pool2d(x, 2).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.num_heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(11, 8), nn.Parameter(torch.randn(1, 2, 8))
        self.norm, self.attention = nn.LayerNorm(8), Attention(8, 4)
        self.after, self.gated, self.down = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(12, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight  # tied

    def forward(self, ids):
        x = self.embed(ids) + self.position
        x = x + self.attention(self.norm(x))
        gate, values = self.gated(self.after(x)).chunk(2, dim=-1)
        return self.head(x + self.down(F.silu(gate) * values))


def outputs(module, example):
    with torch.no_grad():
        return copy.deepcopy(module).double().eval()(example.double() if example.is_floating_point() else example)


def axes_of(coupling):
    return {*coupling.outputs, *coupling.inputs}


def random(module, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for values in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
            values.uniform_(0.1, 1) if values.ndim < 2 else values.normal_()
    return module


@pytest.mark.parametrize("make", [Convolutional, Transformer], ids=["convolutional", "transformer"])
def test_the_function_stays_whatever_the_weights(make):
    module = make()
    found = couplings_of(module)
    example = example_of(module)
    for seed in range(3):
        each = random(module, seed)
        before, expected = [p.clone() for p in each.parameters()], outputs(each, example)
        with permuted(each, found, np.random.default_rng(seed)):
            assert torch.allclose(outputs(each, example), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())
            assert not all(torch.equal(a, b) for a, b in zip(before, each.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(before, each.parameters(), strict=True))


def test_what_is_found_in_a_convolutional_network():
    module = Convolutional()
    found = {coupling.size: coupling for coupling in couplings_of(module)}
    assert set(found) == {10, 3, 2}
    assert ("block.gate.reduce.weight", 1) in axes_of(found[10])
    assert {("block.gate.expand.weight", 0), ("block.deep.weight", 0), ("block.norm.running_var", 0)} <= axes_of(
        found[10]
    )
    assert axes_of(found[3]) == {
        ("block.gate.reduce.weight", 0),
        ("block.gate.reduce.bias", 0),
        ("block.gate.expand.weight", 1),
    }
    assert ("head.weight", 1) in axes_of(found[2])  # groups of the convolution, whole groups of the norm, flattened
    assert ("block.scale", 0) in axes_of(found[2])


def test_what_is_found_in_a_transformer():
    module = Transformer()
    sizes = sorted(coupling.size for coupling in couplings_of(module))
    assert sizes == [4, 8, 12]  # heads, the residual stream with the tied embedding, gated units
    stream = next(coupling for coupling in couplings_of(module) if coupling.size == 8)
    assert {("embed.weight", 1), ("position", 2), ("gated.weight", 1)} <= axes_of(stream)
    gated = next(coupling for coupling in couplings_of(module) if coupling.size == 12)
    assert ("gated.weight", 0, 2) in axes_of(gated)
    assert touched_share(module, couplings_of(module)) == 1


class Ordered(nn.Module):
    """Hidden units that are not alike: the last ones are cut off, or places are added to them."""

    def __init__(self, how):
        super().__init__()
        self.how, self.first, self.second = how, nn.Linear(5, 8), nn.Linear(8 if how != "cut" else 6, 3)
        self.unused = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 5))

    def forward(self, x):
        hidden = self.first(x).relu()
        if self.how == "cut":
            hidden = hidden[:, :6]
        if self.how == "sorted":
            hidden = hidden * torch.linspace(0.999, 1.001, 8, dtype=hidden.dtype)
        if self.how == "faint":
            hidden = hidden + 1e-4 * torch.roll(hidden, 1, dims=1)
        return self.second(hidden)


@pytest.mark.parametrize("how", ["cut", "sorted", "faint"])
def test_wrong_proposals_never_enter(how):
    assert couplings_of(Ordered(how)) == ()


def test_zero_weights_hide_nothing():
    """Trained weights may make a wrong proposal look right; random ones are used to verify."""
    module = Ordered("sorted")
    nn.init.zeros_(module.second.weight)
    assert couplings_of(module) == ()


def test_units_that_no_output_sees_are_left_out():
    module = Ordered("plain")
    found = couplings_of(module)
    assert [coupling.size for coupling in found] == [8]
    assert not any("unused" in name for name, *_ in axes_of(found[0]))
    assert touched_share(module, found) == pytest.approx((40 + 8 + 24) / 157)


class Switched(nn.Module):
    """A branch that is run, and switched off: nothing can be said about its units."""

    def __init__(self):
        super().__init__()
        self.first, self.branch = nn.Linear(3, 5), Ordered("sorted")
        self.register_buffer("switch", torch.zeros(()))

    def forward(self, x):
        return x + self.switch * self.branch(self.first(x))


def test_what_changes_no_output_is_not_verified():
    assert couplings_of(Switched(), torch.randn(2, 3)) == ()


def test_the_number_of_runs_is_bounded(monkeypatch):
    """Six wrong proposals take eleven runs to tell apart."""
    layers = [layer for _ in range(6) for layer in (nn.Linear(5, 8), Places(), nn.Linear(8, 5))]
    network = nn.Sequential(*layers)
    runs = []
    called = couplings_module.called
    monkeypatch.setattr(couplings_module, "called", lambda *args: runs.append(1) or called(*args))
    assert all(coupling.size == 5 for coupling in couplings_of(network))
    unbounded = len(runs)
    runs.clear()
    monkeypatch.setattr(couplings_module, "RUNS", 4)
    couplings_of(network)
    assert len(runs) == 2 + 4 + 1 < unbounded  # the expectation, gradients, those allowed, the last check


class Places(nn.Module):
    """Units that are not alike."""

    def forward(self, x):
        return x * torch.linspace(0.5, 1.5, x.shape[1], dtype=x.dtype)


def test_the_module_is_neither_run_nor_changed():
    module = Convolutional().train()
    module.stem.weight.requires_grad_(False)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    couplings_of(module, torch.zeros(1, 3, 12, 12))
    assert module.training
    assert not module.stem.weight.requires_grad
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert all(values.grad is None for values in module.parameters())


def test_weights_come_back_after_an_error():
    module = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2))
    before = module[0].weight.clone()
    with pytest.raises(RuntimeError, match="stop"), permuted(module, couplings_of(module), np.random.default_rng(0)):
        assert not torch.equal(module[0].weight, before)
        raise RuntimeError("stop")
    assert torch.equal(module[0].weight, before)


def test_scores_of_permutations():
    module = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2))
    found = couplings_of(module)
    first = permuted_scores(module, found, lambda: (module[0].weight[0, 0].item(), 1.0), n=5, seed=1)
    assert first.shape == (5, 2)
    assert len(set(first[:, 0])) > 1
    assert set(first[:, 0]) <= set(module[0].weight[:, 0].tolist())
    again = permuted_scores(module, found, lambda: (module[0].weight[0, 0].item(), 1.0), n=2, seed=1)
    assert np.array_equal(again, first[:2])
    with pytest.raises(InputError, match="0 permutations"):
        permuted_scores(module, found, lambda: 1.0, n=0)
    with pytest.raises(InputError, match="NaN"):
        permuted_scores(module, found, lambda: float("nan"), n=2)
    with pytest.raises(InputError, match="no tensor"):
        permuted_scores(module, (Coupling((("x", 0),), (("y", 1),), 2),), lambda: 1.0, n=1)


def test_networks_that_cannot_be_tried_say_why():
    with pytest.raises(InputError, match="no input size is known for LayerNorm"):
        couplings_of(nn.LayerNorm(4))
    huge = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 2))
    huge.register_forward_hook(lambda *args: args[2] * float("inf"))
    with pytest.raises(InputError, match="not finite"):
        couplings_of(huge)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("test_resnet", 0.99),
        ("test_vit", 0.99),
        ("test_efficientnet", 0.99),
        ("test_convnext", 0.99),
        ("resnet18", 0.99),
    ],
)
def test_networks_of_timm(name, share):
    timm = pytest.importorskip("timm")
    module = timm.create_model(name)
    found = couplings_of(module)
    assert touched_share(module, found) > share
    example, random_module = example_of(module), random(module)
    expected = outputs(random_module, example)
    with permuted(random_module, found, np.random.default_rng(0)):
        assert torch.allclose(outputs(random_module, example), expected, rtol=1e-8, atol=1e-8 * expected.abs().max())
