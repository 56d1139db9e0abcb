"""``series``: rows, losses beside them, exit codes, and one sentence per error."""

import pytest

from complexity_lab.statistics.results import open_results
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from tests.checkpoints import write
from tests.sentences import assert_one_sentence


@pytest.fixture
def series(run):
    return lambda *arguments: run("series", *arguments, "--jobs", 1)


def test_a_series_becomes_rows_figures_and_a_page_and_grows(series, tmp_path):
    folder, losses = write(tmp_path / "run", [0, 1, 10, 100]), tmp_path / "losses.csv"
    (folder / "best.safetensors").write_bytes(b"x")
    losses.write_text("step,validation_loss\n0,2.3\n10,1.5\n50,1.2\n100,1.0\n")
    out = tmp_path / "out"
    options = ("--bits", 2, "--shuffles", 2, "--losses", losses, "--out", out)
    code, shown, told = series(folder, *options)
    assert code == 0, told
    assert "No step in the names of best.safetensors; left out." in told
    assert "Losses of 1 step without a checkpoint (50)." in told
    assert "4 ok, 0 failed (4 checkpoints done now, 0 kept)." in shown
    rows = read_table(out, "measurements")
    assert set(rows[c.STEP]) == {0, 1, 10, 100}
    assert {"bdm", "qubd"} == set(rows[c.METRIC])
    assert open_results(out).losses[c.VALIDATION_LOSS].dropna().tolist() == [2.3, 1.5, 1.0]
    assert {path.stem for path in (out / "figures").glob("*.png")} >= {"trajectory", "trajectory_planes"}
    assert (out / "report.html").exists()
    write(folder, [1000])
    assert "5 ok, 0 failed (1 checkpoint done now, 4 kept)." in series(folder, *options, "--no-report")[1]


def test_exit_codes_are_those_of_a_survey(series, tmp_path):
    folder = write(tmp_path / "run", [0, 1])
    (folder / "step-2.safetensors").write_bytes(b"x" * 50)
    code, shown, _ = series(folder, "--out", tmp_path / "out", "--no-report")
    assert (code, "2 ok, 1 failed" in shown) == (3, True)
    assert "failed: " in shown
    for step in (0, 1):
        (folder / f"step-{step}.safetensors").write_bytes(b"x" * 50)
    assert series(folder, "--out", tmp_path / "none")[0] == 1


def test_a_directory_of_its_own_for_every_way_of_measuring(series, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my run", [0, 1])
    for options in ((), ("--bits", 2), ("--metrics", "bdm_2d", "--preset", "qubd-paper", "--tensor-rows")):
        assert series("my run", "--no-report", *options)[0] == 0
    places = sorted((tmp_path / "runs").iterdir())
    assert len(places) == 3
    assert all(place.name.startswith("series-my_run-") for place in places)
    scopes = [set(read_table(place, "measurements")[c.SCOPE]) for place in places]
    assert sorted(map(len, scopes)) == [1, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nothing", "no directory"),
        ("owner/name", "without revisions"),
        ("run --metrics bdmm", "did you mean bdm"),
        ("run --preset fixd", "did you mean fixed"),
        ("run --preset momos-paper --bits 4", "no bit planes"),
        ("run --bits 17", "wanted 1 to 16"),
        ("run --shuffles -1", "shuffles"),
        ("run --losses none.csv", "none.csv"),
        ("run --revisions step0", "has no revisions"),
    ],
)
def test_every_error_is_one_sentence_before_anything_is_written(series, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "run", [0])
    code, out, err = series(*arguments.split())
    assert (code in (1, 2), out) == (True, "")
    assert words in err
    assert_one_sentence(err.removesuffix("\n"))
    assert not (tmp_path / "runs").exists()
