"""The engine under attack: what a file system, a user with an editor or a kind with a bug can do to a study."""

import errno
import json
import os
import shutil
import signal
import threading

import pandas as pd
import pytest

from complexity_lab import files
from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.study.engine import run_study
from complexity_lab.study.executors import Executor
from complexity_lab.tables import columns as c
from complexity_lab.tables import directory as tables_directory
from complexity_lab.tables.commit import Commit, part_stem
from complexity_lab.tables.directory import StudyDirectory, publish, read_table
from complexity_lab.tables.rows import Measurement
from tests.study.toy import KIND, ToyKind, ToySpec, toy_plan


def run(directory, jobs=1, **choices):
    options = {name: choices.pop(name) for name in ("retry_failed", "limit", "progress") if name in choices}
    return run_study(toy_plan(**choices), directory, executor=Executor(jobs=jobs), **options)


def commit_file(directory, task):
    return directory / "commits" / f"{part_stem(task)}.json"


def edit(path, change):
    """Change a JSON file as a user with an editor would."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def misbehaving(monkeypatch, of, act):
    """Have one toy do something else than its rows."""
    run_toy = ToyKind.run
    monkeypatch.setattr(
        ToyKind, "run", lambda self, payload, context: (act if payload[0] == of else run_toy)(self, payload, context)
    )


def exits(self, payload, context):
    raise SystemExit(5)


def takes_all_memory(self, payload, context):
    raise MemoryError


def returns_nothing(self, payload, context):
    return []


def returns_two_records(self, payload, context):
    return [KIND.failed(payload, _Failure()), KIND.failed(payload, _Failure())]


def returns_text_for_numbers(self, payload, context):
    record = KIND.failed(payload, _Failure())
    return [record, Measurement(model=payload[0], scope="model", metric="bdm", value="many", unit="bits")]


class _Failure:
    error_type, error = "ValueError", "told to fail"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (exits, "SystemExit"),
        (takes_all_memory, "MemoryError"),
        (returns_nothing, "0 records"),
        (returns_two_records, "2 records"),
        (returns_text_for_numbers, "many"),
    ],
)
def test_a_task_with_a_bug_is_a_failed_row_and_the_others_stand(tmp_path, monkeypatch, act, said):
    misbehaving(monkeypatch, "toy1", act)
    result = run(tmp_path / "study")
    assert (result.ok, result.exit_code, set(result.failed)) == (3, 3, {"toy1"})
    assert said in result.failed["toy1"]
    assert len(read_table(tmp_path / "study", "measurements")) == 9


def test_a_worker_that_a_task_ends_does_not_end_the_study(tmp_path, monkeypatch):
    """Only the toys of the worker's own copy of the module misbehave, so the spec says so."""
    result = run(tmp_path / "study", jobs=2, exits=("toy1",))
    assert (result.ok, set(result.failed)) == (3, {"toy1"})


def test_what_cannot_be_tidied_does_not_lose_the_rows(tmp_path, monkeypatch):
    def tidy(self, payload, context):
        raise PermissionError(errno.EACCES, "not today")

    with monkeypatch.context() as patch:
        patch.setattr(ToyKind, "tidy", tidy)
        with pytest.raises(OutputError, match="not today"):
            run(tmp_path / "study")
    assert read_table(tmp_path / "study", "runs")[c.STATUS].tolist() == ["ok"]


def test_parts_of_another_task_of_the_same_study_are_not_taken(tmp_path):
    directory = tmp_path / "study"
    run(directory)
    whole = read_table(directory, "measurements")
    one, other = (directory / "measurements" / f"{part_stem(name)}.parquet" for name in ("toy1", "toy2"))
    shutil.copy(one, other)
    with pytest.raises(InputError, match="is not what was written"):
        read_table(directory, "measurements")
    assert run(directory).done == 1
    pd.testing.assert_frame_equal(read_table(directory, "measurements"), whole)


def test_a_record_of_another_task_under_this_name_is_none(tmp_path):
    directory = tmp_path / "study"
    run(directory)
    shutil.copy(commit_file(directory, "toy1"), commit_file(directory, "toy2"))
    assert run(directory).done == 1
    assert len(read_table(directory, "measurements")) == 12


def test_records_of_tasks_that_the_plan_has_not_are_refused(tmp_path):
    """Their rows would be in every table: another version that names its tasks differently may have written them."""
    directory = tmp_path / "study"
    run(directory)
    store = StudyDirectory(directory)
    own = store.commits()["toy1"]
    rows = KIND.run(("foreign", KIND._orders(toy_plan().spec, "foreign")), _Context(directory))
    store.write(Commit(**{**vars(own), "task": "foreign"}), rows, study="toys", metadata={})
    with pytest.raises(PlanMismatchError, match="foreign"):
        run(directory)
    assert run(directory, limit=4).done == 0  # which does not know the whole plan


