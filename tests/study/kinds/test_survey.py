"""Surveys of checkpoints: every model and state is rows, whatever is wrong with it, and the plan is what decides."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, OutputError
from complexity_lab.study.engine import executor_for, planned_tasks, run_study
from complexity_lab.study.executors import Executor
from complexity_lab.study.kind import RunOptions
from complexity_lab.study.kinds.survey import memory_needed, survey_spec
from complexity_lab.study.plan import Plan, read_study
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_manifest, read_table
from complexity_lab.zoo.card import ModelCard
from complexity_lab.zoo.from_checkpoints import OpenPair
from complexity_lab.zoo.selection import Selection

TIMINGS = [c.SECONDS, c.SECONDS_BUILD, c.SECONDS_LOAD, c.SECONDS_MEASURE, c.PEAK_MEMORY]
METRICS = ("bdm", "bdm_2d", "block_entropy", "gzip", "gzip:float32")


def save_pair(folder, name, seeds=(0, 1, 2), size=20_000, trained=None):
    """Write initial weights per seed and trained weights with a bias to ones."""

    def save(file, rng, shift, more=None):
        tensors = {"fc.weight": rng.standard_normal((size // 100, 100)) + shift, "fc.bias": np.zeros(100)}
        tensors |= {"norm": np.ones(50)} | (more or {})
        save_file({key: value.astype(np.float32) for key, value in tensors.items()}, folder / name / file)

    (folder / name).mkdir(parents=True)
    for seed in seeds:
        save(f"initial-{seed}.safetensors", np.random.default_rng(seed), 0.0)
    save("trained.safetensors", np.random.default_rng(99), 0.3, trained)


@pytest.fixture
def checkpoints(tmp_path):
    """Five pairs of different sizes."""
    folder = tmp_path / "checkpoints"
    for i, name in enumerate("abcde"):
        save_pair(folder, name, size=20_000 + 12_000 * i)
    return folder


def plan_of(folder, **choices):
    return Plan(kind="survey", spec=survey_spec("checkpoints", path=folder, **({"metrics": METRICS} | choices)))


def survey(folder, out, jobs=1, retry_failed=False, **choices):
    return run_study(plan_of(folder, **choices), out, executor=Executor(jobs=jobs), retry_failed=retry_failed)


def tables(directory):
    """All three tables without what a clock or the memory of a process decides."""
    histograms = read_table(directory, "histograms")
    for column in (c.CODES, c.COUNTS):
        histograms[column] = histograms[column].map(tuple)
    return read_table(directory, "models").drop(columns=TIMINGS), read_table(directory, "measurements"), histograms


def assert_equal_tables(left, right):
    for a, b in zip(tables(left), tables(right), strict=True):
        assert not a.empty
        pd.testing.assert_frame_equal(a, b)


def model_rows(directory, model, metric="bdm"):
    rows = read_table(directory, "measurements")
    return rows[
        (rows[c.SCOPE] == "model") & (rows[c.METRIC] == metric) & (rows[c.MODEL] == model) & rows[c.NULL].isna()
    ]


def test_tables_do_not_depend_on_workers_or_on_the_order_of_models(checkpoints, tmp_path):
    survey(checkpoints, tmp_path / "one")
    survey(checkpoints, tmp_path / "two", jobs=2)
    survey(checkpoints, tmp_path / "three", selection=Selection(models=tuple("edcba")))
    assert_equal_tables(tmp_path / "one", tmp_path / "two")
    assert_equal_tables(tmp_path / "one", tmp_path / "three")


def test_failing_models_are_rows_and_can_be_retried(checkpoints, tmp_path):
    save_pair(checkpoints, "nan", trained={"fc.bias": np.full(100, np.nan)})
    save_pair(checkpoints, "truncated")
    broken = checkpoints / "truncated" / "trained.safetensors"
    good = broken.read_bytes()
    broken.write_bytes(good[:-10])
    save_pair(checkpoints, "different", trained={"extra.weight": np.ones((3, 3))})
    result = survey(checkpoints, tmp_path / "out")
    assert (result.ok, result.exit_code) == (5, 3)
    assert "tensor fc.bias: 100 of 100 weights are NaN" in result.failed["nan"]
    assert "truncated or not a safetensors file" in result.failed["truncated"]
    assert "they need the same tensors" in result.failed["different"]
    states = model_rows(tmp_path / "out", "truncated").groupby(c.STATE)[c.STATUS].agg(set)
    assert states.to_dict() == {"initial": {"ok"}, "trained": {"failed"}}, "what could be measured is kept"
    broken.write_bytes(good)
    again = survey(checkpoints, tmp_path / "out", retry_failed=True)
    assert again.done == 3 and set(again.failed) == {"nan", "different"}


def test_no_model_at_all_is_exit_code_one(tmp_path):
    save_pair(tmp_path / "c", "a")
    (tmp_path / "c" / "a" / "trained.safetensors").write_bytes(b"x")
    assert survey(tmp_path / "c", tmp_path / "out").exit_code == 1


def test_one_broken_state_does_not_hide_the_others(checkpoints, tmp_path, monkeypatch):
    real = OpenPair.initial
    monkeypatch.setattr(OpenPair, "initial", lambda self, seed: 1 / 0 if seed == 1 else real(self, seed))
    survey(checkpoints, tmp_path / "out")
    rows = model_rows(tmp_path / "out", "a")
    found = {(row.state, None if pd.isna(row.seed) else row.seed): row.status for row in rows.itertuples()}
    assert found == {("initial", 0): "ok", ("initial", 1): "failed", ("initial", 2): "ok", ("trained", None): "ok"}
    failed = rows[rows[c.STATUS] == "failed"].iloc[0]
    assert (failed[c.UNIT], failed[c.REASON]) == ("bits", "ZeroDivisionError: division by zero")


def test_missing_states_and_failing_compressors_are_rows(checkpoints, tmp_path, monkeypatch):
    from complexity_lab.estimators import compressors

    for file in (checkpoints / "a").glob("initial-*"):
        file.unlink()
    result = survey(checkpoints, tmp_path / "out")
    assert dict(result.failed) == {"a": "a has no initial weights; leave initial out of the states"}

    def fails(data):
        raise MemoryError

    monkeypatch.setitem(compressors.COMPRESSORS, "gzip", fails)
    survey(checkpoints, tmp_path / "memory")
    assert set(model_rows(tmp_path / "memory", "b", "gzip")[c.STATUS]) == {"failed"}
    assert set(model_rows(tmp_path / "memory", "b")[c.STATUS]) == {"ok"}


def test_a_full_disk_stops_the_survey_and_keeps_what_is_done(checkpoints, tmp_path, monkeypatch):
    from complexity_lab.tables import directory as module

    real = module.write_atomically

    def full(path, data):
        if path.parent.name == "models" and path.name.startswith("c-"):
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(module, "write_atomically", full)
    with pytest.raises(OutputError, match="no space left; free some and run the same command again"):
        survey(checkpoints, tmp_path / "out")
    monkeypatch.undo()
    assert survey(checkpoints, tmp_path / "out").kept == 2, "the largest come first"


def test_replaced_weights_are_measured_again(checkpoints, tmp_path):
    survey(checkpoints, tmp_path / "out")
    before = model_rows(tmp_path / "out", "b")[c.VALUE].sum()
    (checkpoints / "b" / "trained.safetensors").write_bytes((checkpoints / "c" / "trained.safetensors").read_bytes())
    for seed in range(3):
        name = f"initial-{seed}.safetensors"
        (checkpoints / "b" / name).write_bytes((checkpoints / "c" / name).read_bytes())
    assert survey(checkpoints, tmp_path / "out").done == 1
    assert model_rows(tmp_path / "out", "b")[c.VALUE].sum() != before


def test_the_same_directory_by_another_path_is_the_same_plan(checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(checkpoints)
    hashes = {plan_of(path).hash for path in (checkpoints, Path("checkpoints"), Path("./link"))}
    assert len(hashes) == 1


def test_the_hash_is_of_what_decides_the_rows(checkpoints):
    first = plan_of(checkpoints)
    assert first.hash == plan_of(checkpoints, selection=Selection(models=tuple("abcde"))).hash
    for change in ({"seeds": (0, 1)}, {"metrics": ("bdm",)}, {"states": ("initial",)}, {"order": "file"}):
        assert plan_of(checkpoints, **change).hash != first.hash


def test_the_order_of_the_tensors_is_in_the_rows(checkpoints, tmp_path):
    survey(checkpoints, tmp_path / "natural", metrics=("bdm",))
    survey(checkpoints, tmp_path / "file", metrics=("bdm",), order="file")
    assert [set(read_table(tmp_path / name, "measurements")[c.ORDER]) for name in ("natural", "file")] == [
        {"natural"},
        {"file"},
    ]


def test_a_seed_that_torch_cannot_take_is_refused(checkpoints):
    with pytest.raises(InputError, match="wanted 0 to"):
        plan_of(checkpoints, seeds=(2**64,))


def test_a_study_file_with_a_wrong_key_names_the_nearest(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('title = "t"\nquestion = "q"\n[survey]\nzoo = "digits"\nmetric = ["bdm"]\n')
    with pytest.raises(InputError, match=r"\[survey\]\.metric: unknown key \(did you mean metrics\?\)"):
        read_study(file)
    file.write_text('title = "t"\nquestion = "q"\n[survey]\nzoo = "digits"\n[survey.selection]\nmodel = ["mlp_12"]\n')
    with pytest.raises(InputError, match=r"did you mean models"):
        read_study(file)
    file.write_text('title = "t"\nquestion = "q"\nkind = "pruning"\n[pruning]\n')
    with pytest.raises(LookupError, match="install"):
        read_study(file)
    file.write_text('title = "t"\nquestion = "q"\nsauce = "s"\n[survey]\nzoo = "digits"\n')
    with pytest.raises(InputError, match=r"unknown key 'sauce' \(did you mean source"):
        read_study(file)


def test_cores_are_shared_between_models(checkpoints, monkeypatch):
    from complexity_lab.study import engine

    monkeypatch.setattr(engine, "available_cores", lambda: 8)
    plan, options = plan_of(checkpoints), RunOptions()
    found = {jobs: executor_for(plan, jobs, options, tasks=5) for jobs in (2, None)}
    assert {jobs: (each.jobs, each.threads) for jobs, each in found.items()} == {2: (2, 4), None: (5, 1)}


def test_memory_grows_with_the_model():
    def card(size):
        return ModelCard(id="m", zoo="t", architecture="a", family="f", parameters=size)

    assert memory_needed(card(10**9)) > memory_needed(card(10**6)) > 0
    assert memory_needed(card(None)) > 0


SURVEY = """
import sys, time
from pathlib import Path
from complexity_lab.study.engine import run_study
from complexity_lab.study.executors import Executor
from tests.study.kinds.test_survey import plan_of
if __name__ == "__main__":
    executor = Executor(jobs=int(sys.argv[3]))
    run_study(plan_of(Path(sys.argv[1])), Path(sys.argv[2]), executor=executor, progress=lambda p: time.sleep(0.3))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_9_twice_then_finish_equals_an_undisturbed_run(checkpoints, tmp_path, jobs):
    survey(checkpoints, tmp_path / "undisturbed", jobs=3 - jobs)
    out = tmp_path / "killed"
    for parts in (1, 3):
        command = [sys.executable, "-c", SURVEY, str(checkpoints), str(out), str(jobs)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(list((out / "commits").glob("*.json"))) < parts and process.poll() is None:
            assert time.monotonic() < deadline, "the survey makes no progress"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(list((out / "commits").glob("*.json"))) < 5, "it was killed in the middle"
    result = survey(checkpoints, out)
    assert result.ok == 5 and result.kept >= 2
    assert_equal_tables(out, tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_tables(checkpoints, tmp_path):
    pytest.importorskip("distributed")
    import warnings

    survey(checkpoints, tmp_path / "here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_study(plan_of(checkpoints), tmp_path / "dask", executor=Executor(jobs=2, backend="dask"))
    assert_equal_tables(tmp_path / "here", tmp_path / "dask")


def test_the_manifest_has_the_plan_and_every_task_a_key(checkpoints, tmp_path):
    survey(checkpoints, tmp_path / "out")
    assert read_manifest(tmp_path / "out")["plan"]["models"] == list("abcde")
    assert [task.key for task in planned_tasks(plan_of(checkpoints))] == list("abcde")
