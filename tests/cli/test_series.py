"""``complexity-lab series`` as a user meets it: its table, its files, exit codes, and one sentence per error."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer
from typer.testing import CliRunner

from complexity_lab.cli.series import series_cli
from complexity_lab.errors import ComplexityLabError
from complexity_lab.tables.steps import read_steps
from tests.sentences import assert_one_sentence
from tests.trajectory.checkpoints import write

app = typer.Typer()
app.command("series")(series_cli)


def run(*arguments):
    """Run the command in this process; errors of ours are raised."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--jobs", "1"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_series_becomes_a_table_figures_and_a_page(tmp_path):
    folder, losses = write(tmp_path / "run", [0, 1, 10, 100]), tmp_path / "losses.csv"
    (folder / "best.safetensors").write_bytes(b"x")
    losses.write_text("step,validation_loss\n0,2.3\n10,1.5\n50,1.2\n100,1.0\n")
    out = tmp_path / "out"
    options = ("--bits", 2, "--shuffles", 2, "--losses", losses, "--out", out)
    done = run(folder, *options)
    assert done.exit_code == 0
    assert "Measuring 4 checkpoints of run, steps 0 to 100, 1 at a time" in done.stderr
    assert "No step in the names of best.safetensors; left out." in done.stderr
    assert "[4/4] step 100: ok" in done.stderr
    assert "QuBD, % of" in done.stdout
    assert "steps of the losses without a checkpoint, left out: 50" in done.stdout
    assert "checkpoints without losses: 1\n" in done.stdout
    assert "4 ok, 0 failed (4 measured now, 0 kept)." in done.stdout
    assert sorted(path.name for path in (out / "figures").glob("*.png")) == ["trajectory.png", "trajectory_planes.png"]
    assert "figures/trajectory.png" in (out / "series.md").read_text()
    again = run(folder, *options)
    assert "4 checkpoints were measured before and are kept." in again.stderr
    assert "(0 measured now, 4 kept)" in again.stdout
    assert again.stdout.splitlines()[:6] == done.stdout.splitlines()[:6]


def test_exit_codes_are_those_of_a_survey(tmp_path):
    folder = write(tmp_path / "run", [0, 1])
    (folder / "step-2.safetensors").write_bytes(b"x" * 50)
    done = run(folder, "--out", tmp_path / "out", "--no-figures")
    assert done.exit_code == 3
    assert "2 ok, 1 failed" in done.stdout
    assert "failed: step 2:" in done.stdout
    for step in (0, 1):
        (folder / f"step-{step}.safetensors").write_bytes(b"x" * 50)
    done = run(folder, "--out", tmp_path / "none")
    assert done.exit_code == 1
    assert (tmp_path / "none" / "series.md").exists()


def test_a_directory_of_its_own_for_every_way_of_measuring(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my run", [0, 1])
    for options in ((), ("--bits", 2), ("--metrics", "bdm_2d", "--preset", "qubd-paper", "--tensor-rows")):
        assert run("my run", "--no-figures", *options).exit_code == 0
    places = sorted((tmp_path / "runs").iterdir())
    assert len(places) == 3
    assert all(place.name.startswith("series-my_run-") for place in places)
    scopes = [set(read_steps(place, "steps")["scope"]) for place in places]
    assert sorted(map(len, scopes)) == [1, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "no directory"),
        (("owner/name",), "without revisions"),
        (("run", "--metrics", "bdmm"), "did you mean bdm"),
        (("run", "--preset", "fixd"), "did you mean fixed"),
        (("run", "--preset", "momos-paper", "--bits", "4"), "no bit planes"),
        (("run", "--bits", "17"), "wanted 1 to 16"),
        (("run", "--shuffles", "-1"), "wanted 0 or more"),
        (("run", "--losses", "none.csv"), "cannot be read"),
        (("run", "--revisions", "step0"), "has no revisions"),
    ],
)
def test_every_error_is_one_sentence_before_anything_is_written(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "run", [0])
    with pytest.raises(ComplexityLabError, match=words) as caught:
        run(*arguments)
    assert_one_sentence(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_interrupted_and_continued(tmp_path):
    """Ctrl-C between two checkpoints: exit code 130, one sentence, and the same command goes on."""
    folder = write(tmp_path / "run", range(60))
    command = [sys.executable, "-m", "complexity_lab", "series", folder, "--out", "out", "--jobs", "1"]
    command += ["--bits", "16", "--shuffles", "300", "--no-figures"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("out/.pieces/*/*.json"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "run the same command to go on" in errors
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "checkpoints were measured before and are kept." in done.stderr
    assert "60 ok, 0 failed" in done.stdout