class _Context:
    def __init__(self, directory):
        self.directory = directory


@pytest.mark.parametrize(
    "change",
    [
        lambda commit: commit.update(inputs=[{"a": 1}]),
        lambda commit: commit.update(inputs=5),
        lambda commit: commit.update(task=5),
        lambda commit: commit.update(seconds="long"),
        lambda commit: commit.update(status="fine"),
        lambda commit: commit.update(parts={}),
        lambda commit: commit["parts"]["runs"].update(rows=-1),
        lambda commit: commit["parts"].pop("measurements"),
        lambda commit: commit.update(note="mine"),
        lambda commit: commit.clear(),
    ],
)
def test_an_edited_record_is_none_or_changes_nothing(tmp_path, change):
    directory = tmp_path / "study"
    run(directory)
    whole = read_table(directory, "measurements")
    edit(commit_file(directory, "toy1"), change)
    assert run(directory).exit_code == 0
    found = read_table(directory, "measurements")
    pd.testing.assert_frame_equal(found, whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["plan"].update(rows=5),
        lambda manifest: manifest.update(kind="survey"),
        lambda manifest: manifest.update(plan_hash="0" * 16),
    ],
)
def test_an_edited_plan_is_another_plan(tmp_path, change):
    run(tmp_path / "study")
    edit(tmp_path / "study" / "manifest.json", change)
    with pytest.raises(PlanMismatchError):
        run(tmp_path / "study")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(plan=[1]),
        lambda manifest: manifest.update(runs={"a": 1}),
        lambda manifest: manifest.update(runs=["a"]),
        lambda manifest: manifest.update(directory_id=5),
        lambda manifest: manifest.update(published=5),
        lambda manifest: manifest.update(published={"runs": {"rows": 4}}),
    ],
)
def test_an_edited_manifest_is_one_sentence(tmp_path, change):
    run(tmp_path / "study")
    edit(tmp_path / "study" / "manifest.json", change)
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path / "study")


def test_another_directory_id_measures_everything_again(tmp_path):
    run(tmp_path / "study")
    edit(tmp_path / "study" / "manifest.json", lambda manifest: manifest.update(directory_id="1" * 32))
    assert run(tmp_path / "study").done == 4
    assert len(read_table(tmp_path / "study", "measurements")) == 12


def test_a_study_does_not_run_into_published_tables(tmp_path):
    run(tmp_path / "study", limit=2)
    publish(tmp_path / "study", tmp_path / "data")
    with pytest.raises(OutputError, match="published"):
        run(tmp_path / "data")


def test_failed_tasks_beyond_the_limit_keep_their_rows(tmp_path):
    directory = tmp_path / "study"
    run(directory, fails=("toy0", "toy3"))
    assert run(directory, fails=("toy0", "toy3"), retry_failed=True, limit=2).done == 1
    assert set(read_table(directory, "runs").query("status == 'failed'")[c.MODEL]) == {"toy0", "toy3"}


def test_retrying_what_failed_also_mends_what_is_damaged(tmp_path):
    directory = tmp_path / "study"
    run(directory, fails=("toy0",))
    (directory / "measurements" / f"{part_stem('toy2')}.parquet").write_bytes(b"PAR1")
    (directory / "runs" / f"{part_stem('toy0')}.parquet").unlink()
    result = run(directory, fails=("toy0",), retry_failed=True)
    assert (result.done, result.ok, set(result.failed)) == (2, 3, {"toy0"})
    assert len(read_table(directory, "runs")) == 4 and len(read_table(directory, "measurements")) == 9


def test_a_failed_task_leaves_no_part_of_an_earlier_attempt(tmp_path):
    """Its worker was killed between two parts; then it failed with its record alone."""
    directory = tmp_path / "study"
    run(directory, fails=("toy1",))
    stale = directory / "measurements" / f"{part_stem('toy1')}.parquet"
    shutil.copy(directory / "measurements" / f"{part_stem('toy0')}.parquet", stale)
    assert run(directory, fails=("toy1",)).unrecorded == ()
    assert not stale.exists()


ODD = (
    "",
    ".",
    "..",
    "a\nb",
    "a\0b",
    "/etc/passwd",
    "../../x",
    "💥" * 100,
    "con",
    "a" * 5000,
    "-rf",
    "[bold]",
    "%s",
    "é",
    "e\u0301",
)


def test_odd_names_are_names(tmp_path):
    result = run(tmp_path / "study", names=ODD)
    assert result.ok == len(ODD) and set(read_table(tmp_path / "study", "runs")[c.MODEL]) == set(ODD)
    assert run(tmp_path / "study", names=ODD).done == 0


