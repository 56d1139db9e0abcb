"""Every kind of study through the real command line, ended in every way: no row lost, none twice, no worker left."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd
import psutil
import pytest

from complexity_lab.study.engine import executor_for, planned_tasks, run_study
from complexity_lab.study.kind import RunOptions
from complexity_lab.study.kinds.series import series_plan
from complexity_lab.study.plan import Plan, read_study
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import StudyDirectory, read_table
from complexity_lab.tables.rows import ROWS
from tests.checkpoints import write

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DEADLINE = 5.0  # seconds until no worker is alive
PATIENCE = 300.0  # seconds until something has to happen
SECTIONS = {
    "survey": """
        [survey]
        zoo = "digits"
        states = ["initial"]
        seeds = 3
        metrics = ["bdm", "gzip", "lzma"]
        """,
    "training": """
        [training]
        models = ["mlp"]
        bits = [4]
        s = [2]
        capacity = [0.05]
        seeds = 3
        epochs = 3
        """,
    "trajectory": """
        [trajectory]
        study = "learning"
        task = "digits"
        hidden = [[8]]
        examples = [20, 40, 60]
        seeds = 3
        steps = 60
        optimizer = "adam"
        learning_rate = 0.01
        batch_size = 8
        shuffles = 3
        """,
    "rounding": """
        [rounding]
        models = ["mlp_12", "resnet8_w6"]
        seeds = 3
        bits = 4
        shuffles = 3
        initializations = 2
        margins = [0, 1]
        references = ["shuffle", "random"]
        layer_bits = [2]
        """,
}
KINDS = (*SECTIONS, "series")
STEPS = tuple(range(0, 120, 10))


@dataclass(frozen=True)
class Case:
    """A small study of one kind: what is typed, and the plan of it."""

    plan: Plan
    arguments: tuple[str, ...]

    def begin(self, directory: Path, *more: str) -> subprocess.Popen[bytes]:
        """Start it in a process of its own; what it prints is in ``DIRECTORY.log``."""
        command = [sys.executable, "-m", "complexity_lab", *self.arguments]
        command += ["--out", str(directory), "--jobs", "2", "--no-report", *more]
        with log_of(directory).open("w") as log:
            return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=log, stderr=log)

    @property
    def keys(self) -> list[str]:
        """The keys of its tasks."""
        return [task.key for task in planned_tasks(self.plan)]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory):
    """Return the small study of a kind."""
    folder = tmp_path_factory.mktemp("plans")

    @cache
    def found(kind: str) -> Case:
        if kind == "series":
            source = str(write(folder / "run", STEPS))
            plan = series_plan(source, metrics=("bdm", "gzip", "lzma"), preset="fixed", bits=2, shuffles=150)
            options = ("--metrics", "bdm,gzip,lzma", "--preset", "fixed", "--bits", "2", "--shuffles", "150")
            return Case(plan, ("series", source, *options))
        file = folder / f"{kind}.toml"
        file.write_text('title = "Small"\nquestion = "Does it end well?"\n' + SECTIONS[kind])
        return Case(read_study(file), ("study", "run", str(file)))

    return found


@pytest.fixture(scope="module")
def undisturbed(case_of, tmp_path_factory):
    """Return the tables of a study that nobody disturbed, one task after the other in this process."""

    @cache
    def found(kind: str) -> dict[str, pd.DataFrame]:
        plan, directory = case_of(kind).plan, tmp_path_factory.mktemp("whole") / kind
        options = RunOptions()
        executor = executor_for(plan, 2, options, tasks=len(planned_tasks(plan)))
        assert run_study(plan, directory, executor=replace(executor, jobs=1), options=options).exit_code == 0
        return tables(directory)

    return found


def log_of(directory):
    return directory.with_name(f"{directory.name}.log")


def tables(directory):
    """Return every table without what differs between two runs."""
    found = {}
    for row in ROWS:
        frame = read_table(directory, row.TABLE)
        timings = [column for column in frame if column.startswith(c.SECONDS) or column == c.PEAK_MEMORY]
        found[row.TABLE] = frame.drop(columns=timings)
    return found


def assert_same(directory, wanted):
    for table, frame in tables(directory).items():
        pd.testing.assert_frame_equal(frame, wanted[table], check_exact=True, obj=table)


def finished(directory):
    return len(list((directory / "commits").glob("*.json")))


def wait_for_a_task(process, directory, before=0):
    """Wait until one more task is finished while the study goes on; return its processes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if finished(directory) > before:
            found = psutil.Process(process.pid).children(recursive=True)
            if process.poll() is None:
                return found
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"it ended too early or never began: {log_of(directory).read_text()}")


