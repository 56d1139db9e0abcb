"""``train`` as a user meets it: output, resume, errors in one sentence."""

import json

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.errors import InputError, UnknownNameError
from tests.cifar import write_cifar10


def run(*arguments):
    done = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_directory_of_cifar_10_is_trained_on(tmp_path, monkeypatch):
    data = write_cifar10(tmp_path / "data", monkeypatch)
    options = ("--dataset", "cifar10", "--data-dir", data, "--epochs", 2, "--device", "cpu", "--out", tmp_path / "run")
    arguments = ("--model", "resnet8", "--recipe", "resnet", "--s", 4, "--capacity", 0.05, *options)
    done = run(*arguments)
    for words in ("test accuracy", "RAC", "motifs:", "distortion", "BDM ratio", "final .safetensors"):
        assert words in done.stdout
    assert "[2/2] validation" in done.stderr
    assert "s left" in done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [epoch["projections"] for epoch in result["epochs"]] == [0, 1, 1]
    again = run(*arguments)  # finished: nothing is trained, the same summary
    assert again.stdout == done.stdout
    assert "[1/2]" not in again.stderr


def test_bits_are_noted_with_the_weights(tmp_path, monkeypatch):
    data = write_cifar10(tmp_path / "data", monkeypatch)
    common = ("--dataset", "cifar10", "--data-dir", data, "--epochs", 1, "--device", "cpu", "--out", tmp_path / "run")
    run("--model", "resnet8", "--recipe", "resnet", "--bits", 8, *common)
    with safe_open(tmp_path / "run" / "final.safetensors", "pt") as file:
        notes = file.metadata()
        assert notes["bits"] == "8"
        assert "conv1.weight" in json.loads(notes["rounded"])
        assert "conv1.weight" in set(file.keys())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--model", "resnet8"), UnknownNameError, "no recipe for 'resnet8'.*like: mlp, resnet, vit"),
        (("--model", "mlp", "--s", 4, "--k", 8, "--capacity", 0.1), InputError, "give one of them"),
        (("--model", "mlp", "--capacity", 0.1), InputError, "without a block size"),
        (("--model", "mlp", "--s", 0), InputError, "s = 0, wanted at least 1"),
        (("--model", "mlp", "--s", 4, "--every", "day"), InputError, "every 'day'"),
        (("--model", "mlp", "--s", 4, "--choice", "best"), UnknownNameError, "unknown choice of motifs 'best'"),
        (("--model", "mlp", "--tile", "2by2"), InputError, "--tile '2by2'"),
        (("--model", "mlp", "--bits", 1), InputError, "1 bits, wanted 2 to 32"),
        (("--model", "mlp", "--metrics", "bdn"), UnknownNameError, "did you mean bdm"),
        (("--model", "mlp", "--dataset", "cifar10"), InputError, "cifar10 needs --data-dir"),
        (("--model", "mlp", "--seed", -1), InputError, "seed -1"),
        (("--model", "mlp", "--tracker", "paper"), InputError, "tracker 'paper'"),
        (("--model", "mlp", "--preset", "papers"), InputError, "preset 'papers'"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_training(tmp_path, arguments, error, words):
    with pytest.raises(error, match=words) as found:
        run(*arguments, "--out", tmp_path / "run")
    assert "\n" not in str(found.value)
    assert not (tmp_path / "run" / "initial.safetensors").exists()
