"""Surveys that run, stop, resume and fail: the joints."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from complexity_lab.errors import OutputError, PlanMismatchError
from complexity_lab.survey import executors, run
from complexity_lab.survey.executors import Executor, memory_needed, waves
from complexity_lab.survey.plan import SurveyPlan, make_plan
from complexity_lab.survey.run import KILLED, executor_for, run_survey
from complexity_lab.survey.task import Task
from complexity_lab.tables.store import Store, read_manifest, read_table
from complexity_lab.zoo.card import ModelCard
from complexity_lab.zoo.selection import Selection
from tests.survey.conftest import save_pair

TIMINGS = ["seconds_build", "seconds_load", "seconds_measure", "peak_memory"]


def tables(directory):
    """All three tables without what a clock or the memory of a process decides."""
    models = read_table(directory, "models").drop(columns=TIMINGS)
    histograms = read_table(directory, "histograms")
    for column in ("codes", "counts"):
        histograms[column] = histograms[column].map(tuple)
    return models, read_table(directory, "measurements"), histograms


def assert_equal_tables(left, right):
    for a, b in zip(tables(left), tables(right), strict=True):
        assert not a.empty
        pd.testing.assert_frame_equal(a, b)


def test_a_survey_measures_every_model_and_keeps_it(plan, tmp_path):
    seen = []
    result = run_survey(plan, tmp_path / "out", progress=seen.append)
    assert (result.ok, result.measured, result.kept, result.exit_code) == (5, 5, 0, 0)
    assert [told.finished for told in seen] == [0, 1, 2, 3, 4, 5]
    assert seen[1].outcome.model == "e", "the largest comes first"
    again = run_survey(plan, tmp_path / "out")
    assert (again.ok, again.measured, again.kept) == (5, 0, 5)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["plan"]["models"] == list("abcde")
    assert manifest["versions"]["numpy"] == np.__version__
    assert SurveyPlan.model_validate(manifest["plan"]).hash() == manifest["plan_hash"]


def test_tables_do_not_depend_on_workers_or_order(plan, tmp_path):
    run_survey(plan, tmp_path / "one")
    run_survey(plan, tmp_path / "two", executor=Executor(jobs=2))
    backwards = plan.model_copy(update={"models": plan.models[::-1]})
    run_survey(backwards, tmp_path / "three", executor=Executor(jobs=1, threads=3))
    assert_equal_tables(tmp_path / "one", tmp_path / "two")
    assert_equal_tables(tmp_path / "one", tmp_path / "three")


def test_a_changed_plan_is_refused(plan, tmp_path):
    run_survey(plan, tmp_path / "out")
    with pytest.raises(PlanMismatchError, match=r"seeds: there \[0, 1, 2\], now \[0\]"):
        run_survey(plan.model_copy(update={"seeds": (0,)}), tmp_path / "out")


def test_failing_models_are_rows_and_can_be_retried(checkpoints, tmp_path):
    save_pair(checkpoints, "nan", trained={"fc.bias": np.full(100, np.nan)})
    save_pair(checkpoints, "truncated")
    broken = checkpoints / "truncated" / "trained.safetensors"
    good = broken.read_bytes()
    broken.write_bytes(good[:-10])
    save_pair(checkpoints, "different", trained={"extra.weight": np.ones((3, 3))})
    plan = make_plan("checkpoints", path=checkpoints)
    result = run_survey(plan, tmp_path / "out")
    assert result.ok == 5
    assert result.exit_code == 3
    assert "tensor fc.bias: 100 of 100 weights are NaN" in result.failed["nan"]
    assert "truncated or not a safetensors file" in result.failed["truncated"]
    assert "they need the same tensors" in result.failed["different"]
    rows = read_table(tmp_path / "out", "measurements").query("model == 'truncated' and scope == 'model'")
    assert set(rows.query("state == 'trained'")["status"]) == {"failed"}
    assert set(rows.query("state == 'initial'")["status"]) == {"ok"}, "what could be measured is kept"
    broken.write_bytes(good)
    assert run_survey(plan, tmp_path / "out").exit_code == 3
    again = run_survey(plan, tmp_path / "out", retry_failed=True)
    assert again.measured == 3
    assert set(again.failed) == {"nan", "different"}


def test_no_model_at_all_is_exit_code_one(tmp_path):
    save_pair(tmp_path / "c", "a")
    (tmp_path / "c" / "a" / "trained.safetensors").write_bytes(b"x")
    result = run_survey(make_plan("checkpoints", path=tmp_path / "c"), tmp_path / "out")
    assert (result.ok, result.exit_code) == (0, 1)


def test_a_bug_in_a_model_is_a_row_that_names_its_type(plan, tmp_path, monkeypatch):
    from complexity_lab.zoo.from_checkpoints import OpenPair

    def broken(self, seed):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(OpenPair, "trained", broken)
    result = run_survey(plan, tmp_path / "out")
    assert set(result.failed.values()) == {"ZeroDivisionError: oops"}


def test_a_full_disk_stops_the_survey_and_keeps_what_is_done(plan, tmp_path, monkeypatch):
    from complexity_lab.tables import store as store_module

    real = store_module.write_atomically

    def full(path, data):
        if path.parent.name == "models" and path.name.startswith("c-"):
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(store_module, "write_atomically", full)
    with pytest.raises(OutputError, match="no space left; free some and run the same command again"):
        run_survey(plan, tmp_path / "out")
    monkeypatch.setattr(store_module, "write_atomically", real)
    assert Store(tmp_path / "out").done() == {"e", "d"}
    result = run_survey(plan, tmp_path / "out")
    assert (result.kept, result.ok) == (2, 5)


SURVEY = """
import sys
from pathlib import Path
from complexity_lab.survey import measure
from complexity_lab.survey.executors import Executor
from complexity_lab.survey.plan import make_plan
from complexity_lab.survey.run import run_survey
import time
if __name__ == "__main__":
    metrics = ("bdm", "bdm_2d", "block_entropy", "gzip", "gzip:float32")
    plan = make_plan("checkpoints", path=Path(sys.argv[1]), metrics=metrics)
    run_survey(plan, Path(sys.argv[2]), executor=Executor(jobs=int(sys.argv[3])), progress=lambda p: time.sleep(0.3))
