"""One of a thing is written in the singular, wherever a message counts."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import complexity_lab as cl
from complexity_lab.binary.codes import count_bits
from complexity_lab.cli.app import app
from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.presets import preset
from complexity_lab.zoo.failures import some


@pytest.mark.parametrize(
    ("n", "noun", "plural", "text"),
    [
        (1, "model", None, "1 model"),
        (0, "model", None, "0 models"),
        (2, "model", None, "2 models"),
        (-1, "bit", None, "-1 bits"),
        (12_345, "weight", None, "12,345 weights"),
        (1, "axis", "axes", "1 axis"),
        (3, "axis", "axes", "3 axes"),
    ],
)
def test_counts(n, noun, plural, text):
    assert counted(n, noun, plural) == text
    assert counted(np.int64(n), noun, plural) == text


def rows_of(values, metrics, **options):
    found = cl.measure({"fc.weight": np.asarray(values, np.float32)}, metrics, **options)
    return dict(zip(zip(found["scope"], found["metric"], strict=True), found["reason"], strict=True))


def test_tensors_of_one_value_and_of_one_axis():
    rows = rows_of([0.5], ("bdm", "bdm_2d", "lz76_density"))
    assert rows["tensor", "bdm"] == "1 weight, not one complete block of 12"
    assert rows["tensor", "bdm_2d"] == "1 axis, squares need a matrix"
    assert rows["tensor", "lz76_density"] == "1 value is too few for lz76_density"
    assert rows_of(0.5, ("bdm_2d",))["tensor", "bdm_2d"] == "0 axes, squares need a matrix"
    assert preset("fixed").rules.why_not((3,), "w") == "1 axis, QuBD needs 2 or more"


def test_messages_of_one():
    with pytest.raises(InputError, match=r"^bits have 1 axis, blocks of shape"):
        count_bits(np.ones(16, np.uint8), (4, 4), "ignore")
    with pytest.raises(InputError, match=r"^1 bit and preset momos-paper"):
        rows_of(np.ones((4, 4)), None, preset="momos-paper", bits=1)
    with pytest.raises(WeightsError, match="of 1 weight are"):
        cl.binarize(np.array([np.nan]))
    assert some(["a"]) == "1 tensor (a)"


def test_the_commands(tmp_path):
    rng = np.random.default_rng(0)
    save_file({"a.weight": rng.normal(size=(96, 96))}, tmp_path / "w.safetensors")
    run = CliRunner()
    done = run.invoke(app, ["suggest", str(tmp_path / "w.safetensors"), "--seeds", "2"])
    assert "over 1 tensor;" in done.output
    done = run.invoke(app, ["zoo", "list", "--zoo", "digits", "--filter", "mlp_12"])
    assert done.output.splitlines()[-1] == "1 model"
