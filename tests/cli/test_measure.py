"""``measure``: the table, the rows for programs, and what cannot be scored."""

import csv
import io
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import complexity_lab as cl


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {"layers[norm].w": rng.normal(size=(24, 20)), "a[/x]": rng.normal(size=3)}
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def model_row(rows, metric="bdm", **others):
    chosen = {"scope": "model", "metric": metric, "plane": None, "null": None} | others
    (row,) = (row for row in rows if all(row[key] == value for key, value in chosen.items()))
    return row


def test_the_table_and_the_rows_hold_the_same_numbers(run, file):
    code, table, err = run("measure", file, "--metrics", "bdm,gzip")
    assert (code, err) == (0, "")
    rows = json.loads(run("measure", file, "--metrics", "bdm,gzip", "--json")[1])
    whole = model_row(rows)
    assert whole["unit"] == "bits"
    (line,) = (line for line in table.splitlines() if line.startswith("whole model"))
    assert f"{whole['value']:,.1f}" in line
    listed = list(csv.DictReader(io.StringIO(run("measure", file, "--csv", "--scope", "model")[1])))
    assert {row["scope"] for row in listed} == {"model"}
    assert float(listed[0]["value"]) == whole["value"]
    frame = cl.measure(file, "bdm,gzip")
    assert len(frame) == len(rows)
    assert list(frame.columns) == list(rows[0])


def test_names_are_printed_as_they_are_and_what_has_no_number_says_why(run, file):
    table = run("measure", file)[1]
    assert "layers[norm].w" in table
    (line,) = (line for line in table.splitlines() if "a[/x]" in line)
    assert "not one complete block" in line


def test_planes_and_null_models_are_rows(run, file):
    rows = json.loads(run("measure", file, "--bits", 3, "--controls", "shuffle", "--json")[1])
    planes = [row for row in rows if row["scope"] == "model" and row["metric"] == "qubd" and row["null"] is None]
    assert [row["plane"] for row in planes] == [None, 0, 1, 2]
    assert planes[0]["value"] == pytest.approx(sum(row["value"] for row in planes[1:]))
    for null in ("iid", "shuffle"):
        assert model_row(rows, null=null, statistic="mean")["value"] > 0
        assert model_row(rows, null=null, statistic="sd")["value"] > 0
    table = run("measure", file, "--bits", 3)[1]
    assert "plane 0 is the least significant" in table


def test_no_number_is_cut_on_a_narrow_terminal(run, file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    whole = model_row(json.loads(run("measure", file, "--json")[1]))
    table = run("measure", file)[1]
    assert f"{whole['value']:,.1f}" in table
    assert f"{whole['value'] / whole['scored']:.4f}" in table


def test_a_model_of_a_zoo_in_either_state(run):
    rows = json.loads(run("measure", "digits:resnet8_w6", "--state", "initial", "--seed", 3, "--json")[1])
    others = json.loads(run("measure", "digits:resnet8_w6", "--state", "initial", "--seed", 4, "--json")[1])
    assert model_row(rows)["value"] != model_row(others)["value"]


def test_a_model_that_cannot_be_scored_is_code_1(run, tmp_path):
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    code, _, err = run("measure", tmp_path / "w.safetensors")
    assert (code, err) == (1, "complexity-lab: 3 weights, not one complete block of 12\n")
