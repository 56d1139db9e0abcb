"""Tensors by their names: as a source yields them, in any order, as often as they are asked for."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from complexity_lab.errors import UnreachableError, WeightsError
from complexity_lab.weights.by_name import Selected, readers_of
from complexity_lab.weights.from_checkpoint import StateDict, TorchFile
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.from_safetensors import SafetensorsFile, SafetensorsShards
from complexity_lab.weights.source import NamedTensor, SkippedTensor

RNG = np.random.default_rng(0)
MATRICES = {f"{letter}.weight": RNG.standard_normal((3, 4 + i)).astype(np.float32) for i, letter in enumerate("dbca")}
STATE = {**MATRICES, "count": np.arange(3)}


class OneBuffer:
    """A source that can only be read from its beginning, and whose arrays share one buffer."""

    label = "one buffer"
    order_rule = "file"

    def tensors(self):
        buffer = np.empty(max(values.size for values in STATE.values()), np.float32)
        for name, values in STATE.items():
            if name == "count":
                yield SkippedTensor(name, (3,), "int64", "other", "dtype")
                continue
            buffer[: values.size] = values.ravel()
            yield NamedTensor(name, buffer[: values.size].reshape(values.shape), "matrix")


def sources(folder):
    save_file(STATE, folder / "w.safetensors")
    torch.save({name: torch.from_numpy(values) for name, values in STATE.items()}, folder / "w.pt")
    layers = nn.ModuleDict({name[0]: nn.Linear(*values.shape[::-1], bias=False) for name, values in MATRICES.items()})
    layers.load_state_dict({name: torch.from_numpy(values) for name, values in MATRICES.items()})
    names = list(STATE)
    for part, own in (("1", names[:2]), ("2", names[2:])):
        save_file({name: STATE[name] for name in own}, folder / f"{part}.safetensors")
    yield SafetensorsFile(folder / "w.safetensors")
    yield SafetensorsFile(folder / "w.safetensors", {name: values.shape for name, values in STATE.items()})
    yield SafetensorsShards((folder / "1.safetensors", folder / "2.safetensors"), "shards")
    yield TorchFile(folder / "w.pt")
    yield StateDict(STATE)
    yield OneBuffer()
    yield ModuleWeights(layers, "module")


@pytest.mark.parametrize("number", range(7))
def test_readers_give_what_the_source_gives_in_any_order_and_again(number, tmp_path):
    source = list(sources(tmp_path))[number]
    found = [(tensor.name, isinstance(tensor, SkippedTensor)) for tensor in source.tensors()]
    readers = readers_of(source)
    assert [(name, isinstance(read(), SkippedTensor)) for name, read in readers.items()] == found
    names = [name for name, skipped in found if not skipped]
    assert len(names) == 4
    for order in (names[::-1], names, sorted(names) * 2):
        selected = Selected(readers, order, "selected", "file")
        for name, tensor in zip(order, selected.tensors(), strict=True):
            assert tensor.name == name
            np.testing.assert_array_equal(tensor.values, STATE[name])


def test_shards_that_hold_a_name_twice_are_refused(tmp_path):
    for part in "12":
        save_file({"w": np.ones(3, np.float32)}, tmp_path / f"{part}.safetensors")
    source = SafetensorsShards((tmp_path / "1.safetensors", tmp_path / "2.safetensors"), "model")
    with pytest.raises(WeightsError, match="model holds w in two of its files"):
        list(source.tensors())


def test_a_file_that_goes_away_is_an_error_of_ours(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    readers = readers_of(SafetensorsFile(tmp_path / "w.safetensors"))
    (tmp_path / "w.safetensors").unlink()
    with pytest.raises(UnreachableError, match="cannot be read"):
        readers["a.weight"]()
