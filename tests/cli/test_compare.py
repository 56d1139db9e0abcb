"""``complexity-lab compare`` as a user meets it."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from complexity_lab.cli.compare import _percent, largest_changes
from complexity_lab.measurement.comparison import compare_sources
from complexity_lab.measurement.spec import spec_of
from complexity_lab.zoo.sources import resolve
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


def lines(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_the_tables_show_changes_planes_reasons_and_what_changed_most(run, files):
    code, shown, err = run("compare", *files, "--metrics", "bdm,bdm_2d", "--bits", "4")
    assert code == 0, err
    same, unchanged = lines(shown, "a[norm].w")[:2]
    assert re.search(r"20x24 +bdm +[\d,.]+ +[\d,.]+ +1\.0000$", same)
    assert re.search(r"0 % +0 % +0 % +0 % +0$", unchanged)
    changed, shares = lines(shown, "fc.weight")[:2]
    assert "> 0." in changed
    assert f"{100 * np.mean(AFTER['fc.weight'] == 0):.2f} %" in shares
    assert re.search(r"^largest change of bdm: fc\.weight, B/A = 0\.\d{4}$", shown, re.MULTILINE)
    assert "QuBD, B in percent of A" in shown
    assert re.search(r"all +skipped: only in A +gone *$", shown, re.MULTILINE)
    assert re.search(r"count0, count1, count2, count3, count4, count5 and 3 more", shown)
    assert "the whole model is without 1 tensor that" in shown


def test_json_and_csv_hold_the_same_rows(run, files):
    rows = json.loads(run("compare", *files, "--bits", 2, "--json")[1])
    listed = list(csv.DictReader(io.StringIO(run("compare", *files, "--bits", 2, "--csv")[1])))
    assert [row["tensor"] or "" for row in rows] == [row["tensor"] for row in listed]
    chosen = [index for index, row in enumerate(rows) if (row["scope"], row["plane"]) == ("model", 1)]
    (index,) = chosen
    assert float(listed[index]["ratio"]) == rows[index]["ratio"]


def test_before_and_after_training(run, monkeypatch):
    from complexity_lab.zoo.digits import OpenDigits

    monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial(seed + 7))
    _, shown, _ = run("compare", "digits:mlp_12", "digits:mlp_12", "--state-a", "initial", "--seed-b", 0)
    assert shown.startswith("A: digits:mlp_12, initial\nB: digits:mlp_12, seed 0\n")
    assert re.search(r"^layers\.0\.weight +100 %", shown, re.MULTILINE)


def test_notes_name_each_tensor_once_per_note(run, tmp_path):
    eighth = {"w": torch.ones(4, 20).to(torch.float8_e5m2), "v": torch.ones(3, 9).to(torch.float8_e5m2)}
    save_torch_file(eighth, tmp_path / "b.safetensors")
    save_torch_file({name: values.float() for name, values in eighth.items()}, tmp_path / "a.safetensors")
    shown = run("compare", tmp_path / "a.safetensors", tmp_path / "b.safetensors", "--bits", 2)[1]
    assert re.search(r"^all +B: .*float16 +v, w *$", shown, re.MULTILINE)


def test_nothing_to_compare_is_code_1_and_says_why(run, files, tmp_path):
    save_file({"other": BEFORE["fc.weight"]}, tmp_path / "c.safetensors")
    code, shown, err = run("compare", files[0], tmp_path / "c.safetensors")
    assert code == 1
    assert "have no tensor that can be compared" in err
    assert re.search(r"skipped: only in B +other *$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("--state-a half", 2, "--state-a 'half', wanted initial or trained"),
        ("--json --csv", 2, "wanted one of them"),
        ("--metrics bdmm", 2, "did you mean bdm"),
        ("--bits 0", 2, "0 bits"),
        ("--metrics=", 2, "no metric asked for"),
        ("", 1, "nowhere.safetensors does not exist"),
    ],
)
def test_wrong_input_is_one_sentence(run, files, options, code, words):
    found, out, err = run("compare", files[0], "nowhere.safetensors", *options.split())
    assert (found, out) == (code, "")
    assert words in err
    assert_one_sentence(err.removesuffix("\n"))


def test_the_largest_change_is_the_farthest_factor(files, tmp_path):
    """Rows of a real comparison, with other ratios."""
    (whole,) = (row for row in compare_rows(files) if row.scope == "model")
    (some,) = (row for row in compare_rows(files) if row.tensor == "fc.weight")

    def row(tensor, ratio, metric="bdm"):
        return replace(some, tensor=tensor, ratio=ratio, metric=metric)

    rows = [row("half", 0.5), row("more", 1.9), row("none", None), replace(whole, ratio=0.1), row("same", 1.0, "gzip")]
    assert {metric: found.tensor for metric, found in largest_changes(rows).items()} == {"bdm": "half"}
    assert largest_changes([row("half", 0.5), row("three", 3.0)])["bdm"].tensor == "three"


def compare_rows(files):
    return compare_sources(*map(resolve, files), spec_of("bdm"))


def test_only_none_is_0_percent_and_only_all_are_100():
    shares = (0, 1e-9, 0.00012, 0.5, 0.99999999, 1)
    assert [*map(_percent, shares)] == ["0 %", "<0.01 %", "0.01 %", "50.00 %", ">99.99 %", "100 %"]
