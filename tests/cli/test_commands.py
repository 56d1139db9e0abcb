"""The command line as a user meets it: output, exit codes, one sentence per error."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.survey.conftest import checkpoints  # noqa: F401


def heed_interrupts():
    """In the child, undo what a shell does to background jobs: they ignore Ctrl-C, and their children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "complexity_lab", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", "HF_HUB_OFFLINE": "1", **environment},
        timeout=120,
    )


def test_help_lists_every_command_and_every_option_has_help():
    text = run("--help").stdout
    commands = ("survey", "measure", "figures", "report", "doctor", "bench", "zoo", "study")
    assert all(command in text for command in commands)
    from typer.main import get_command

    from complexity_lab.cli.app import app

    def walk(command, path):
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "help", f"{path} {parameter.name}"
        for name, child in getattr(command, "commands", {}).items():
            assert child.help, f"{path} {name}"
            walk(child, f"{path} {name}")

    walk(get_command(app), "complexity-lab")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("zoo", "show", "resnt18"), 2, "did you mean resnet18"),
        (("zoo", "show", "x", "--zoo", "timn"), 2, "did you mean timm"),
        (("survey", "--zoo", "digits", "--metrics", "bdmm"), 2, "did you mean bdm"),
        (("survey", "--zoo", "digits", "--seeds", "0"), 2, "wanted how many"),
        (("survey", "--zoo", "digits", "--states", "begin"), 2, "wanted initial or trained"),
        (("survey", "--zoo", "digits", "--jobs", "0"), 2, "wanted 1 or more"),
        (("survey", "--zoo", "digits", "--backend", "spark"), 2, "wanted loky or dask"),
        (("survey", "--zoo", "timm", "--max-parameters", "tiny"), 2, "tiny"),
        (("survey", "--zoo", "digits", "--seeds", "0,0"), 2, "seeds: has an entry twice"),
        (("survey", "--zoo", "digits", "--metrics", "bdm,bdm"), 2, "metrics: has an entry twice"),
        (("survey", "--zoo", "digits", "--metrics", ""), 2, "metrics: empty"),
        (("measure", "digits:resnet8_w6", "--metrics", ""), 2, "no metric asked for"),
        (("measure", "digits:resnet8_w6", "--json", "--csv"), 2, "wanted one of them"),
        (("survey", "--zoo", "timm", "--list", "nowhere.txt"), 2, "nowhere.txt"),
        (("survey", "--zoo", "checkpoints"), 2, "--weights"),
        (("survey", "--zoo", "checkpoints", "--weights", "nowhere"), 1, "nowhere does not exist"),
        (("measure", "nowhere.safetensors"), 1, "does not exist"),
        (("measure", "resnet18", "--state", "half"), 2, "wanted initial or trained"),
        (("measure", "digits:mlp_12", "--order", "sorted"), 2, "order 'sorted', wanted model, natural or file"),
        (("compare", "digits:mlp_12", "digits:mlp_12", "--order", "sorted"), 2, "order 'sorted', wanted model"),
        (("suggest", "digits:mlp_12", "--order", "sorted"), 2, "order 'sorted', wanted model, natural or file"),
        (("figures", "."), 2, "holds no manifest.json"),
        (("report", "."), 2, "holds no manifest.json"),
        (("study", "run", "nowhere.toml"), 2, "nowhere.toml does not exist"),
        (("bench", "fast"), 2, "unknown benchmark 'fast'"),
    ],
)
def test_an_error_is_one_sentence_and_a_documented_code(arguments, code, words, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("complexity-lab: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback():
    done = run("--debug", "zoo", "show", "resnt18")
    assert "Traceback" in done.stderr


def test_survey_measure_figures_and_report(checkpoints, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    first = run("survey", "--zoo", "checkpoints", "--weights", checkpoints, "--out", out, "--jobs", "1")
    assert first.returncode == 0, first.stderr
    assert "5 ok, 0 failed (5 measured now, 0 kept)" in first.stdout
    assert (out / "report.html").exists()
    assert (out / "figures" / "bdm_ratio.pdf").exists()
    again = run("survey", "--zoo", "checkpoints", "--weights", checkpoints, "--out", out)
    assert "(0 measured now, 5 kept)" in again.stdout
    changed = run("survey", "--zoo", "checkpoints", "--weights", checkpoints, "--out", out, "--metrics", "bdm")
    assert changed.returncode == 2
    assert "metrics: there" in changed.stderr
    figures = run("figures", out, "--name", "bdm_ratio", "--out", tmp_path / "figures")
    assert figures.returncode == 0, figures.stderr
    assert "bdm_ratio.png" in figures.stdout
    report = run("report", out, "--out", tmp_path / "page.html")
    assert report.returncode == 0, report.stderr
    assert (tmp_path / "page.html").read_text().startswith("<!")


def test_some_failed_is_code_3_and_they_are_listed(checkpoints, tmp_path):  # noqa: F811
    (checkpoints / "b" / "trained.safetensors").write_bytes(b"broken")
    done = run("survey", "--zoo", "checkpoints", "--weights", checkpoints, "--out", tmp_path / "out", "--no-report")
    assert done.returncode == 3
    assert "failed: b: " in done.stdout


def test_measure_in_three_forms(checkpoints):  # noqa: F811
    file = checkpoints / "a" / "trained.safetensors"
    table = run("measure", file, "--metrics", "bdm,gzip")
    assert table.returncode == 0, table.stderr
    assert "whole model" in table.stdout
    rows = json.loads(run("measure", file, "--json").stdout)
    model = next(row for row in rows if row["scope"] == "model" and row["metric"] == "bdm")
    assert model["unit"] == "bits"
    listed = list(csv.DictReader(io.StringIO(run("measure", file, "--csv", "--scope", "model").stdout)))
    assert float(listed[0]["value"]) == model["value"]


def test_names_are_printed_as_they_are(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"layers[norm].w": np.ones(24, np.float32), "a[/x]": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    done = run("measure", tmp_path / "w.safetensors")
    assert "layers[norm].w" in done.stdout
    assert "a[/x]" in done.stdout


def test_a_model_that_cannot_be_scored_is_code_1(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    done = run("measure", tmp_path / "w.safetensors")
    assert done.returncode == 1
    assert done.stderr.strip() == "complexity-lab: 3 weights, not one complete block of 12"


def test_an_unknown_figure_of_a_study_is_refused_before_the_survey(tmp_path):
    (tmp_path / "s.toml").write_text('title="t"\nquestion="q"\nfigures=["bdm_ratoi"]\n[survey]\nzoo="digits"\n')
    done = run("study", "run", "s.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean bdm_ratio" in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seeds = 0", "seeds: empty"),
        ("seeds = true", "seeds"),
        ('zoos = "x"', "zoos: Extra"),
        ("metrics = 3", "metrics"),
    ],
)
def test_a_malformed_study_is_one_sentence(tmp_path, line, words):
    (tmp_path / "s.toml").write_text(f'title="t"\nquestion="q"\n[survey]\nzoo="digits"\n{line}\n')
    done = run("study", "run", "s.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_doctor_survives_a_nonsense_endpoint():
    done = run("doctor", "--timeout", "0.2", HF_ENDPOINT="http://host:abc", HF_HUB_OFFLINE="0")
    assert "does not answer" in done.stdout
    assert "Traceback" not in done.stderr


def test_ctrl_c_does_not_wait_for_compressors(tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    weights = np.random.default_rng(0).standard_normal(6_000_000, dtype=np.float32)
    save_file({"w": weights}, tmp_path / "w.safetensors")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "complexity_lab",
            "measure",
            str(tmp_path / "w.safetensors"),
            "--metrics",
            "lzma:float32",
        ],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - started < 3
    assert (process.returncode, stderr.strip()) == (130, "complexity-lab: interrupted")


def test_an_unwritable_place_is_one_sentence(checkpoints, tmp_path):  # noqa: F811
    (tmp_path / "file").write_text("")
    done = run("survey", "--zoo", "checkpoints", "--weights", checkpoints, "--out", tmp_path / "file" / "out")
    assert done.returncode == 1
    assert "cannot write to" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_zoo_list_is_filtered_and_needs_no_network():
    done = run("zoo", "list", "--max-parameters", "1M", "--json")
    cards = [json.loads(line) for line in done.stdout.splitlines()]
    assert cards
    assert all(card["parameters"] <= 1_000_000 for card in cards)
    assert "models" in run("zoo", "list", "--zoo", "digits").stdout


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished(checkpoints, tmp_path, jobs):  # noqa: F811
    """The interrupt goes to the whole process group, as a terminal sends it."""
    out = tmp_path / "out"
    script = (
        "import time, sys; from complexity_lab.survey import run; real = run._Meter._tell\n"
        "def slow(self, outcome): real(self, outcome); time.sleep(1)\n"
        "run._Meter._tell = slow; from complexity_lab.cli.app import main; main()"
    )
    arguments = [
        "survey",
        "--zoo",
        "checkpoints",
        "--weights",
        str(checkpoints),
        "--out",
        str(out),
        "--jobs",
        str(jobs),
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list((out / "models").glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Interrupted. What is finished is kept in" in stderr
    assert "Traceback" not in stderr + stdout
    done = run(*arguments, "--no-report")
    assert "5 ok, 0 failed" in done.stdout
    assert ", 0 kept)" not in done.stdout
