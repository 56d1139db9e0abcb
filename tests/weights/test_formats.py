"""Weights that are not stored as plain floats: float8, integers, quantized and parametrized tensors; and odd models."""

import logging
import warnings

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import complexity_lab as cl
from complexity_lab.arrays import FLOAT8, as_numpy, how_read, is_quantized
from complexity_lab.binary.binarize import binarize
from complexity_lab.errors import InputError
from complexity_lab.weights.from_checkpoint import StateDict, TorchFile, open_file
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.parametrized import stands_for
from complexity_lab.weights.source import NamedTensor, SkippedTensor

INTEGERS = "is not a float of 8 to 64 bits; if these are quantized weights, dequantize them with their scales"


def read(source):
    return {t.name: t for t in source.tensors() if isinstance(t, NamedTensor)}


def reasons(source):
    return {t.name: t.reason for t in source.tensors() if isinstance(t, SkippedTensor)}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64), nn.Linear(64, 32))


@pytest.fixture
def torchao():
    """The library, which warns of what it does to others when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        quantization = pytest.importorskip("torchao.quantization")
        logging.disable(logging.NOTSET)
    return quantization


@pytest.mark.parametrize("name", FLOAT8)
def test_every_float8_is_read_as_the_same_number(name):
    codes = torch.arange(256, dtype=torch.int16).to(torch.uint8)
    stored = codes.view(getattr(torch, name))
    same = codes.numpy().view(getattr(ml_dtypes, name))
    for values in (stored, same, stored.reshape(16, 16).T):
        found = as_numpy(values)
        assert found.dtype == np.float16
        assert how_read(values) == f"{name} read as float16"
        expected = stored.float().reshape(16, 16).T if found.ndim == 2 else stored.float()
        np.testing.assert_array_equal(found.astype(np.float32), expected.numpy())  # NaN in the same places


@pytest.mark.parametrize("name", FLOAT8)
def test_files_and_state_dicts_and_modules_of_float8(name, tmp_path):
    state = {"w": torch.randn(20, 30).to(getattr(torch, name)), "b": torch.randn(50)}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    module = nn.Module()
    module.w, module.b = (nn.Parameter(state[key]) for key in "wb")
    sources = [open_file(tmp_path / "w.safetensors"), open_file(tmp_path / "w.pt"), StateDict(state)]
    for source in (*sources, ModuleWeights(module, "net")):
        found = {name: (t.values.copy(), t.note) for name, t in read(source).items()}
        np.testing.assert_array_equal(found["w"][0], state["w"].half().numpy())
        assert (found["w"][1], found["b"][1]) == (f"{name} read as float16", "")
        assert reasons(source) == {}


def test_float8_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="1 of 3 weights are NaN or infinite"):
        binarize(torch.tensor([1.0, float("nan"), -1.0]).to(torch.float8_e4m3fn))


def test_integers_are_skipped_and_the_reason_tells_what_to_do(tmp_path):
    state = {"q": torch.ones(8, 8, dtype=torch.int8), "packed": torch.ones(8, dtype=torch.uint8), "w": torch.ones(9)}
    state["index"] = torch.arange(3)
    save_file(state, tmp_path / "w.safetensors")
    module = nn.Module()
    for name, values in state.items():
        setattr(module, name, nn.Parameter(values, requires_grad=name == "w"))
    for source in (open_file(tmp_path / "w.safetensors"), StateDict(state), ModuleWeights(module, "net")):
        assert list(read(source)) == ["w"]
        found = reasons(source)
        assert INTEGERS in found["q"]
        assert INTEGERS in found["packed"]
        assert found["index"].endswith("is not a float of 8 to 64 bits")
    rows = cl.measure(state, ("bdm",))
    assert set(rows.loc[rows["tensor"] == "q", "status"]) == {"skipped"}


def quantized(channel):
    values = torch.randn(6, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if channel:
            return torch.quantize_per_channel(values, torch.rand(6) + 0.01, torch.zeros(6), 0, torch.qint8)
        return torch.quantize_per_tensor(values, 0.05, 0, torch.quint8)


@pytest.mark.parametrize("channel", [False, True])
def test_quantized_tensors_of_torch_are_dequantized(channel):
    values = quantized(channel)
    other = quantized(channel)
    found = read(StateDict({"a": values, "b": other, "again": values}))
    np.testing.assert_array_equal(found["a"].values, values.dequantize().numpy())
    np.testing.assert_array_equal(found["b"].values, other.dequantize().numpy())
    assert found["a"].note == f"dequantized from {'qint8' if channel else 'quint8'}"
    assert set(found) == {"a", "b"}


def test_packed_layers_of_torch_are_dequantized():
    plain = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
        expected = packed[0].weight().dequantize().numpy()
        found = read(ModuleWeights(packed, "net"))
    assert list(found) == [name for name, _ in plain.named_parameters()]
    np.testing.assert_array_equal(found["0.weight"].values, expected)
    assert found["0.weight"].note == "dequantized from qint8"
    np.testing.assert_array_equal(found["0.bias"].values, plain[0].bias.detach().numpy())


@pytest.mark.parametrize("config", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"])
def test_quantized_parameters_of_torchao_are_dequantized_although_frozen(torchao, config, tmp_path):
    module = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchao.quantize_(module, getattr(torchao, config)())
        torch.save(module.state_dict(), tmp_path / "w.pt")
        assert is_quantized(module[0].weight)
        expected = {name: values.dequantize().detach().numpy() for name, values in module.named_parameters()}
        sources = (ModuleWeights(module, "net"), StateDict(module.state_dict()), TorchFile(tmp_path / "w.pt"))
        for source in sources:
            found = read(source)
            assert set(found) == set(expected)  # two of one shape are not taken for tied
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name].values, values)
                assert found[name].note.startswith("dequantized from ") == name.endswith("weight")
            assert reasons(source) == {}


class Opaque(torch.Tensor):
    """A tensor class that handles every operation itself and has no array."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, dtype=values.dtype, requires_grad=True)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return Opaque(torch.ones(args[0].shape))
        raise NotImplementedError(function)


