"""What of a checkpoint is the model."""

import numpy as np
import pytest
import torch

from complexity_lab.errors import WeightsError
from complexity_lab.weights.from_checkpoint import StateDict, load_state_dict, open_file
from complexity_lab.weights.nesting import WRAPPERS, flat_state
from complexity_lab.weights.source import NamedTensor

W = np.ones((2, 3), np.float32)
OPTIMIZER = {"state": {0: {"exp_avg": W}}, "param_groups": [{"lr": 0.1}]}


def test_parts_of_a_checkpoint_are_all_measured(tmp_path):
    torch.save({"generator": {"w": torch.ones(5), "in": [torch.ones(2)]}, "betas": torch.ones(3)}, tmp_path / "w.pt")
    for source in (open_file(tmp_path / "w.pt"), StateDict(load_state_dict(tmp_path / "w.pt"))):
        found = {t.name: t.values.size for t in source.tensors() if isinstance(t, NamedTensor)}
        assert found == {"generator.w": 5, "generator.in.0": 2, "betas": 3}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_holds_the_model_and_training_state_beside_it_is_ignored(wrapper):
    beside = {
        **{"epoch": 3, "arch": "vit", "best_acc1": torch.tensor(0.5), "torch_rng_state": torch.zeros(9).byte()},
        **{"optimizer": OPTIMIZER, "g": OPTIMIZER, "lr_schedulers": [{"w": W}], "state_dict_ema": {"w": W}},
    }
    assert list(flat_state({**beside, wrapper: {"a": {"w": W}, "steps": 3}}, "file")) == ["a.w", "steps"]
    assert list(flat_state({wrapper: {"model": {"w": W}}}, "file")) == ["w"]


@pytest.mark.parametrize(
    "beside", [{"discriminator": {"w": W}}, {"betas": W}, {"module": {"w": W}}, {"heads": [{"w": W}]}]
)
def test_weights_beside_a_wrapper_are_refused(beside):
    with pytest.raises(WeightsError, match=f"file holds weights in '{next(iter(beside))}' beside 'model'"):
        flat_state({"model": {"w": W}, **beside}, "file")


def test_without_a_wrapper_the_state_of_an_optimizer_is_no_weight():
    state = flat_state({"net": {"w": W}, "optimizer": OPTIMIZER, "model": {"name": "vit"}}, "file")
    assert list(state) == ["net.w", "optimizer", "model"]
    assert state["optimizer"] is OPTIMIZER


@pytest.mark.parametrize("state", [{"a": {"b": W}, "a.b": W}, {1: W, "1": W}])
def test_two_entries_of_one_name_are_refused(state):
    with pytest.raises(WeightsError, match="two entries that are both named"):
        flat_state(state, "file")


def test_mappings_that_hold_themselves_and_broken_names_are_refused():
    endless = {"w": W[0, 0] * np.ones(1, np.float32)}
    endless["model"] = endless
    with pytest.raises(WeightsError, match=r"nested too deeply|beside"):
        flat_state(endless, "file")
    with pytest.raises(WeightsError, match=r"named 'w\\udcff', which is not valid Unicode"):
        flat_state({"w\udcff": W}, "file")
