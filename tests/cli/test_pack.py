"""``pack`` and ``unpack`` as a user meets them: what is printed, what is written, one sentence per error."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import complexity_lab as cl
from complexity_lab.momos.models import MLP


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = MLP((64, 64, 64), in_features=192)
    cl.MoMos(s=4, capacity=0.01, generator=torch.Generator().manual_seed(0))(network)
    return network


@pytest.fixture
def dense(model, tmp_path):
    path = tmp_path / "dense.safetensors"
    save_file(model.state_dict(), path, metadata={"bits": "32"})
    return path


def test_pack_shows_every_size_and_unpack_gives_the_file_back(run, dense, tmp_path):
    small, back = tmp_path / "small.safetensors", tmp_path / "back.safetensors"
    code, out, _ = run("pack", dense, small)
    assert code == 0
    rows = {line[:16].strip(): line[16:].split() for line in out.splitlines()}
    assert rows["packed"][0] == f"{small.stat().st_size:,}"
    assert rows["dense"] == [f"{dense.stat().st_size:,}", "1.00"]
    assert float(rows["packed"][1]) > float(rows["dense, zstd 19"][1]) > float(rows["dense, gzip 9"][1]) > 1
    assert float(rows["RAC"][0]) > float(rows["packed"][1])
    assert "blocks of 4 values" in out
    assert run("unpack", small, back)[0] == 0
    assert back.read_bytes() == dense.read_bytes()


def test_options_reach_the_file(run, dense, tmp_path):
    code, out, _ = run("pack", dense, tmp_path / "p", "--s", 2, "--padding", "vector", "--entropy", "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["s"], shown["codebooks"][0]["padding"]) == (2, "vector")
    assert 0 < shown["entropy_coded_bytes"] == shown["index_bytes"]
    assert shown["ratio"] == shown["dense_bytes"] / shown["packed_bytes"]
    tiled = json.loads(run("pack", dense, tmp_path / "q", "--tile", "1x4", "--json")[1])
    assert tiled["codebooks"][0]["tile"] == [1, 4]


def test_a_model_without_motifs_says_so(run, tmp_path):
    save_file({"w": torch.randn(2000)}, tmp_path / "w.safetensors")
    code, out, _ = run("pack", tmp_path / "w.safetensors", tmp_path / "p")
    assert code == 0
    assert "RAC: none, since no blocks repeat enough" in out


def test_the_directory_of_a_training_gives_the_best_weights_or_the_named_ones(run, model, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    save_file(model.state_dict(), folder / "final.safetensors")
    assert json.loads(run("pack", folder, tmp_path / "a", "--json")[1])["source"].endswith("final.safetensors")
    save_file({"w": torch.zeros(2000)}, folder / "best.safetensors")
    assert json.loads(run("pack", folder, tmp_path / "b", "--json")[1])["n"] == 2000
    final = json.loads(run("pack", folder, tmp_path / "c", "--weights", "final", "--json")[1])
    assert final["n"] == sum(parameter.numel() for parameter in model.parameters())


def test_a_torch_file_and_its_ties(run, tmp_path):
    weight = torch.ones(50, 50)
    torch.save({"state_dict": {"a": weight, "b": weight}, "epoch": 3}, tmp_path / "w.pt")
    assert run("pack", tmp_path / "w.pt", tmp_path / "p")[0] == 0
    assert run("unpack", tmp_path / "p", tmp_path / "d.safetensors")[0] == 0
    found = load_file(tmp_path / "d.safetensors")
    assert torch.equal(found["a"], weight)
    assert torch.equal(found["b"], weight)


class Surprise:
    """Something that a pickle would have to execute."""

    def __reduce__(self):
        return print, ("executed",)


def test_nothing_is_executed(run, tmp_path, capsys):
    torch.save({"w": torch.zeros(3), "x": Surprise()}, tmp_path / "evil.pt")
    code, out, err = run("pack", tmp_path / "evil.pt", tmp_path / "p")
    assert (code, out) == (1, "")
    assert "was not executed" in err


def test_nothing_is_replaced_without_force(run, dense, tmp_path):
    small = tmp_path / "small.safetensors"
    assert run("pack", dense, small)[0] == 0
    before = dense.read_bytes()
    for command in (("pack", dense, small), ("unpack", small, dense)):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert err.endswith("exists; name another file, or replace it with --force\n")
    assert dense.read_bytes() == before
    assert run("pack", dense, small, "--s", 8, "--force")[0] == 0
    assert run("unpack", small, dense, "--force")[0] == 0
    assert dense.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pack", "nothing.safetensors", "p"), 1, "does not exist"),
        (("pack", "empty", "p"), 1, "holds no best or final.safetensors"),
        (("pack", "text.safetensors", "p"), 1, "not a safetensors file"),
        (("pack", "text.pt", "p"), 1, "not a torch file"),
        (("pack", "epoch.pt", "p"), 2, "which is no tensor"),
        (("pack", "small", "p"), 2, "is packed already"),
        (("pack", "dense.safetensors", "p", "--s", "0"), 2, "wanted at least 1"),
        (("pack", "dense.safetensors", "p", "--s", "1000000"), 2, "choose smaller blocks"),
        (("pack", "dense.safetensors", "p", "--padding", "row"), 2, "wanted tensor or vector"),
        (("pack", "dense.safetensors", "p", "--tile", "2by2"), 2, "such as 2x2"),
        (("pack", "dense.safetensors", "p", "--weights", "best"), 2, "which is a file"),
        (("pack", "empty", "p", "--weights", "last"), 2, "wanted best or final"),
        (("pack", "dense.safetensors", "nowhere/p"), 1, "cannot write nowhere/p"),
        (("unpack", "dense.safetensors", "p"), 1, "holds no packed model"),
        (("unpack", "small", "nowhere/p"), 1, "cannot write nowhere/p"),
        (("unpack", "nothing", "p"), 1, "does not exist"),
    ],
)
def test_what_goes_wrong_is_one_sentence(run, dense, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("text.safetensors", "text.pt"):
        (tmp_path / name).write_text("these are no weights")
    torch.save({"w": torch.zeros(3), "epoch": 3}, tmp_path / "epoch.pt")
    source = "small.safetensors"
    cl.pack(load_file(dense), tmp_path / source)
    found = run(*(source if argument == "small" else argument for argument in arguments))
    assert found[:2] == (code, "")
    assert words in found[2]
    assert found[2].startswith("complexity-lab: ")
    assert found[2].count("\n") == 1
    assert not (tmp_path / "p").exists()
    assert not list(tmp_path.glob(".*"))
