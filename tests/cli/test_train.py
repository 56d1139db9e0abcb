"""``train`` as a user meets it: output, resume after a kill, errors in one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.errors import InputError, PlanMismatchError, UnknownNameError
from complexity_lab.statistics.results import open_results
from complexity_lab.tables import columns as c
from tests.cifar import accepting_environment, write_cifar10, write_files
from tests.sentences import assert_one_sentence

COMMAND = Path(sys.executable).with_name("complexity-lab")


def run(*arguments):
    done = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_directory_of_cifar_10_is_trained_on(tmp_path, monkeypatch):
    data = write_cifar10(tmp_path / "data", monkeypatch)
    options = ("--dataset", "cifar10", "--data-dir", data, "--epochs", 2, "--device", "cpu", "--out", tmp_path / "run")
    arguments = ("--model", "resnet8", "--recipe", "resnet", "--s", 4, "--capacity", 0.05, *options)
    done = run(*arguments)
    for words in ("test accuracy", "RAC", "motifs:", "distortion", "BDM ratio", "final .safetensors"):
        assert words in done.stdout
    assert "[2/2] validation" in done.stderr
    assert "s left" in done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [epoch["projections"] for epoch in result["epochs"]] == [0, 1, 1]
    again = run(*arguments)  # finished: nothing is trained, the same summary
    assert again.stdout == done.stdout
    assert "[1/2]" not in again.stderr


def test_bits_are_noted_with_the_weights(tmp_path, monkeypatch):
    data = write_cifar10(tmp_path / "data", monkeypatch)
    common = ("--dataset", "cifar10", "--data-dir", data, "--epochs", 1, "--device", "cpu", "--out", tmp_path / "run")
    run("--model", "resnet8", "--recipe", "resnet", "--bits", 8, *common)
    with safe_open(tmp_path / "run" / "final.safetensors", "pt") as file:
        notes = file.metadata()
        assert notes["bits"] == "8"
        assert "conv1.weight" in json.loads(notes["rounded"])
        assert "conv1.weight" in set(file.keys())


def test_rows_are_written_once_and_its_metrics_are_kept(tmp_path):
    command = ("--model", "mlp", "--s", 64, "--epochs", 1, "--preset", "quick", "--device", "cpu", "--out", tmp_path)
    run(*command)
    results = open_results(tmp_path)
    assert results.runs[[c.ARCHITECTURE, c.STATUS, c.S]].to_numpy().tolist() == [["mlp", "ok", 64]]
    assert results.curves[c.EPOCH].tolist() == [0, 1]
    assert set(results.measurements[c.METRIC]) == {"bdm"}
    (part,) = (tmp_path / "runs").iterdir()
    before = part.stat().st_mtime_ns
    run(*command)
    assert part.stat().st_mtime_ns == before
    with pytest.raises(PlanMismatchError, match="metrics"):
        run(*command, "--metrics", "gzip")


def weights(directory, name):
    """Names and bits of the weights that a run saved; a NaN equals itself, and -0 is not 0."""
    state = load_file(directory / f"{name}.safetensors")
    return {key: (array.dtype, array.shape, array.tobytes()) for key, array in state.items()}


def assert_same_run(first, second):
    for name in ("initial", "best", "final"):
        assert weights(first, name) == weights(second, name), name
    results = [json.loads((directory / "result.json").read_text()) for directory in (first, second)]
    for name in ("best_epoch", "test_accuracy_best", "test_loss_final"):
        assert results[0][name] == results[1][name]
    losses = [[epoch["validation_loss"] for epoch in result["epochs"]] for result in results]
    assert losses[0] == losses[1]


def assert_killed_in_epoch_2(directory):
    """The checkpoint is that of epoch 1, and nothing of the end is there."""
    progress = torch.load(directory / "checkpoint.pt", weights_only=True)["progress"]
    assert [epoch["epoch"] for epoch in json.loads(progress)["epochs"]] == [0, 1]
    assert not {"result.json", "final.safetensors"} & {path.name for path in directory.iterdir()}


def kill_halfway_through_epoch_2(process):
    """Kill the process after the line that tells of epoch 1 and half the time that epoch took; return what it told."""
    told, began = [], 0.0
    for line in process.stderr:
        told.append(line)
        if line.startswith("[0/2]"):
            began = time.monotonic()
        if line.startswith("[1/2]"):
            time.sleep((time.monotonic() - began) / 2)
            break
    process.send_signal(signal.SIGKILL)
    return "".join([*told, *process.stderr])


@pytest.mark.slow
@pytest.mark.parametrize("method", [(), ("--s", "4", "--capacity", "0.01", "--batch-size", "20")])
def test_the_command_killed_inside_an_epoch_and_run_again_ends_as_if_undisturbed(tmp_path, method):
    data = write_files(tmp_path / "data", training=400, test=20)
    environment = accepting_environment(tmp_path / "site")
    options = ("--epochs", "2", "--device", "cpu", "--data-dir", str(data), *method)

    def start(out):
        command = [COMMAND, "train", "--model", "resnet20", "--dataset", "cifar10", *options, "--out", str(out)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=pipe, text=True)

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with start(undisturbed) as whole:
        told = whole.communicate(timeout=300)[1]
    assert whole.returncode == 0, told
    with start(killed) as first:
        told = kill_halfway_through_epoch_2(first)
    assert first.returncode == -signal.SIGKILL, told
    assert "[2/2]" not in told
    assert_killed_in_epoch_2(killed)
    with start(killed) as second:
        told = second.communicate(timeout=300)[1]
    assert second.returncode == 0, told
    assert "[1/2]" not in told  # epoch 1 was not trained again
    assert "[2/2]" in told
    assert_same_run(undisturbed, killed)


KILLED_AT_STEP = """
import os, signal, sys
from complexity_lab.cli.app import main
from complexity_lab.momos.schedule import Projector
project, last = Projector.project, int(sys.argv.pop(1))
def until_killed(self, model):
    if self.projections == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return project(self, model)
