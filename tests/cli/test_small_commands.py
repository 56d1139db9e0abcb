"""``zoo``, ``doctor``, ``bench`` and ``reproduce``."""

import json

from complexity_lab.cli.doctor import findings
from complexity_lab.statistics.results import open_results
from complexity_lab.tables import columns as c


def test_zoo_list_is_filtered_and_needs_no_network(run):
    shown = run("zoo", "list", "--max-parameters", "1M", "--json")[1]
    cards = [json.loads(line) for line in shown.splitlines()]
    assert cards
    assert all(card["parameters"] <= 1_000_000 for card in cards)
    assert run("zoo", "list", "--zoo", "digits")[1].splitlines()[-1] == "14 models"
    assert run("zoo", "list", "--zoo", "digits", "--model", "mlp_12")[1].splitlines()[-1] == "1 model"


def test_zoo_show(run, pairs):
    lines = dict(line.split(maxsplit=1) for line in run("zoo", "show", "resnet18")[1].splitlines())
    assert lines["parameters"] == "11,689,512"
    own = run("zoo", "show", "a", "--zoo", "checkpoints", "--weights", pairs)[1]
    assert own.splitlines()[0].split() == ["id", "a"]


def test_doctor_finds_what_is_installed_and_survives_a_nonsense_endpoint(run, monkeypatch):
    code, shown, _ = run("doctor")
    assert (code, "offline by HF_HUB_OFFLINE" in shown) == (0, True)
    monkeypatch.setenv("HF_ENDPOINT", "http://host:abc")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    (hub,) = (finding for finding in findings(0.2) if finding.name == "hub")
    assert "does not answer" in hub.value


def test_bench_prints_ours_and_the_peer(run):
    code, shown, err = run("bench", "counting", "--weights", "100k", "--repeats", 1, "--json")
    assert code in (0, 3), err
    rows = [json.loads(line) for line in shown.splitlines()]
    assert rows
    assert all(row["ours"] > 0 and row["peer"] > 0 for row in rows)


def test_reproduce_writes_its_table_and_its_page(run, tmp_path):
    """As far as it went: two of twelve methods on one network."""
    size = ("--model", "mlp", "--epochs", 1, "--seeds", 1, "--preset", "quick", "--limit", 2)
    code, shown, told = run("reproduce", "table1", *size, "--jobs", 1, "--device", "cpu", "--out", tmp_path)
    assert code == 0, told
    assert "2 ok, 0 failed (2 runs done now, 0 kept)." in shown
    assert {path.suffix for path in tmp_path.glob("table1.*")} == {".md", ".tex", ".csv"}
    assert (tmp_path / "report.html").exists()
    assert set(open_results(tmp_path).runs[c.MODEL].str.contains("mlp")) == {True}
    code, shown, _ = run("report", tmp_path, "--out", tmp_path / "page.html", "--tables", tmp_path / "again")
    assert (code, (tmp_path / "again" / "table1.md").exists()) == (0, True)
