"""An experiment whose process is killed goes on where it was, and what outlives it does no harm."""

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from filelock import FileLock

from complexity_lab.errors import OutputError
from complexity_lab.experiments.plan import checked_plan
from complexity_lab.experiments.run import NETWORKS, RunTask, configs, lock_file, prepare, run_experiment, run_task
from complexity_lab.tables.training import finished_runs, read_training
from tests.experiments.test_run import TIMINGS

COMMAND = ("reproduce", "table1", "--model", "mlp", "--seeds", "1", "--epochs", "2", "--jobs", "2")


def start(directory):
    command = [sys.executable, "-m", "complexity_lab", *COMMAND, "--out", str(directory)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ})


def rows(directory):
    frame = read_training(directory, "runs")
    return frame.drop(columns=TIMINGS, errors="ignore")


@pytest.mark.slow
def test_a_killed_experiment_ends_with_the_rows_of_an_undisturbed_one(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with start(undisturbed) as whole:
        told = whole.communicate(timeout=300)[1]
    assert whole.returncode == 0, told
    with start(killed) as first:
        for line in first.stderr:
            if line.startswith("[2/12]"):
                break
        first.send_signal(signal.SIGKILL)  # its two workers go on for an epoch
    with start(killed) as second:
        told = second.communicate(timeout=300)[1]
    assert second.returncode == 0, told
    assert "were finished before and are kept" in told
    pd.testing.assert_frame_equal(rows(killed), rows(undisturbed))


def a_plan(**changes):
    return checked_plan(**({"models": ("mlp",), "seeds": (0,), "epochs": 1} | changes))


def test_one_process_at_a_time(tmp_path):
    plan = a_plan()
    prepare(plan, tmp_path)
    with FileLock(lock_file(tmp_path, "experiment")), pytest.raises(OutputError, match="another process is training"):
        run_experiment(plan, tmp_path, jobs=1)
    assert finished_runs(tmp_path) == {}


def test_a_run_that_another_worker_finished_meanwhile_is_not_trained_again(tmp_path, monkeypatch):
    plan = a_plan()
    prepare(plan, tmp_path)
    (config,) = configs(plan)
    task = RunTask(config, tmp_path, ("bdm",), "paper", keep_weights=False, metadata={})
    assert run_task(task) == (config.key, None)
    monkeypatch.setattr("complexity_lab.momos.training.train", lambda *_, **__: pytest.fail("trained twice"))
    assert run_task(task) == (config.key, None)


def test_a_worker_without_its_parent_ends_after_an_epoch(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from complexity_lab.experiments.plan import checked_plan\n"
        "from complexity_lab.experiments.run import RunTask, configs, run_task\n"
        "plan = checked_plan(models=('mlp',), seeds=(0,), epochs=50)\n"
        "run_task(RunTask(configs(plan)[0], Path(sys.argv[1]), ('bdm',), 'paper', False, {}, parent=1 << 30))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=120, check=False)
    assert done.returncode == 1
    assert finished_runs(tmp_path) == {}
    (run,) = [path for path in (tmp_path / NETWORKS).iterdir() if path.is_dir()]
    assert any(run.iterdir())  # its checkpoint


@pytest.mark.parametrize(
    "twice",
    [
        {"models": ("mlp", "mlp")},
        {"seeds": (0, 0)},
        {"bits": (8, 8)},
        {"s": (2, 2), "capacity": (0.1,)},
        {"s": (2,), "capacity": (0.1, 0.1)},
    ],
)
def test_what_is_listed_twice_is_refused(twice):
    with pytest.raises(ValueError, match="listed twice"):
        a_plan(**twice)


def test_other_hyper_parameters_are_another_plan(monkeypatch):
    before = a_plan().hash()
    monkeypatch.setitem(sys.modules["complexity_lab.momos.recipes"]._ON_DIGITS["mlp"], "learning_rate", 0.5)
    assert a_plan().hash() != before
    assert a_plan().as_dict()["recipes"]["mlp"]["learning_rate"] == 0.5


def test_close_capacities_have_names_of_their_own():
    methods = a_plan(s=(2,), capacity=(0.1234567, 0.1234568)).methods()
    assert len({method.name for method in methods}) == 3


def test_the_reference_has_no_zero_motif_unless_told():
    def zeros(**changes):
        return {method.force_zero for method in a_plan(baseline=False, s=(2,), capacity=(0.1,), **changes).methods()}

    assert zeros() == {True}
    assert zeros(preset="reference") == {False}
    assert zeros(preset="reference", force_zero=True) == {True}
