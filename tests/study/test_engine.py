"""The engine with a kind that costs nothing: what is done stays done, what is damaged is done again."""

import hashlib
import json
import os
import pickle
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.study.call import TaskCall
from complexity_lab.study.engine import planned_tasks, run_study
from complexity_lab.study.executors import Executor, waves
from complexity_lab.study.identity import FileIdentity
from complexity_lab.study.kind import Task
from complexity_lab.tables import columns as c
from complexity_lab.tables.commit import part_stem
from complexity_lab.tables.directory import StudyDirectory, publish, read_manifest, read_table
from tests.study.toy import KIND, toy_plan


def run(directory, jobs=1, **choices):
    options = {name: choices.pop(name) for name in ("retry_failed", "limit", "progress") if name in choices}
    return run_study(toy_plan(**choices), directory, executor=Executor(jobs=jobs), **options)


def rows(directory, table="measurements"):
    return read_table(directory, table)


def test_every_task_is_there_once_and_a_second_run_does_nothing(tmp_path):
    first = run(tmp_path / "study")
    before = rows(tmp_path / "study")
    second = run(tmp_path / "study")
    assert (first.ok, first.done, second.done, second.kept, second.exit_code) == (4, 4, 0, 4, 0)
    assert len(before) == 12 and set(before[c.STUDY]) == {"toys"}
    pd.testing.assert_frame_equal(before, rows(tmp_path / "study"))


def test_rows_do_not_depend_on_the_number_of_jobs(tmp_path):
    run(tmp_path / "one", jobs=1, count=6)
    run(tmp_path / "two", jobs=2, count=6)
    pd.testing.assert_frame_equal(rows(tmp_path / "one"), rows(tmp_path / "two"))


def test_a_task_that_fails_is_a_row_and_the_others_stand(tmp_path):
    result = run(tmp_path / "study", fails=("toy1",))
    assert (result.ok, dict(result.failed), result.exit_code) == (3, {"toy1": "ValueError: told to fail"}, 3)
    found = rows(tmp_path / "study", "runs").set_index(c.MODEL)
    assert found.loc["toy1", c.STATUS] == "failed" and found.loc["toy1", c.ERROR_TYPE] == "ValueError"
    assert run(tmp_path / "study", fails=("toy1",)).done == 0
    assert run(tmp_path / "study", fails=("toy1",), retry_failed=True).done == 1
    assert run(tmp_path / "none", count=1, fails=("toy0",)).exit_code == 1


def test_a_limit_does_the_first_tasks_and_a_later_run_the_rest(tmp_path):
    assert run(tmp_path / "study", limit=2).ok == 2
    assert run(tmp_path / "study").done == 2
    with pytest.raises(InputError, match="--limit 0"):
        run(tmp_path / "study", limit=0)


def test_another_plan_is_refused_with_the_difference(tmp_path):
    run(tmp_path / "study")
    with pytest.raises(PlanMismatchError, match=r"rows: there 3, now 5"):
        run(tmp_path / "study", rows=5)


def damaged(directory, table, change):
    """Change one part of a finished study by ``change(path)``."""
    change(directory / table / f"{part_stem('toy2')}.parquet")


@pytest.mark.parametrize("table", ["measurements", "runs"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(path.read_bytes()[:200] + b"\x00" + path.read_bytes()[201:]),
    ],
    ids=["deleted", "emptied", "cut", "one byte"],
)
def test_a_damaged_part_is_refused_by_readers_and_done_again(tmp_path, table, change):
    directory = tmp_path / "study"
    run(directory)
    whole = rows(directory), rows(directory, "runs")
    damaged(directory, table, change)
    with pytest.raises(InputError, match="run the study again"):
        rows(directory, table)
    told = []
    result = run(directory, progress=told.append)
    assert (result.done, result.kept, result.exit_code, told[0].repeated) == (1, 3, 0, ("toy2",))
    pd.testing.assert_frame_equal(whole[0], rows(directory))
    pd.testing.assert_frame_equal(whole[1].drop(columns=c.SECONDS), rows(directory, "runs").drop(columns=c.SECONDS))


