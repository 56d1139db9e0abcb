"""One battery for every source of weights: the same tensors, each time, in the order that it names, or a sentence."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from complexity_lab.errors import ComplexityLabError, UnreachableError, WeightsError
from complexity_lab.weights.by_name import Selected, readers_of
from complexity_lab.weights.from_checkpoint import StateDict, TorchFile
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.from_safetensors import SafetensorsFile, SafetensorsShards
from complexity_lab.weights.order import ORDER_RULES
from complexity_lab.weights.source import NamedTensor, SkippedTensor
from complexity_lab.zoo.sources import resolve


def network():
    generator = torch.Generator().manual_seed(5)
    built = torch.nn.Sequential(torch.nn.Linear(24, 16), torch.nn.LayerNorm(16), torch.nn.Linear(16, 12))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return built


def shards(folder, state):
    names = list(state)
    files = {}
    for number, part in enumerate((names[:3], names[3:])):
        file = folder / f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: state[name].contiguous() for name in part}, file)
        files |= dict.fromkeys(part, file.name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return resolve(str(folder))


def torch_file(folder, state):
    torch.save(state, folder / "weights.pt")
    return resolve(str(folder / "weights.pt"))


def safetensors_file(folder, state):
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "weights.safetensors")
    return resolve(str(folder / "weights.safetensors"))


SOURCES = {
    "module": (ModuleWeights, lambda folder, module: resolve(module)),
    "state dict": (StateDict, lambda folder, module: resolve(module.state_dict())),
    "numpy": (StateDict, lambda folder, module: resolve({n: v.numpy() for n, v in module.state_dict().items()})),
    "torch file": (TorchFile, lambda folder, module: torch_file(folder, module.state_dict())),
    "safetensors": (SafetensorsFile, lambda folder, module: safetensors_file(folder, module.state_dict())),
    "shards": (SafetensorsShards, lambda folder, module: shards(folder, module.state_dict())),
    "selected": (
        Selected,
        lambda folder, module: Selected(readers := readers_of(resolve(module)), tuple(readers), "selected", "model"),
    ),
}


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    kind, build = SOURCES[request.param]
    found = build(tmp_path, network())
    assert isinstance(found, kind)
    return found


def read(source):
    return [(tensor.name, tensor.values.copy()) for tensor in source.tensors() if isinstance(tensor, NamedTensor)]


def test_it_yields_the_weights_of_the_network(source):
    wanted = {name: parameter.detach().numpy() for name, parameter in network().named_parameters()}
    found = dict(read(source))
    assert list(found) == list(wanted)  # these names are in natural order as the network has them
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name])


def test_it_can_be_read_again_and_by_name(source):
    first, again = read(source), read(source)
    by_name = readers_of(source)
    assert [name for name, _ in first] == [name for name, _ in again] == list(by_name)
    for name, values in first:
        np.testing.assert_array_equal(values, by_name[name]().values)


def test_it_says_what_it_is_and_how_it_is_ordered(source):
    assert source.label and source.order_rule in ORDER_RULES


def test_kinds_shapes_and_floats_are_told(source):
    for tensor in source.tensors():
        if isinstance(tensor, SkippedTensor):
            assert tensor.reason
        else:
            assert tensor.kind in ("matrix", "norm", "bias", "embedding", "other")
            assert tensor.values.dtype == np.float32 and tensor.values.size


@pytest.mark.parametrize("cut", [0, 7, 200])
@pytest.mark.parametrize("name", ["torch file", "safetensors"])
def test_a_cut_file_is_one_sentence(tmp_path, name, cut):
    SOURCES[name][1](tmp_path, network())
    file = next(path for path in tmp_path.iterdir() if path.suffix in (".pt", ".safetensors"))
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(WeightsError):
        read(resolve(str(file)))


def test_a_missing_file_is_one_sentence(tmp_path):
    for name in ("absent.safetensors", "absent.pt"):
        with pytest.raises(UnreachableError, match="does not exist"):
            read(resolve(str(tmp_path / name)))
    with pytest.raises(ComplexityLabError):
        read(resolve(str(tmp_path)))
