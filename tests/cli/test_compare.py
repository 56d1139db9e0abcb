"""``complexity-lab compare`` as a user meets it."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from complexity_lab.cli.compare import _percent, compare_cli, largest_changes
from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from tests.cli.test_commands import run
from tests.sentences import assert_one_sentence

RNG = np.random.default_rng(0)
BEFORE = {
    "a[norm].w": RNG.standard_normal((20, 24)).astype(np.float32),
    "fc.weight": RNG.standard_normal((16, 20)).astype(np.float32),
    "fc.bias": np.ones(5, np.float32),
    "gone": np.ones(30, np.float32),
    **{f"count{i}": np.arange(3) for i in range(9)},
}
AFTER = {name: values for name, values in BEFORE.items() if name != "gone"}
AFTER["fc.weight"] = np.where(np.abs(BEFORE["fc.weight"]) < 1, 0, BEFORE["fc.weight"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    for name, state in (("a", BEFORE), ("b", AFTER)):
        save_file(state, folder / f"{name}.safetensors")
    return folder / "a.safetensors", folder / "b.safetensors"


def line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_the_table_shows_changes_planes_reasons_and_what_changed_most(files):
    done = run("compare", *files, "--metrics", "bdm,bdm_2d", "--bits", "4")
    assert done.returncode == 0, done.stderr
    assert re.search(r"20x24 +bdm +[\d,.]+ +[\d,.]+ +1\.0000 +0 % +0 % +0 % +0 % +0$", line(done.stdout, "a[norm].w"))
    changed = line(done.stdout, "fc.weight")
    zeros = np.mean(AFTER["fc.weight"] == 0)
    assert "> 0." in changed
    assert f"{100 * zeros:.2f} %" in changed
    assert re.search(r"^largest change of bdm: fc\.weight, B/A = 0\.\d{4}$", done.stdout, re.MULTILINE)
    assert "QuBD, B in percent of A" in done.stdout
    assert len([row for row in done.stdout.splitlines() if row.startswith("whole model")]) == 2
    assert re.search(r"all +skipped: only in A +gone *$", done.stdout, re.MULTILINE)
    assert re.search(r"count0, count1, count2, count3, count4, count5 and 3 more", done.stdout)
    assert "the whole model is without 1 tensor(s)" in done.stdout


def test_json_and_csv_hold_the_same_rows(files, capsys):
    compare_cli(*map(str, files), as_json=True, bits=2)
    rows = json.loads(capsys.readouterr().out)
    compare_cli(*map(str, files), as_csv=True, bits=2)
    listed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["tensor"] for row in rows] == [row["tensor"] for row in listed]
    model, same = (
        next(row for row in found if row["scope"] == "model" and row["metric"] == "qubd_plane1")
        for found in (rows, listed)
    )
    assert float(same["ratio"]) == model["ratio"]


def test_before_and_after_training(capsys):
    compare_cli("digits:mlp_12", "digits:mlp_12", state_a="initial", seed_b=0)
    shown = capsys.readouterr().out
    assert shown.startswith("A: digits:mlp_12, initial\nB: digits:mlp_12, seed 0\n")
    assert re.search(r"^layers\.0\.weight +12x3072 +bdm +[\d,.]+ +[\d,.]+ +> 0\.\d+ +100 %", shown, re.MULTILINE)


def test_notes_name_each_tensor_once_per_note(capsys, tmp_path):
    eighth = {"w": torch.ones(4, 20).to(torch.float8_e5m2), "v": torch.ones(3, 9).to(torch.float8_e5m2)}
    save_torch_file(eighth, tmp_path / "b.safetensors")
    save_torch_file({name: values.float() for name, values in eighth.items()}, tmp_path / "a.safetensors")
    compare_cli(str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), metrics="bdm,gzip", bits=2)
    assert re.search(r"^all +B: .*float16 +v, w *$", capsys.readouterr().out, re.MULTILINE)


def test_nothing_to_compare_is_code_1_and_says_why(files, tmp_path):
    save_file({"other": BEFORE["fc.weight"]}, tmp_path / "c.safetensors")
    done = run("compare", files[0], tmp_path / "c.safetensors")
    assert done.returncode == 1
    assert "have no tensor that can be compared" in done.stderr
    assert re.search(r"skipped: only in B +other *$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"state_a": "half"}, InputError, "--state-a 'half', wanted initial or trained"),
        ({"state_b": "half"}, InputError, "--state-b 'half', wanted initial or trained"),
        ({"as_json": True, "as_csv": True}, InputError, "wanted one of them"),
        ({"metrics": "bdmm"}, UnknownNameError, "did you mean bdm"),
        ({"bits": 0}, InputError, "0 bits"),
        ({"metrics": ""}, InputError, "no metric asked for"),
        ({}, UnreachableError, "nowhere.safetensors does not exist"),
    ],
)
def test_wrong_input_is_one_sentence(files, options, error, words):
    with pytest.raises(error, match=re.escape(words)) as raised:
        compare_cli(str(files[0]), "nowhere.safetensors", **options)
    assert_one_sentence(raised.value)


def test_the_largest_change_is_the_farthest_factor():
    def row(tensor, ratio, metric="bdm", scope="tensor"):
        return {"tensor": tensor, "ratio": ratio, "metric": metric, "scope": scope}

    rows = [
        row("half", 0.5),
        row("more", 1.9),
        row("none", None),
        row("", 0.1, scope="model"),
        row("same", 1.0, "gzip"),
    ]
    assert {metric: found["tensor"] for metric, found in largest_changes(rows).items()} == {"bdm": "half"}
    assert largest_changes([row("half", 0.5), row("three", 3.0)])["bdm"]["tensor"] == "three"


def test_only_none_is_0_percent_and_only_all_are_100():
    shares = (0, 1e-9, 0.00012, 0.5, 0.99999999, 1)
    assert [*map(_percent, shares)] == ["0 %", "<0.01 %", "0.01 %", "50.00 %", ">99.99 %", "100 %"]
