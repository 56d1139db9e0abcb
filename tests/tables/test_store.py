import errno
import json
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest

from complexity_lab import files
from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.tables import store as store_module
from complexity_lab.tables.schema import TABLES, schema
from complexity_lab.tables.store import Store, part_name, read_manifest, read_table

MANIFEST = {"plan": {"zoo": "digits", "seeds": [0, 1, 2]}, "plan_hash": "abc"}


def rows(model, status="ok"):
    return {
        "models": [{"model": model, "status": status, "error": None if status == "ok" else "why"}],
        "measurements": [
            {"model": model, "state": "initial", "seed": 0, "metric": "bdm", "value": 1.5, "status": "ok"}
        ],
        "histograms": [{"model": model, "state": "initial", "seed": 0, "codes": [1], "counts": [2]}],
    }


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "survey")
    assert made.prepare(MANIFEST) is False
    return made


def test_what_is_written_is_read(store):
    store.write("a/b c", rows("a/b c"), {"plan_hash": "abc"})
    store.write("z", rows("z", "failed"), {})
    assert store.outcomes() == {"a/b c": None, "z": "why"}
    assert (store.done(), store.failed()) == ({"a/b c", "z"}, {"z"})
    frame = read_table(store.directory, "measurements")
    assert frame["value"].tolist() == [1.5, 1.5]
    assert frame["model"].tolist() == ["a/b c", "z"]
    assert read_manifest(store.directory) == MANIFEST


def test_every_part_has_the_schema_and_its_provenance(store):
    store.write("a", rows("a"), {"plan_hash": "abc"})
    for table, columns in TABLES.items():
        found = pq.read_schema(store.directory / table / part_name("a"))
        assert found.names == schema(columns).names
        assert found.types == schema(columns).types
        assert found.metadata[b"plan_hash"] == b"abc"
        assert all(field.metadata[b"description"] for field in found)


def test_a_model_is_finished_only_when_everything_is_there(store, monkeypatch):
    """The part of models is written last: dying before it leaves the model unfinished."""
    written = []
    monkeypatch.setattr(store_module, "write_atomically", lambda path, data: written.append(path.parent.name))
    store.write("a", rows("a"), {})
    assert written[-1] == "models"
    assert store.done() == set()


def test_debris_of_a_killed_survey_is_removed(store):
    store.write("done", rows("done"), {})
    orphan = store.directory / "measurements" / part_name("killed")
    orphan.write_bytes(b"whatever")
    temporary = store.directory / "models" / ".x.parquet.1.tmp"
    temporary.write_bytes(b"half")
    store.mark_running("killed")
    assert store.running() == {"killed"}
    assert store.prepare(MANIFEST) is True
    assert not orphan.exists()
    assert not temporary.exists()
    assert store.running() == set()
    assert store.done() == {"done"}


def test_what_a_user_keeps_beside_the_parts_stays(store):
    note = store.directory / "models" / "notes.txt"
    note.write_text("mine")
    (store.directory / "models" / "folder").mkdir()
    store.prepare(MANIFEST)
    assert note.exists()


def test_a_damaged_part_is_measured_again(store):
    for model in "ab":
        store.write(model, rows(model), {})
    part = store.directory / "models" / part_name("a")
    part.write_bytes(part.read_bytes()[:40])
    store.prepare(MANIFEST)
    assert store.done() == {"b"}


def test_a_disk_that_fills_while_the_survey_begins_can_begin_again(tmp_path, monkeypatch):
    made = Store(tmp_path / "survey")

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with made.exclusive():
        monkeypatch.setattr(store_module, "write_atomically", full)
        with pytest.raises(OutputError, match="run the same command again"):
            made.prepare(MANIFEST)
        monkeypatch.undo()
        assert made.prepare(MANIFEST) is False


def test_other_versions_of_a_later_run_are_noted(store):
    later = {**MANIFEST, "versions": {"torch": "9"}, "created": "tomorrow", "command": None}
    store.prepare(later)
    store.prepare(later)
    assert read_manifest(store.directory)["runs"] == [
        {"created": "tomorrow", "versions": {"torch": "9"}, "command": None}
    ]


def test_another_plan_is_refused_with_the_difference(store):
    other = {"plan": {"zoo": "digits", "seeds": [0]}, "plan_hash": "def"}
    with pytest.raises(PlanMismatchError, match=r"seeds: there \[0, 1, 2\], now \[0\].*--out"):
        store.prepare(other)


def test_a_directory_that_is_no_survey_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match="not empty and not a survey"):
        Store(tmp_path).prepare(MANIFEST)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        read_table(tmp_path, "models")


def test_damaged_files_are_named(store):
    store.write("a", rows("a"), {})
    part = store.directory / "models" / part_name("a")
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(InputError, match=r"models is damaged"):
        read_table(store.directory, "models")
    (store.directory / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        read_manifest(store.directory)


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "another directory")])
def test_a_full_or_forbidden_disk_is_one_sentence(store, monkeypatch, number, words):
    def refuse(path, data):
        raise OSError(number, "refused")

    monkeypatch.setattr(store_module, "write_atomically", refuse)
    with pytest.raises(OutputError, match=words):
        store.write("a", rows("a"), {})


def test_a_truly_full_disk_keeps_what_is_finished(store):
    """/dev/full accepts nothing: the temporary file goes, the finished part stays."""
    store.write("a", rows("a"), {})
    target = store.directory / "models" / part_name("a")
    before = target.read_bytes()
    temporary = target.with_name(f".{target.name}.{os.getpid()}{files.TEMPORARY}")
    temporary.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(target, b"new")
    assert target.read_bytes() == before


def test_a_path_that_cannot_be_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"), Store(tmp_path / "file" / "x").exclusive():
        pass


def test_two_surveys_do_not_share_a_directory(store):
    with store.exclusive(), pytest.raises(OutputError, match="another survey is running"), store.exclusive():
        pass
    with store.exclusive():
        pass


def test_forgotten_models_are_measured_again(store):
    store.write("a", rows("a", "failed"), {})
    store.forget({"a"})
    assert store.done() == set()
    assert read_table(store.directory, "measurements").empty


def test_pandas_duckdb_and_polars_read_the_directory_as_it_is(store):
    import duckdb
    import polars

    for model in "ab":
        store.write(model, rows(model), {})
    folder = store.directory / "measurements"
    assert len(pd.read_parquet(folder)) == 2
    assert duckdb.sql(f"select count(*) from '{folder}/*.parquet'").fetchall() == [(2,)]
    assert polars.read_parquet(folder / "*.parquet").height == 2


def test_part_names_are_safe_and_distinct():
    names = [part_name(name) for name in ("a/b", "a_b", "a b", "x" * 300, "../../etc")]
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name) < 120 and not name.startswith(".") for name in names)


def test_the_manifest_is_json(store):
    assert json.loads((store.directory / "manifest.json").read_text()) == MANIFEST