def is_worker(process):
    try:
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also one that has just ended
        return False
    return "loky" in command and "resource_tracker" not in command


def alive_after(found, seconds=DEADLINE):
    _, alive = psutil.wait_procs(found, timeout=seconds)
    return [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def resume(case, directory, *more):
    """Run a study to its end and return the exit code."""
    process = case.begin(directory, *more)
    try:
        return process.wait(timeout=PATIENCE)
    finally:
        process.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_study_goes_on_to_the_rows_of_one_that_was_not(kind, case_of, undisturbed, tmp_path):
    case, directory = case_of(kind), tmp_path / kind
    process = case.begin(directory, "--limit", str(len(case.keys) - 1))
    found = wait_for_a_task(process, directory)
    assert sum(map(is_worker, found)) == 2
    process.kill()
    process.wait()
    assert alive_after(found) == []
    assert 1 <= finished(directory) < len(case.keys)
    assert resume(case, directory) == 0, log_of(directory).read_text()
    commits = StudyDirectory(directory).commits()
    assert sorted(commits) == sorted(case.keys) and finished(directory) == len(case.keys)
    assert {each.status for each in commits.values()} == {"ok"}
    assert_same(directory, undisturbed(kind))
    assert list((directory / ".running").iterdir()) == []


@pytest.mark.parametrize("kind", ["training", "rounding"])
def test_a_killed_worker_does_not_take_the_other_tasks_along(kind, case_of, undisturbed, tmp_path):
    case, directory = case_of(kind), tmp_path / kind
    process = case.begin(directory)
    found = wait_for_a_task(process, directory)
    next(filter(is_worker, found)).kill()
    code = process.wait(timeout=PATIENCE)
    said = log_of(directory).read_text()
    commits = StudyDirectory(directory).commits()
    assert set(commits) == set(case.keys), said
    failed = {key: each.error for key, each in commits.items() if each.status != "ok"}
    assert len(failed) <= 2 and all("killed" in error for error in failed.values())
    assert code == (3 if failed else 0), said
    if failed:
        assert resume(case, directory, "--retry-failed") == 0
    assert_same(directory, undisturbed(kind))
    assert alive_after(found) == []


@pytest.mark.parametrize("kind", ["survey", "training"])
def test_five_interrupts_are_one_sentence_and_130(kind, case_of, tmp_path):
    process = case_of(kind).begin(tmp_path / kind)
    found = wait_for_a_task(process, tmp_path / kind)
    for _ in range(5):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.03)
    assert process.wait(timeout=DEADLINE) == 130
    assert alive_after(found) == []
    said = log_of(tmp_path / kind).read_text()
    assert said.count("Interrupted.") == 1 and "run the same command to go on" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("kind", ["series", "trajectory", "rounding"])
def test_a_terminated_study_leaves_no_worker(kind, case_of, tmp_path):
    process = case_of(kind).begin(tmp_path / kind)
    found = wait_for_a_task(process, tmp_path / kind)
    process.terminate()
    assert process.wait(timeout=DEADLINE) == -signal.SIGTERM
    assert alive_after(found) == []


def test_a_study_killed_while_its_workers_start_leaves_none(case_of, tmp_path):
    """Before their first task they import for seconds."""
    process = case_of("training").begin(tmp_path / "study")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = psutil.Process(process.pid).children(recursive=True)
        if sum(map(is_worker, found)) == 2:
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(found) >= 2 and alive_after(found) == []


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_nobody_has_to_read_what_a_study_says(closed, case_of, tmp_path):
    case = case_of("series")
    command = [sys.executable, "-m", "complexity_lab", *case.arguments, "--out", str(tmp_path / "study"), "--no-report"]
    found = subprocess.run(
        ["bash", "-c", f"{shlex.join([*command, '--limit', '2', '--jobs', '2'])} {closed}"], cwd=ROOT
    )
    assert found.returncode == 0 and finished(tmp_path / "study") == 2