def test_a_lost_or_damaged_commit_is_done_again(tmp_path):
    directory = tmp_path / "study"
    run(directory)
    (directory / "commits" / f"{part_stem('toy0')}.json").unlink()
    (directory / "commits" / f"{part_stem('toy1')}.json").write_text("{}")
    assert run(directory).done == 2 and len(rows(directory)) == 12


def test_a_stray_file_is_ignored_and_named(tmp_path):
    directory = tmp_path / "study"
    run(directory)
    shutil.copy(next((directory / "measurements").glob("*.parquet")), directory / "measurements" / "copy.parquet")
    result = run(directory)
    assert result.unrecorded == ("measurements/copy.parquet",) and result.exit_code == 0
    assert len(rows(directory)) == 12


def test_a_worker_does_not_write_into_a_directory_made_anew(tmp_path):
    directory = tmp_path / "study"
    run(directory)
    commit = StudyDirectory(directory).commits()["toy0"]
    shutil.rmtree(directory)
    run(directory, rows=5)
    with pytest.raises(OutputError, match="made anew"):
        StudyDirectory(directory).write(commit, [], study="", metadata={})


def test_parts_of_another_directory_are_not_taken(tmp_path):
    run(tmp_path / "one", count=2)
    run(tmp_path / "other", count=2, rows=5)
    name = part_stem("toy1")
    for folder, suffix in (("commits", "json"), ("runs", "parquet"), ("measurements", "parquet")):
        shutil.copy(tmp_path / "one" / folder / f"{name}.{suffix}", tmp_path / "other" / folder)
    assert run(tmp_path / "other", count=2, rows=5).done == 1
    assert len(rows(tmp_path / "other")) == 10


def test_names_that_differ_little_have_parts_of_their_own(tmp_path):
    names = ("a/b", "a_b", "a.b", "A/b", "x" * 300, "x" * 301)
    result = run(tmp_path / "study", names=names)
    assert result.ok == len(names) and sorted(set(rows(tmp_path / "study")[c.MODEL])) == sorted(names)
    with pytest.raises(InputError, match="wanted each once"):
        run(tmp_path / "twice", names=("a", "a"))


def test_replaced_weights_are_measured_again(tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"1" * 100)
    run(tmp_path / "study", count=2, inputs=(weights,))
    assert run(tmp_path / "study", count=2, inputs=(weights,)).done == 0
    weights.write_bytes(weights.read_bytes())  # another time, the same content
    assert run(tmp_path / "study", count=2, inputs=(weights,)).done == 0
    weights.write_bytes(b"2" * 100)
    told = []
    assert run(tmp_path / "study", count=2, inputs=(weights,), progress=told.append).done == 2
    assert told[0].repeated == ("toy0", "toy1")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_kills_its_worker_twice_fails_and_the_others_finish(tmp_path, jobs):
    result = run(tmp_path / "study", jobs=max(jobs, 2), count=5, kills=("toy1",), kills_once=("toy3",))
    assert result.ok == 4 and "killed twice" in result.failed["toy1"]
    assert set(rows(tmp_path / "study")[c.MODEL]) == {"toy0", "toy2", "toy3", "toy4"}


def test_what_is_sent_to_a_worker_does_not_grow_with_the_plan(tmp_path):
    plan = toy_plan(count=20_000)
    task = planned_tasks(plan)[-1]
    call = TaskCall(
        task=task,
        kind=KIND,
        directory=tmp_path,
        directory_id="0" * 32,
        plan_hash=plan.hash,
        study=plan.name,
        metadata={f"version:{number}": "1.2.3" for number in range(20)},
    )
    assert len(pickle.dumps(call)) < 4096


