"""Whatever ends a study, none of its workers is alive five seconds later, and what is finished is kept."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from complexity_lab.study.engine import run_study
from complexity_lab.tables.directory import read_table
from tests.study.toy import toy_plan

ROOT = Path(__file__).parents[2]
DEADLINE = 5.0  # seconds


def started(directory, jobs=2, slow=0.7):
    """Start a study in a process of its own; return it when two tasks are finished and two are at work."""
    command = [sys.executable, "-m", "tests.study.run_toys", str(directory), str(jobs), str(slow)]
    with directory.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=log, stderr=log)
    for _ in range(600):
        if len(list((directory / "commits").glob("*.json"))) >= 2:
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(directory.with_suffix(".log").read_text())


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def workers(process):
    return psutil.Process(process.pid).children(recursive=True)


def alive_after(found, seconds):
    _, alive = psutil.wait_procs(found, timeout=seconds)
    return [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", slow("SIGHUP"), slow("SIGQUIT"), "SIGINT"])
def test_no_worker_outlives_the_study(tmp_path, name):
    process = started(tmp_path / "study")
    found = workers(process)
    assert len(found) >= 2
    os.kill(process.pid, getattr(signal, name))
    process.wait(timeout=DEADLINE)
    assert alive_after(found, DEADLINE) == []
    result = run_study(toy_plan(count=6, slow=0.7), tmp_path / "study")
    assert result.ok == 6 and result.kept >= 2 and len(read_table(tmp_path / "study", "measurements")) == 18


def test_five_quick_interrupts_end_it_as_fast_as_one(tmp_path):
    process = started(tmp_path / "study")
    found = workers(process)
    for _ in range(5):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)
    process.wait(timeout=DEADLINE)
    assert alive_after(found, DEADLINE) == []
