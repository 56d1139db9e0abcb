"""``pack`` on the directory of a training: it knows how the run was cut and which weights the network saw rounded."""

import json
from dataclasses import replace
from operator import attrgetter

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.errors import InputError
from complexity_lab.momos.method import Method
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.qat import quantize_weights
from complexity_lab.momos.runs import RunConfig
from complexity_lab.momos.training import train_run
from complexity_lab.training.profiles import recipe_for

RECIPE = replace(recipe_for("mlp", "digits"), epochs=1, batch_size=256, image_size=8)


def pack(*arguments):
    done = CliRunner().invoke(app, ["pack", *map(str, arguments)])
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a function that gives the directory of a training; each is trained once."""
    runs = {}

    def of(method, **changes):
        key = (method, *changes.items())
        if key not in runs:
            runs[key] = tmp_path_factory.mktemp("run")
            recipe = replace(RECIPE, **changes)
            config = RunConfig(model="mlp", dataset="digits", method=method, recipe=recipe, device="cpu")
            train_run(config, runs[key])
        return runs[key]

    return of


@pytest.mark.parametrize(
    ("method", "cut"),
    [
        (Method(tile=(2, 3), capacity=0.01), {"s": 6, "tile": [2, 3]}),
        (Method(s=6, capacity=0.01), {"s": 6, "tile": None}),
    ],
)
def test_a_run_is_cut_as_it_was_trained(tmp_path, trained, method, cut):
    run = trained(method)
    shown = json.loads(pack(run, tmp_path / "p", "--json"))
    assert {key: shown["codebooks"][0][key] for key in cut} == cut
    told = json.loads(pack(run, tmp_path / "q", "--json", "--tile", f"1x{cut['s']}" if cut.get("tile") else "3x1"))
    assert shown["ratio"] > 2 * told["ratio"]


def test_what_a_person_asks_for_comes_first(tmp_path, trained):
    run = trained(Method(s=6, capacity=0.01))
    assert json.loads(pack(run, tmp_path / "p", "--json", "--s", 2))["s"] == 2
    vector = json.loads(pack(run, tmp_path / "q", "--json", "--padding", "vector"))
    assert {book["padding"] for book in vector["codebooks"]} == {"vector"}


@pytest.mark.parametrize("method", [Method(bits=4), Method(bits=4, s=4, capacity=0.01)])
def test_a_run_of_few_bits_is_packed_as_it_was_tested(tmp_path, trained, method):
    run = trained(method, qat_exclude=("layers.0",))
    exact = load_file(run / "final.safetensors")
    model = build_model("mlp", num_classes=10, in_channels=3, image_size=8)
    model.load_state_dict(exact)
    quantize_weights(model, 4, ("layers.0",))
    seen = {name: attrgetter(name)(model) for name in exact}  # what the layers compute with
    shown = pack(run, tmp_path / "p", "--weights", "final")
    assert f"final weights, {run}/final.safetensors -> " in shown
    assert "rounded to 4 bits, as the network was tested" in shown
    CliRunner().invoke(app, ["unpack", str(tmp_path / "p"), str(tmp_path / "dense.safetensors")])
    found = load_file(tmp_path / "dense.safetensors")
    assert found.keys() == exact.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in seen.items())
    assert not torch.equal(found["layers.1.weight"], exact["layers.1.weight"])
    again = pack(tmp_path / "dense.safetensors", tmp_path / "again")  # rounded weights are not rounded again
    assert "rounded to" not in again


def test_which_weights_were_packed_is_said(tmp_path, trained):
    run = trained(Method())
    assert pack(run, tmp_path / "a").startswith(f"best weights, {run}/best.safetensors -> ")
    assert json.loads(pack(run, tmp_path / "b", "--json", "--weights", "final"))["weights"] == "final"
    assert json.loads(pack(run / "best.safetensors", tmp_path / "c", "--json"))["weights"] is None


@pytest.mark.parametrize(
    "notes",
    [{"bits": "8", "rounded": '["missing"]'}, {"rounded": '["w"]'}, {"bits": "8", "rounded": "w"}],
)
def test_damaged_notes_are_one_sentence(tmp_path, notes):
    save_file({"w": torch.randn(2000)}, tmp_path / "w.safetensors", metadata=notes)
    with pytest.raises(InputError, match="do not say which weights to round"):
        pack(tmp_path / "w.safetensors", tmp_path / "p")


def test_notes_of_other_programs_are_no_cut(tmp_path):
    save_file({"w": torch.ones(2000)}, tmp_path / "w.safetensors", metadata={"s": "small", "tile": "0x3", "bits": "x"})
    assert json.loads(pack(tmp_path / "w.safetensors", tmp_path / "p", "--json"))["s"] in (1, 2, 4, 8, 16, 32)