"""


def start_survey(checkpoints, out, jobs, script):
    script.write_text(SURVEY)
    return subprocess.Popen(
        [sys.executable, str(script), str(checkpoints), str(out), str(jobs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for_parts(out, count, process, seconds=60):
    deadline = time.monotonic() + seconds
    while len(list((out / "models").glob("*.parquet"))) < count:
        assert time.monotonic() < deadline, "the survey makes no progress"
        if process.poll() is not None:
            break
        time.sleep(0.02)


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_9_of_the_survey_twice_then_finish_equals_an_undisturbed_run(plan, checkpoints, tmp_path, jobs):
    run_survey(plan, tmp_path / "undisturbed", executor=Executor(jobs=3 - jobs))
    out = tmp_path / "killed"
    for parts in (1, 3):
        process = start_survey(checkpoints, out, jobs, tmp_path / "survey.py")
        wait_for_parts(out, parts, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(Store(out).done()) < 5, "it was killed in the middle"
    result = run_survey(plan, out)
    assert result.ok == 5
    assert result.kept >= 2
    assert_equal_tables(out, tmp_path / "undisturbed")


class KillerZoo:
    """The checkpoints zoo, with a model whose measurement kills its own process (always, or the first time)."""

    name = "checkpoints"

    def __init__(self, path, victim, times):
        from complexity_lab.zoo.from_checkpoints import CheckpointZoo

        self.zoo, self.path, self.victim, self.times = CheckpointZoo(path), path, victim, times

    def cards(self):
        return self.zoo.cards()

    def card(self, model_id):
        return self.zoo.card(model_id)

    def open(self, card):
        note = self.path / "kills"
        if card.id == self.victim:
            kills = note.read_text().count("x") if note.exists() else 0
            if kills < self.times:
                note.write_text("x" * (kills + 1))
                os.kill(os.getpid(), signal.SIGKILL)
        return self.zoo.open(card)


@pytest.mark.parametrize(("times", "ok"), [(1, 5), (9, 4)])
def test_kill_9_of_a_worker_costs_at_most_its_model(plan, checkpoints, tmp_path, monkeypatch, times, ok):
    monkeypatch.setattr(SurveyPlan, "open_zoo", lambda self: KillerZoo(checkpoints, "c", times))
    result = run_survey(plan, tmp_path / "out", executor=Executor(jobs=2))
    assert result.ok == ok
    assert set(result.failed.values()) <= {KILLED}
    monkeypatch.undo()
    shutil.rmtree(checkpoints / "kills", ignore_errors=True)
    if times == 1:
        run_survey(plan, tmp_path / "undisturbed")
        assert_equal_tables(tmp_path / "out", tmp_path / "undisturbed")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_model_that_takes_all_memory_never_stops_the_survey(plan, checkpoints, tmp_path, monkeypatch, jobs):
    """A model too large for company runs in a process of its own; with one job, from the second start on."""
    monkeypatch.setattr(SurveyPlan, "open_zoo", lambda self: KillerZoo(checkpoints, "e", 9))
    monkeypatch.setattr(run, "free_memory", lambda: 1)
    if jobs == 1:
        Store(tmp_path / "out").mark_running("e")  # what a first run that was killed as a whole leaves behind
    result = run_survey(plan, tmp_path / "out", executor=Executor(jobs=jobs))
    assert result.ok == 4
    assert result.failed == {"e": KILLED}


def test_a_worker_that_dies_before_it_begins_does_not_hang_the_survey(plan, tmp_path, monkeypatch):
    rounds = []

    def dies(self, tasks, isolated=False):
        rounds.append(len(tasks))
        raise executors.WorkerDied
        yield

    monkeypatch.setattr(Executor, "run", dies)
    result = run_survey(plan, tmp_path / "out", executor=Executor(jobs=2))
    assert (result.ok, len(result.failed)) == (0, 5)
    assert len(rounds) == 10


def test_a_compressor_that_fails_is_a_row(plan, tmp_path, monkeypatch):
    from complexity_lab.estimators import compressors

    def fails(data):
        raise MemoryError

    monkeypatch.setitem(compressors.COMPRESSORS, "gzip", fails)
    result = run_survey(plan, tmp_path / "out")
    assert set(result.failed.values()) == {"gzip: MemoryError"}
    rows = read_table(tmp_path / "out", "measurements").query("scope == 'model'")
    assert set(rows.query("metric == 'gzip'")["status"]) == {"failed"}
    assert set(rows.query("metric == 'bdm'")["status"]) == {"ok"}


def test_one_broken_state_does_not_hide_the_others(plan, tmp_path, monkeypatch):
    from complexity_lab.zoo.from_checkpoints import OpenPair

    real = OpenPair.initial
    monkeypatch.setattr(OpenPair, "initial", lambda self, seed: 1 / 0 if seed == 1 else real(self, seed))
    run_survey(plan, tmp_path / "out")
    rows = read_table(tmp_path / "out", "measurements").query("scope == 'model' and metric == 'bdm' and model == 'a'")
    found = {(row.state, -1 if row.seed != row.seed else int(row.seed)): row.status for row in rows.itertuples()}
    assert found == {("initial", 0): "ok", ("initial", 1): "failed", ("initial", 2): "ok", ("trained", -1): "ok"}
    failed = rows.query("status == 'failed'").iloc[0]
    assert (failed["unit"], failed["reason"]) == ("bits", "ZeroDivisionError: division by zero")


def test_missing_states_are_failed_rows(checkpoints, tmp_path):
    for file in (checkpoints / "a").glob("initial-*"):
        file.unlink()
    result = run_survey(make_plan("checkpoints", path=checkpoints), tmp_path / "out")
    assert result.failed == {"a": "a has no initial weights; leave initial out of the states"}


def test_interrupts_work_as_before_in_the_calling_process(plan, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run_survey(plan, tmp_path / "out")
    assert signal.getsignal(signal.SIGINT) is before


def test_waves_put_the_largest_first_and_respect_memory(tmp_path):
    def task(parameters):
        card = ModelCard(id=str(parameters), zoo="t", architecture="a", family="f", parameters=parameters)
        return Task(card, None, None, tmp_path, {})

    sizes = [10**6, 10**9, 5 * 10**7, 2 * 10**9]
    tasks = [task(size) for size in sizes]
    planned = [(n, [t.card.parameters for t in wave]) for n, wave in waves(tasks, jobs=8, memory=16 * 10**9)]
    assert [size for _, wave in planned for size in wave] == sorted(sizes, reverse=True)
    for concurrency, wave in planned:
        need = max(memory_needed(task(size).card) for size in wave)
        assert concurrency == 1 or concurrency * need <= 16 * 10**9
    assert planned[0][0] == 1
    assert planned[-1][0] == 8


def test_cores_are_shared_between_tasks(monkeypatch):
    monkeypatch.setattr(run, "default_jobs", lambda: 8)
    assert (executor_for(2, 100).jobs, executor_for(2, 100).threads) == (2, 4)
    assert (executor_for(None, 100).jobs, executor_for(None, 100).threads) == (8, 1)
    assert (executor_for(None, 1).jobs, executor_for(None, 1).threads) == (1, 8)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_tables(plan, tmp_path):
    pytest.importorskip("distributed")
    import warnings

    run_survey(plan, tmp_path / "here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_survey(plan, tmp_path / "dask", executor=Executor(jobs=2, backend="dask"))
    assert_equal_tables(tmp_path / "here", tmp_path / "dask")


def test_plans_are_pure_and_hash_what_decides_the_rows(checkpoints):
    first = make_plan("checkpoints", path=checkpoints)
    assert first == make_plan("checkpoints", path=checkpoints)
    by_name = make_plan("checkpoints", path=checkpoints, selection=Selection(models=tuple("abcde")))
    assert by_name.hash() == first.hash(), "how models were chosen does not decide their rows"
    for change in ({"seeds": (0, 1)}, {"metrics": ("bdm",)}, {"states": ("initial",)}, {"tensor_rows": False}):
        assert make_plan("checkpoints", path=checkpoints, **change).hash() != first.hash()