def test_a_name_that_is_no_text_is_refused_before_anything_is_done(tmp_path):
    """As ``os.listdir`` gives for bytes that are not UTF-8."""
    with pytest.raises(InputError, match="no text"):
        run(tmp_path / "study", names=("fine", "not\udcff"))
    assert not (tmp_path / "study").exists()


def test_a_second_process_in_a_directory_is_told_to_wait(tmp_path):
    store = StudyDirectory(tmp_path / "study")
    with store.exclusive(), pytest.raises(OutputError, match="another process is at work"):
        run(tmp_path / "study")
    assert run(tmp_path / "study").ok == 4


def test_a_folder_that_is_no_study_is_left_as_it_was(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_directory_removed_under_a_study_stays_away(tmp_path, monkeypatch):
    directory = tmp_path / "study"

    def remove(self, payload, context):
        shutil.rmtree(directory)
        return [KIND.failed(payload, _Failure())]

    with monkeypatch.context() as patch:
        misbehaving(patch, "toy1", remove)
        with pytest.raises(OutputError, match="was removed"):
            run(directory)
    assert not directory.exists()
    assert run(directory).ok == 4


def test_a_directory_removed_between_two_tasks_stays_away(tmp_path):
    directory = tmp_path / "study"
    with pytest.raises(OutputError, match="was removed"):
        run(directory, progress=lambda told: shutil.rmtree(directory) if told.finished == 1 else None)
    assert not directory.exists()


@pytest.mark.parametrize("refused", [".study.lock", ".write.lock"])
def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch, refused):
    """As on a file system that is mounted read-only; permissions do not stop the root user who may run this."""
    real = os.open

    def opened(path, flags, *more, **options):
        if str(path).endswith(refused):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *more, **options)

    run(tmp_path / "study", limit=2)
    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(OutputError, match=r"Read-only file system; name another directory with --out"):
        run(tmp_path / "study")


def test_a_path_that_cannot_be_a_directory_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"):
        run(tmp_path / "file")
    with pytest.raises(OutputError, match="--out"):
        run(tmp_path / "file" / "below")


@pytest.mark.parametrize("number", range(1, 14))
def test_a_disk_that_is_full_at_any_moment_loses_nothing(tmp_path, monkeypatch, number):
    real, count = files.write_atomically, 0

    def full(path, data):
        nonlocal count
        count += 1
        if count >= number:
            path.with_name(f".{path.name}.1{files.TEMPORARY}").write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(tables_directory, "write_atomically", full)
        with pytest.raises(OutputError, match="no space left"):
            run(tmp_path / "study")
    assert run(tmp_path / "study").ok == 4 and len(read_table(tmp_path / "study", "measurements")) == 12
    assert not list((tmp_path / "study").rglob("*.tmp"))


def test_notes_of_running_tasks_that_vanish_are_no_harm(tmp_path, monkeypatch):
    """A worker removes its note while the engine reads them."""
    run(tmp_path)
    store = StudyDirectory(tmp_path)
    store.mark_running("here")
    (tmp_path / ".running" / "gone").symlink_to(tmp_path / "nowhere")
    assert store.running() == {"here"}


def test_records_are_read_once_and_not_again_for_every_question(tmp_path, monkeypatch):
    run(tmp_path / "study", count=10)
    real, read = Commit.read, []
    monkeypatch.setattr(Commit, "read", lambda path: read.append(path) or real(path))
    run(tmp_path / "study", count=10)
    assert len(read) <= 3 * 10


def test_a_plan_is_looked_at_as_often_whatever_its_size(tmp_path, monkeypatch):
    """Its hash is made from all of it; a hash per task would take a plan of many tasks hours to begin."""
    seen = []
    monkeypatch.setattr(ToySpec, "decisive", lambda self: seen.append(self) or self.model_dump(mode="json"))
    run(tmp_path / "one", count=1)
    few = len(seen)
    run(tmp_path / "many", count=40)
    assert len(seen) == 2 * few


def test_a_cluster_of_others_keeps_its_workers():
    """Workers of a Dask scheduler are on machines where the number of our process means nothing."""
    assert Executor(backend="dask").owns_workers
    assert not Executor(backend="dask", scheduler="tcp://1.2.3.4:8786").owns_workers


def test_a_commit_is_read_as_it_was_written(tmp_path):
    run(tmp_path / "study", count=1)
    found = StudyDirectory(tmp_path / "study").commits()["toy0"]
    assert commit_file(tmp_path / "study", "toy0").read_bytes() == found.to_json()


def test_in_another_thread_a_study_runs_without_touching_signals(tmp_path):
    before, results = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: results.append(run(tmp_path / "study", jobs=2)))
    thread.start()
    thread.join()
    assert results[0].ok == 4 and signal.getsignal(signal.SIGINT) is before
