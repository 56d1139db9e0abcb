"""``complexity-lab suggest`` and the study of rounding, as a user meets them."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.cli.suggest import ReferenceOptions
from complexity_lab.errors import ComplexityLabError
from complexity_lab.quantization.references import plane_rules
from complexity_lab.zoo.digits import OpenDigits

RUN = CliRunner()


@pytest.fixture
def weights(tmp_path):
    rng = np.random.default_rng(0)
    board = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((4, 4))) * 2 - 1
    tensors = {
        "plain.weight": rng.normal(size=(96, 96)),
        "board.weight": rng.uniform(0, 1, (96, 96)) * board,
        "small.weight": rng.normal(size=(8, 8)),
        "plain.bias": np.zeros(96),
    }
    file = tmp_path / "model.safetensors"
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, file)
    return file


def test_the_table_has_a_line_per_layer_and_the_mean(weights):
    done = RUN.invoke(app, ["suggest", str(weights)])
    assert done.exit_code == 0, done.output
    table, notes = done.output.split("Notes")
    lines = {line.split()[0]: line for line in table.splitlines() if ".weight" in line}
    assert set(lines) == {"plain.weight", "board.weight", "small.weight"}
    assert "*" in lines["board.weight"]
    assert re.search(r"no plane stands out +plain\.weight", notes)
    assert re.search(r"keeps the highest; too small.* small\.weight", notes)
    mean = (4 * 2 * 9216 + 8 * 64) / (2 * 9216 + 64)
    assert f"mean {mean:.2f} bits per weight over 3 tensors; 99.7 % of their 18,496 weights" in done.output


def test_json_is_printed_and_written_the_same(weights, tmp_path):
    out = tmp_path / "new" / "bits.json"
    done = RUN.invoke(app, ["suggest", str(weights), "--json", "--out", str(out), "--margin", "1", "--seeds", "6"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(out.read_text())
    content = json.loads(out.read_text())
    assert set(content) == {"_type", "_version", "_data", "complexity_lab"}
    dtypes = {name: row["_data"]["weight_dtype"]["_data"] for name, row in content["_data"]["fqn_to_config"].items()}
    assert dtypes == {"board": "int2", "plain": "int2"}
    assert content["complexity_lab"]["reference"] == "shuffle, 6 draws"
    assert content["complexity_lab"]["source"] == str(weights)


@pytest.mark.parametrize("reference", ["initial", "random"])
def test_models_of_the_digits_zoo_have_other_references(reference, monkeypatch):
    monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial(seed))
    done = RUN.invoke(app, ["suggest", "digits:resnet8_w6", "--reference", reference, "--seeds", "4"])
    assert done.exit_code == 0, done.output
    assert f"({reference}, 4 draws)" in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bits", "9"], "9 bits, wanted 2 to 8"),
        (["--preset", "momos-paper"], "has no bit planes"),
        (["--preset", "fixd"], "did you mean fixed"),
        (["--reference", "gauss"], "--reference 'gauss', wanted shuffle, initial, random"),
        (["--reference", "random"], "needs a model of a zoo"),
        (["--reference", "initial"], "needs a model of a zoo"),
        (["--seeds", "1"], "one draw has no spread"),
        (["--threshold", "100"], "threshold 100"),
        (["--margin", "-1"], "margin -1"),
        (["--out", "."], "is a directory"),
    ],
)
def test_an_error_is_one_sentence(weights, options, words):
    done = RUN.invoke(app, ["suggest", str(weights), *options])
    assert isinstance(done.exception, ComplexityLabError)
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


def test_own_initial_weights_of_timm_models_are_not_known():
    with pytest.raises(ComplexityLabError, match="is not known; use --reference random"):
        ReferenceOptions("initial").build("resnet18", None, plane_rules("fixed", 8), "model")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_network_of_convolutions_is_told_that_torchao_leaves_it_as_it_is(tmp_path, as_json):
    """Its configuration would be empty, and torchao would quantize nothing without a word."""
    rng = np.random.default_rng(0)
    save_file({f"{i}.weight": rng.normal(size=(48, 48, 3, 3)) for i in range(3)}, tmp_path / "w.safetensors")
    out = tmp_path / "bits.json"
    options = ["--json"] if as_json else []
    done = RUN.invoke(app, ["suggest", str(tmp_path / "w.safetensors"), "--seeds", "6", "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    (warning,) = (line for line in done.stderr.splitlines() if "warning" in line)
    assert warning == (
        "complexity-lab: warning: torchao quantizes linear layers only, and there is none to quantize; 3 convolutions "
        "are listed in their own section, complexity_lab.torchao_convolutions"
    )
    content = json.loads(done.stdout if as_json else out.read_text())
    assert content["_data"]["fqn_to_config"] == {}
    assert set(content["complexity_lab"]["torchao_convolutions"]["_data"]["fqn_to_config"]) == {"0", "1", "2"}


def test_a_model_without_matrices_is_said_so(tmp_path):
    file = tmp_path / "vectors.safetensors"
    save_file({"a": np.ones(30, np.float32)}, file)
    done = RUN.invoke(app, ["suggest", str(file)])
    assert "no tensor of two or more axes" in str(done.exception)
