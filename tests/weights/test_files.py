"""Readers of weights: what they yield, in which order, and what they refuse."""

import pickle
import re
import struct
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from complexity_lab.errors import UnreachableError, WeightsError
from complexity_lab.weights.from_checkpoint import StateDict, TorchFile, open_file, order_of
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.from_safetensors import SafetensorsFile
from complexity_lab.weights.source import NamedTensor, SkippedTensor, kind_of_name


def read(source):
    """Name -> copy of the values; arrays of a file are only valid until the next one."""
    return {t.name: t.values.copy() for t in source.tensors() if isinstance(t, NamedTensor)}


def reasons(source):
    return {t.name: t.reason for t in source.tensors() if isinstance(t, SkippedTensor)}


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {
        "b.weight": torch.randn(3, 5),
        "a.half": torch.randn(7).half(),
        "c.brain": torch.randn(2, 2, 2).bfloat16(),
        "d.double": torch.randn(4).double(),
        "scalar": torch.tensor(1.5),
        "bn.running_mean": torch.randn(3),
        "bn.num_batches_tracked": torch.tensor(3),
        "index": torch.arange(4),
        "nothing": torch.zeros(0, 3),
    }


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_files_give_what_was_saved(tmp_path, state, suffix):
    path = tmp_path / f"weights.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    found = read(open_file(path))
    assert set(found) == {"b.weight", "a.half", "c.brain", "d.double", "scalar"}
    assert found["c.brain"].dtype == ml_dtypes.bfloat16
    for name, values in found.items():
        np.testing.assert_array_equal(values.astype(np.float64), state[name].double().numpy())
    assert reasons(open_file(path)) == {
        "bn.running_mean": "buffer of a normalization layer, not a parameter",
        "bn.num_batches_tracked": "buffer of a normalization layer, not a parameter",
        "index": reasons(open_file(path))["index"],
        "nothing": "zero-size tensor",
    }
    assert reasons(open_file(path))["index"].startswith("dtype")


def test_order_is_natural_in_safetensors_and_as_saved_in_torch_files(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    assert list(read(open_file(tmp_path / "w.safetensors"))) == ["scalar", "a.half", "b.weight", "c.brain", "d.double"]
    assert list(read(open_file(tmp_path / "w.pt"))) == ["b.weight", "a.half", "c.brain", "d.double", "scalar"]
    ordered = SafetensorsFile(tmp_path / "w.safetensors", {name: tuple(values.shape) for name, values in state.items()})
    assert list(read(ordered)) == ["b.weight", "a.half", "c.brain", "d.double", "scalar"]


def test_another_set_of_tensors_is_refused(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"lacks 1 \(z, \.\.\.\) and has 8 more"):
        read(SafetensorsFile(tmp_path / "w.safetensors", {"z": (3,), "scalar": ()}))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_other_shapes_are_refused(tmp_path, state, suffix):
    path = tmp_path / f"w.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    order = dict(order_of(path))
    assert order == {name: tuple(values.shape) for name, values in state.items()}
    assert read(open_file(path, order))
    order |= {"b.weight": (5, 3), "scalar": (1,)}
    with pytest.raises(
        WeightsError, match=r"(b\.weight|scalar) of shape \[.*\], the other .* \[.*\], and 1 more differ; they need"
    ):
        read(open_file(path, order))


def test_entries_that_are_no_tensors_are_no_part_of_the_order(tmp_path):
    torch.save({"epoch": 3, "b": torch.ones(2), "a": torch.ones(3)}, tmp_path / "w.pt")
    assert order_of(tmp_path / "w.pt") == {"b": (2,), "a": (3,)}
    found = [t.name for t in open_file(tmp_path / "w.pt", {"a": (3,), "b": (2,)}).tensors()]
    assert found == ["a", "b", "epoch"]


def test_a_missing_file_and_a_directory(tmp_path):
    for path in (tmp_path / "no.safetensors", tmp_path / "no.pt"):
        with pytest.raises(UnreachableError, match="does not exist"):
            open_file(path)
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(UnreachableError, match="is a directory"):
        read(SafetensorsFile(tmp_path / "folder.safetensors"))


@pytest.mark.parametrize("damage", ["tail", "header", "length", "empty", "text"])
def test_truncated_and_corrupt_safetensors(tmp_path, state, damage):
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    data = path.read_bytes()
    path.write_bytes(
        {
            "tail": data[:-1],
            "header": data[:20],
            "length": struct.pack("<Q", 1 << 60) + data[8:],
            "empty": b"",
            "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        }[damage]
    )
    with pytest.raises(WeightsError, match=r"w\.safetensors is truncated or not a safetensors file .*; fetch it again"):
        read(open_file(path))


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_that_is_not_plain_tensors_is_refused_and_not_executed(tmp_path, capsys):
    path = tmp_path / "evil.pt"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(WeightsError, match="more than plain tensors and was not executed"):
        read(open_file(path))
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match=r"not executed|not a torch file"):
        read(open_file(path))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 half a zip"])
def test_truncated_torch_files(tmp_path, content):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read(open_file(path))


def test_wrapped_state_dicts_and_files_without_tensors(tmp_path, state):
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "w.ckpt")
    assert "b.weight" in read(open_file(tmp_path / "w.ckpt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds a list"):
        read(TorchFile(tmp_path / "list.pt"))
    torch.save({"a": 1}, tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="holds no tensors"):
        read(TorchFile(tmp_path / "none.pt"))


def test_damaged_torch_files_are_errors_of_ours(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"a.w": torch.zeros(3, 4), "n": {"x": torch.zeros(3)}}, path, _use_new_zipfile_serialization=False)
    content, rng, messages = path.read_bytes(), np.random.default_rng(1), []
    for _ in range(400):
        damaged = bytearray(content)
        for place in rng.integers(0, min(len(content), 700), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read(open_file(path))
        except WeightsError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert not [message for message in messages if re.search(r"torch file \(\d+\)", message)]


@pytest.mark.parametrize(
    "error", [IndexError("x"), AssertionError(), AttributeError("x"), TypeError("x"), KeyError(101)]
)
def test_whatever_loading_raises_is_one_sentence(tmp_path, monkeypatch, error):
    def load(*args, **options):
        raise error

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(WeightsError, match=r"truncated or not a torch file( \(x\))?; fetch it again"):
        read(TorchFile(tmp_path / "w.pt"))


def test_modules_yield_trainable_parameters_once_in_order():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(5, 4)
            self.norm = nn.BatchNorm1d(4)
            self.head = nn.Linear(4, 5)
            self.head.weight = self.embedding.weight
            self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
            self.empty = nn.Parameter(torch.zeros(0))
            self.gamma = nn.Parameter(torch.ones(3))
            self.brain = nn.Linear(2, 2).bfloat16()

    source = ModuleWeights(Net(), "net")
    kinds = {t.name: t.kind for t in source.tensors() if isinstance(t, NamedTensor)}
    assert kinds == {
        "gamma": "other",
        "embedding.weight": "embedding",
        "norm.weight": "norm",
        "norm.bias": "bias",
        "head.bias": "bias",
        "brain.weight": "matrix",
        "brain.bias": "bias",
    }
    assert list(kinds) == [n for n, p in source.module.named_parameters() if p.requires_grad and p.numel()]
    assert reasons(source) == {"frozen": "frozen (not trainable)", "empty": "zero-size tensor"}
    assert read(source)["brain.weight"].dtype == ml_dtypes.bfloat16


def test_parameters_that_cannot_be_scored_are_skipped_with_the_reason():
    module = nn.Linear(4, 2)
    module.brain = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    module.sparse = nn.Parameter(torch.eye(3).to_sparse())
    expected = {
        "brain": "dtype complex64 is not a float of 8 to 64 bits",
        "sparse": "a tensor of layout sparse_coo is not dense",
    }
    assert reasons(ModuleWeights(module, "net")) == expected
    assert list(read(ModuleWeights(module, "net"))) == ["weight", "bias"]
    assert reasons(StateDict(module.state_dict())) == expected


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(4, 2, device="meta"), "weight of .* is on the meta device: its values were not loaded"),
        (nn.LazyLinear(2), "weight of .* is not initialized yet; run the model once"),
    ],
    ids=["meta", "lazy"],
)
def test_weights_that_are_not_there_are_refused(module, message):
    for source in (ModuleWeights(module, "net"), StateDict(module.state_dict())):
        with pytest.raises(WeightsError, match=message):
            read(source)


