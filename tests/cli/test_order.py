"""``--order`` of the commands that read a source of weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.zoo.sources import resolve

RUN = CliRunner()
PATTERNED = 11  # an odd number of weights in a layer, so that the blocks of one order are not those of another


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Linear(PATTERNED, PATTERNED) for _ in range(11)))
    state = {name: values + 0.1 for name, values in layers.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def rows_of(*arguments):
    done = RUN.invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def names(file, order):
    return [tensor.name for tensor in resolve(file, order=order).tensors()]


def whole(rows):
    return next(row["value"] for row in rows if (row["scope"], row["metric"]) == ("model", "bdm"))


def test_measure(file):
    found = {order: rows_of("measure", file, "--order", order) for order in ("model", "natural", "file")}
    for order, rows in found.items():
        assert [row["tensor"] for row in rows if row["scope"] == "tensor"] == names(file, order)
    assert rows_of("measure", file) == found["model"] == found["natural"]
    assert whole(found["natural"]) != whole(found["file"])


def test_compare(file):
    own = whole(rows_of("measure", file, "--order", "file"))
    model = rows_of("compare", file, file, "--order", "file")[-1]
    assert (model["value_a"], model["value_b"], model["ratio"]) == (own, own, 1)


def test_suggest(file):
    for order in ("natural", "file"):
        layers = rows_of("suggest", file, "--order", order, "--seeds", 2)["complexity_lab"]["layers"]
        assert [layer["tensor"] for layer in layers] == [name for name in names(file, order) if "weight" in name]
