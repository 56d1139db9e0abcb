"""Which files of a directory are checkpoints of which step, and reading them all in one order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, UnreachableError, WeightsError
from complexity_lab.zoo.series import OrderedFiles, in_files, order_of_files, step_of, weight_files
from tests.checkpoints import weights, write


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step-100", 100),
        ("step_100", 100),
        ("step100", 100),
        ("Step=7", 7),
        ("checkpoint-20", 20),
        ("ckpt_003", 3),
        ("100", 100),
        ("0", 0),
        ("epoch=3-step=40", 40),
        ("model-step-5", 5),
        ("global_step12", 12),
        ("iter_0000500", 500),
        ("stage1-step1000-tokens5B", 1000),
        ("pytorch_model", None),
        ("model-00001-of-00002", None),
        ("run2", None),
        ("footstep3", None),
        ("v1.0", None),
        ("-5", None),
        ("", None),
    ],
)
def test_the_step_in_a_name(name, step):
    assert step_of(name) == step


@given(st.integers(0, 10**9), st.sampled_from(["step{}", "step-{}", "checkpoint_{}", "{}"]))
def test_every_number_is_read_back(number, form):
    assert step_of(form.format(number)) == number


@pytest.mark.parametrize(
    "form", ["step-{}.safetensors", "step_{}/model.safetensors", "{}.safetensors", "checkpoint-{}/x.safetensors"]
)
def test_checkpoints_are_sorted_by_number(tmp_path, form):
    found, others = in_files(write(tmp_path, [1000, 0, 20, 3], form))
    assert [checkpoint.step for checkpoint in found] == [0, 3, 20, 1000]
    assert others == []
    for checkpoint in found:
        with checkpoint.files() as files:
            assert [file.exists() for file in files] == [True]


def test_torch_files_and_directories_of_a_trainer(tmp_path):
    """Beside the weights lie the optimizer's state and more, in files of the same suffix."""
    for step in (1, 2):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        state = {name: torch.from_numpy(values) for name, values in weights(step).items()}
        torch.save(state, folder / "pytorch_model.bin")
        torch.save({"state": state}, folder / "optimizer.pt")
        torch.save(state, folder / "training_args.bin")
    torch.save({name: torch.from_numpy(values) for name, values in weights(3).items()}, tmp_path / "step3.pt")
    found, _ = in_files(tmp_path)
    names = []
    for checkpoint in found:
        with checkpoint.files() as files:
            names += [file.name for file in files]
            assert order_of_files(files) == ({name: values.shape for name, values in weights(0).items()}, "model")
    assert names == ["pytorch_model.bin", "pytorch_model.bin", "step3.pt"]


def test_what_says_no_step_is_told(tmp_path):
    write(tmp_path, [1])
    save_file(weights(2), tmp_path / "final.safetensors")
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "log-3.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    found, others = in_files(tmp_path)
    assert [checkpoint.step for checkpoint in found] == [1]
    assert others == ["final.safetensors", "tensorboard"]


def test_two_of_one_step_are_refused(tmp_path):
    write(tmp_path, [7])
    write(tmp_path, [7], "step_007/model.safetensors")
    with pytest.raises(InputError, match=r"step-7\.safetensors and step_007 are both of step 7"):
        in_files(tmp_path)


def test_a_directory_without_checkpoints(tmp_path):
    with pytest.raises(InputError, match="no checkpoints named by their step"):
        in_files(tmp_path)
    with pytest.raises(UnreachableError, match="no directory"):
        in_files(tmp_path / "nothing")


def test_several_models_in_a_checkpoint_are_refused(tmp_path):
    save_file(weights(0), tmp_path / "a.safetensors")
    save_file(weights(0), tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="2 models"):
        weight_files(tmp_path)


def tensors_of(files, order):
    return {tensor.name: np.array(tensor.values) for tensor in OrderedFiles(tuple(files), "step-1", order).tensors()}


def shards(folder, parts):
    folder.mkdir()
    files = []
    for place, names in enumerate(parts):
        files.append(folder / f"model-{place + 1:05}-of-{len(parts):05}.safetensors")
        save_file({name: weights(0)[name] for name in names}, files[-1])
    return files


def test_a_torch_file_is_read_in_the_order_of_the_others(tmp_path):
    """Its own order is that of the state dict, theirs the natural one of the names."""
    write(tmp_path, [0])
    state = {name: torch.from_numpy(values) for name, values in reversed(weights(0).items())}
    torch.save(state, tmp_path / "step-1.pt")
    order, rule = order_of_files([tmp_path / "step-0.safetensors"])
    assert rule == "natural"
    both = [tensors_of([tmp_path / name], order) for name in ("step-0.safetensors", "step-1.pt")]
    assert [list(each) for each in both] == [["fc.weight", "fc.bias", "head.weight"]] * 2
    assert all(np.array_equal(both[0][name], both[1][name]) for name in weights(0))


def test_shards_are_read_in_one_order_however_they_are_cut(tmp_path):
    order, _ = order_of_files(shards(tmp_path / "a", [["fc.bias", "fc.weight"], ["head.weight"]]))
    assert list(order) == ["fc.weight", "fc.bias", "head.weight"]
    other = shards(tmp_path / "c", [["head.weight"], ["fc.bias", "fc.weight"]])
    assert list(tensors_of(other, order)) == list(order_of_files(other)[0]) == list(order)
    fewer = shards(tmp_path / "d", [["fc.bias"], ["fc.weight"]])
    with pytest.raises(WeightsError, match=r"lacks 1 \(head.weight"):
        tensors_of(fewer, order)