def test_entries_of_a_state_dict_that_are_no_tensors_are_skipped():
    source = StateDict(
        {"w": torch.ones(3), "epoch": 3, "scale": np.float32(2), "names": ["a"], "big": np.ones(2, ">f4")}
    )
    assert list(read(source)) == ["w", "big"]
    assert reasons(source) == {
        "epoch": "not a tensor (int)",
        "scale": "not a tensor (float32)",
        "names": "not a tensor (list)",
    }


def test_tied_tensors_of_a_state_dict_count_once():
    weight = torch.randn(3, 3)
    source = StateDict({"a": weight, "b": weight, "c": weight.clone()})
    assert list(read(source)) == ["a", "c"]
    assert "shares memory" in reasons(source)["b"]


@pytest.mark.parametrize(
    ("name", "ndim", "kind"),
    [
        ("conv1.weight", 4, "matrix"),
        ("bn1.weight", 1, "norm"),
        ("layers.0.norm1.weight", 1, "norm"),
        ("ln_f.weight", 1, "norm"),
        ("fc.bias", 1, "bias"),
        ("pos_embed", 3, "embedding"),
        ("wte.embedding.weight", 2, "embedding"),
        ("patch_embed.proj.weight", 4, "matrix"),
        ("layer_scale", 1, "other"),
    ],
)
def test_kinds_guessed_from_names(name, ndim, kind):
    assert kind_of_name(name, ndim) == kind


@pytest.mark.slow
def test_streaming_a_file_needs_little_memory(tmp_path):
    """Peak of a process of its own: at most twice the largest tensor plus 300 MB."""
    tensor = torch.randn(25_000_000)
    save_file({f"layer{i}": tensor.clone() for i in range(10)}, tmp_path / "large.safetensors")
    code = (
        "import sys; from complexity_lab.measurement.single import measure;"
        "from complexity_lab.tables.provenance import peak_memory;"
        "rows = measure(sys.argv[1], ('bdm', 'bdm_2d'));"
        "print(peak_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.safetensors")], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 2 * 100_000_000 + 300_000_000