@pytest.mark.filterwarnings("ignore")  # torch.ao says that it is deprecated
def test_recurrent_fused_and_frozen_layers_of_torch_are_read():
    plain = nn.Sequential(nn.LSTM(8, 4))
    dynamic = torch.ao.quantization.quantize_dynamic(plain, {nn.LSTM}, dtype=torch.qint8)
    found = read(ModuleWeights(dynamic, "lstm"))
    assert {name: tensor.values.shape for name, tensor in found.items()} == {
        name: tuple(parameter.shape) for name, parameter in plain.named_parameters()
    }
    np.testing.assert_allclose(found["0.weight_ih_l0"].values, plain[0].weight_ih_l0.detach(), atol=0.01)
    fused = nn.Sequential(
        torch.ao.nn.intrinsic.quantized.LinearReLU(8, 6),
        torch.ao.nn.quantized.Conv2d(3, 4, 3),
        torch.ao.nn.quantized.Embedding(10, 8),
    )
    assert list(read(ModuleWeights(fused, "net"))) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight"]
    assert not reasons(ModuleWeights(fused, "net"))


def test_tied_tensors_of_torchao_count_once(torchao):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)

    module = Tied()
    torchao.quantize_(module, torchao.Int8WeightOnlyConfig())
    untied = StateDict(module.state_dict())
    assert list(read(untied)) == ["first.weight", "second.weight"]
    module.second.weight = module.first.weight
    for source in (ModuleWeights(module, "net"), StateDict(module.state_dict())):
        assert list(read(source)) == ["first.weight"]


def test_what_cannot_be_dequantized_is_a_reason_and_the_others_stand(torchao, monkeypatch):
    module = network()
    torchao.quantize_(module, torchao.Int8WeightOnlyConfig())

    def refuse(self, *arguments, **options):
        raise NotImplementedError("no kernel for\nthis device")

    monkeypatch.setattr(type(module[0].weight), "dequantize", refuse)
    for source in (ModuleWeights(module, "net"), StateDict(module.state_dict())):
        assert list(read(source)) == ["0.bias", "2.bias", "3.bias"]
        assert reasons(source)["0.weight"] == (
            "a tensor of Int8Tensor that cannot be dequantized here (no kernel for this device); save it dequantized"
        )


def test_a_class_of_tensors_without_an_array_is_a_reason():
    module = nn.Module()
    module.w, module.b = nn.Parameter(Opaque(torch.ones(3, 3))), nn.Parameter(torch.ones(3))
    for source in (ModuleWeights(module, "net"), StateDict(dict(module.named_parameters()))):
        assert reasons(source) == {"w": "a tensor of class Opaque is not dense"}
        assert list(read(source)) == ["b"]
    with pytest.raises(InputError, match="a tensor of class Opaque"):
        as_numpy(module.w)