Projector.project = until_killed
main()
"""


@pytest.mark.slow
def test_killed_at_a_step_inside_epoch_2_it_ends_as_if_undisturbed(tmp_path):
    """The same on digits, where an epoch has 5 steps: the weights of the eighth are not projected any more."""
    method = ("--model", "mlp", "--batch-size", "256", "--s", "8", "--metrics", "gzip")
    command = ("train", *method, "--epochs", "2", "--device", "cpu", "--out")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_STEP, "7", *command, tmp_path / "killed"],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert_killed_in_epoch_2(tmp_path / "killed")
    torch.manual_seed(99)  # another process has other global random numbers
    again = run(*command[1:], tmp_path / "killed")
    assert "[1/2]" not in again.stderr
    run(*command[1:], tmp_path / "undisturbed")
    assert_same_run(tmp_path / "undisturbed", tmp_path / "killed")


def test_the_reference_holds_out_5_percent_of_cifar_and_the_paper_10(tmp_path, monkeypatch):
    data = write_cifar10(tmp_path / "data", monkeypatch)
    common = ("--model", "mlp", "--dataset", "cifar10", "--data-dir", data, "--epochs", 1, "--device", "cpu")
    held_out = []
    for preset in ("paper", "reference"):
        run(*common, "--preset", preset, "--out", tmp_path / preset)
        held_out.append(json.loads((tmp_path / preset / "config.json").read_text())["validation"])
    assert held_out == [None, 0.05]  # None is the data set's own, a tenth of CIFAR


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--model", "resnet8"), UnknownNameError, "no recipe for 'resnet8'.*recipes: mlp, .*like: mlp, resnet, vit"),
        (
            ("--model", "mlp", "--s", 4, "--k", 8, "--capacity", 0.1),
            InputError,
            "k = 8 and capacity = 0.1: give one of them",
        ),
        (("--model", "mlp", "--capacity", 0.1), InputError, "a number of motifs without a block size; give s"),
        (("--model", "mlp", "--s", 0), InputError, "s = 0, wanted at least 1"),
        (("--model", "mlp", "--s", 4, "--every", "day"), InputError, "every 'day', wanted step, epoch or a number"),
        (
            ("--model", "mlp", "--s", 4, "--choice", "best"),
            UnknownNameError,
            "unknown choice of motifs 'best'; there are random, kmeans, frequent",
        ),
        (("--model", "mlp", "--tile", "2by2"), InputError, "--tile '2by2', wanted rows x columns such as 2x2"),
        (("--model", "mlp", "--bits", 1), InputError, "1 bit, wanted 2 to 32"),
        (("--model", "mlp", "--metrics", "bdn"), InputError, "unknown metric 'bdn' .did you mean bdm"),
        (("--model", "mlp", "--dataset", "cifar10"), InputError, "cifar10 needs --data-dir, a directory that"),
        (("--model", "mlp", "--seed", -1), InputError, "seed -1, wanted 0 or above"),
        (("--model", "mlp", "--tracker", "paper"), InputError, "tracker 'paper', wanted tensorboard or wandb"),
        (
            ("--model", "mlp", "--preset", "papers"),
            InputError,
            "preset 'papers', wanted one of paper, reference, quick",
        ),
    ],
)
def test_what_cannot_work_is_one_sentence_before_training(tmp_path, arguments, error, words):
    with pytest.raises(error, match=words) as found:
        run(*arguments, "--out", tmp_path / "run")
    assert_one_sentence(found.value)
    assert not (tmp_path / "run").exists()