def test_the_manifest_says_what_was_asked_and_by_what(tmp_path):
    run(tmp_path / "study")
    manifest = read_manifest(tmp_path / "study")
    assert (manifest["kind"], manifest["title"], manifest["name"]) == ("toy", "Toys", "toys")
    assert manifest["plan"]["count"] == 4 and len(manifest["runs"]) == 1
    changed = {**manifest, "runs": [{**manifest["runs"][0], "versions": {"numpy": "0"}}]}
    (tmp_path / "study" / "manifest.json").write_text(json.dumps(changed))
    run(tmp_path / "study")
    assert [entry["versions"].get("numpy") == "0" for entry in read_manifest(tmp_path / "study")["runs"]] == [
        True,
        False,
    ]


def test_a_directory_of_the_first_format_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"plan": {}, "versions": {"complexity-lab": "0.1.0"}}))
    with pytest.raises(InputError, match=r"written by complexity-lab 0\.1\.0, and only 0\.1 reads"):
        run(tmp_path)


@pytest.mark.parametrize("content", ["null", "[]", "{}", '{"format": 2}', "[" * 100_000, "not json"])
def test_a_damaged_manifest_is_one_sentence(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError):
        read_manifest(tmp_path)


def test_published_tables_read_as_those_of_the_study(tmp_path):
    run(tmp_path / "study")
    assert publish(tmp_path / "study", tmp_path / "data") == {"runs": 4, "measurements": 12}
    pd.testing.assert_frame_equal(rows(tmp_path / "study"), rows(tmp_path / "data"))
    (tmp_path / "data" / "runs.parquet").write_bytes(b"")
    with pytest.raises(InputError):
        rows(tmp_path / "data", "runs")


def test_waves_share_the_memory_and_start_with_the_longest():
    def call(key, memory, work=1.0):
        task = Task(key=key, payload=None, memory=memory, work=work)
        return TaskCall(task=task, kind=KIND, directory=None, directory_id="", plan_hash="", study="", metadata={})

    calls = [call("small", 1), call("large", 8), call("long", 1, work=5.0), call("huge", 100)]
    found = [(jobs, [each.task.key for each in wave]) for jobs, wave in waves(calls, 4, 16)]
    assert found == [(1, ["huge"]), (2, ["large"]), (4, ["long", "small"])]


def test_weights_under_another_name_are_measured_again(tmp_path):
    first, other = tmp_path / "trained.safetensors", tmp_path / "trained.pt"
    first.write_bytes(b"1" * 100)
    run(tmp_path / "study", count=1, inputs=(first,))
    first.unlink()
    assert run_study(toy_plan(count=1, inputs=(first,)), tmp_path / "study", executor=Executor()).done == 0, (
        "none is left"
    )
    other.write_bytes(b"1" * 100)
    plan = toy_plan(count=1, inputs=(first,))
    tasks = [Task(key=task.key, payload=task.payload, inputs=(other,)) for task in planned_tasks(plan)]
    assert run_study(plan, tmp_path / "study", executor=Executor(), tasks=tasks).done == 1


def test_what_is_said_to_readers_may_change(tmp_path):
    run(tmp_path / "study")
    renamed = replace(toy_plan(), title="Other toys", figures=("one",))
    run_study(renamed, tmp_path / "study", executor=Executor())
    manifest = read_manifest(tmp_path / "study")
    assert (manifest["title"], manifest["figures"]) == ("Other toys", ["one"])


def test_a_file_that_changes_while_it_is_identified_never_holds(tmp_path, monkeypatch):
    """Its rows may be of either content, so they are measured again even if time and content agree later."""
    file = tmp_path / "w.pt"
    file.write_bytes(b"old")
    digest = hashlib.file_digest

    def replaced_meanwhile(opened, name):
        os.utime(file, ns=(1, 1))
        return digest(opened, name)

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", replaced_meanwhile)
        found = FileIdentity.of(file)
    assert not found.still_holds() and FileIdentity.of(file).still_holds()