def rounded():
    class Rounded(nn.Module):
        def forward(self, values):
            return torch.round(values * 4) / 4

    return Rounded()


def test_a_parametrized_tensor_comes_with_its_raw_parameter():
    module = network()
    parametrize.register_parametrization(module[0], "weight", rounded())
    found = read(ModuleWeights(module, "net"))
    assert list(found) == [name for name, _ in module.named_parameters()]
    raw = found["0.parametrizations.weight.original"]
    np.testing.assert_array_equal(raw.values, module[0].parametrizations.weight.original.detach().numpy())
    assert raw.kind == "matrix"
    assert (raw.computed.name, raw.computed.kind) == ("0.weight", "matrix")
    np.testing.assert_array_equal(raw.computed.values, module[0].weight.detach().numpy())
    assert not np.array_equal(raw.computed.values, raw.values)
    assert found["2.weight"].computed is None


def test_of_several_raw_parameters_that_of_its_shape_carries_the_tensor():
    module = parametrizations.weight_norm(nn.Linear(8, 6))
    found = read(ModuleWeights(module, "net"))
    length, direction = (found[f"parametrizations.weight.original{i}"] for i in (0, 1))
    assert direction.computed.name == "weight"
    np.testing.assert_array_equal(direction.computed.values, module.weight.detach().numpy())
    assert length.computed.reason == "a part of weight, which comes with original1"


def test_reading_a_parametrized_module_leaves_no_trace():
    module = parametrizations.spectral_norm(nn.Linear(8, 6)).train()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    for _ in range(2):
        read(ModuleWeights(module, "net"))
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert all(each.training for each in module.modules())


def test_names_of_raw_parameters():
    assert stands_for("a.b.parametrizations.weight.original1") == "a.b.weight"
    assert stands_for("parametrizations.weight.original") == "weight"
    assert stands_for("a.original") == "a.original"
    assert stands_for("parametrizations.weight.0.scale") == "parametrizations.weight.0.scale"


def test_tied_weights_count_once_in_a_model_and_twice_in_a_file(tmp_path):
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    module[1].weight = module[0].weight
    assert list(read(ModuleWeights(module, "net"))) == ["0.weight", "0.bias", "1.bias"]
    assert "shares memory" in reasons(StateDict(module.state_dict()))["1.weight"]
    save_file({name: values.clone() for name, values in module.state_dict().items()}, tmp_path / "w.safetensors")
    assert list(read(open_file(tmp_path / "w.safetensors"))) == ["0.weight", "0.bias", "1.weight", "1.bias"]


METRICS = ("bdm", "bdm_2d", "gzip", "lz76_density", "exponent_entropy", "mantissa_entropy")


@pytest.mark.parametrize("preset", ["fixed", "qubd-paper"])
@pytest.mark.parametrize(
    ("state", "missing"),
    [
        ({"w.weight": np.full((8, 8), 0.5, np.float32)}, set()),
        ({"w.weight": np.zeros((8, 8), np.float32)}, set()),
        ({"b.bias": np.ones(40, np.float32)}, {"bdm_2d", "qubd"}),
        ({"w.weight": np.ones((1, 3), np.float32)}, {"bdm", "bdm_2d", "qubd"}),
        ({}, {*METRICS, "qubd"}),
        ({"w.weight": np.ones((0, 4), np.float32)}, {*METRICS, "qubd"}),
        ({"q.weight": np.ones((8, 8), np.int8)}, {*METRICS, "qubd"}),
    ],
    ids=["constant", "zeros", "vectors", "small", "empty", "zero-size", "integers"],
)
def test_odd_models_have_a_value_or_a_reason_for_every_metric(state, missing, preset):
    rows = cl.measure(state, METRICS, scope="model", preset=preset)
    rows = rows[rows["null"].isna() & rows["plane"].isna()].astype(object)
    found = {row["metric"]: row for row in rows.where(rows.notna(), None).to_dict("records")}
    assert set(found) == {*METRICS, "qubd"}
    for metric, row in found.items():
        assert (row["status"] == "ok") == (metric not in missing), (metric, row)
        assert (row["value"] is None) == (metric in missing)
        assert bool(row["reason"]) == (metric in missing)
