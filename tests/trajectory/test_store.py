"""A directory of trajectories: one plan, one process, rows that appear whole, and what was killed goes on."""

import json

import pytest

from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.tables.steps import read_steps
from complexity_lab.trajectory.store import TrajectoryStore, plan_hash

PLAN = {"name": "x", "metrics": ("bdm",)}


def step(run, number, value=1.0, **columns):
    return {"run": run, "step": number, "scope": "model", "metric": "bdm", "value": value, "status": "ok"} | columns


def series(run, status="ok", **columns):
    return {"run": run, "status": status} | columns


@pytest.fixture
def store(tmp_path):
    store = TrajectoryStore(tmp_path / "out")
    store.prepare(PLAN)
    return store


def test_the_manifest_says_what_it_is(store):
    manifest = json.loads((store.directory / "manifest.json").read_text())
    assert manifest["plan"] == {"kind": "trajectory", "name": "x", "metrics": ["bdm"]}
    assert manifest["plan_hash"] == plan_hash(manifest["plan"])
    assert {"created", "versions", "machine", "command"} <= manifest.keys()
    assert store.prepare(PLAN)["plan_hash"] == manifest["plan_hash"]


def test_another_plan_is_refused(store):
    with pytest.raises(PlanMismatchError, match=r'metrics: there \["bdm"\], now \["gzip"\]'):
        store.prepare({"name": "x", "metrics": ("gzip",)})


def test_a_directory_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        TrajectoryStore(tmp_path).prepare(PLAN)


def test_two_processes_do_not_share_a_directory(store):
    with store.exclusive(), pytest.raises(OutputError, match="another process"), store.exclusive():
        pass
    with store.exclusive():
        pass


def test_rows_come_back_sorted_and_typed(store):
    store.write(series("b", seed=1), [step("b", 10), step("b", 2, validation_loss=0.5)], {})
    store.write(series("a"), [step("a", 0)], {"plan_hash": "x"})
    steps = read_steps(store.directory, "steps")
    assert steps[["run", "step"]].to_numpy().tolist() == [["a", 0], ["b", 2], ["b", 10]]
    assert steps["validation_loss"].tolist()[1] == 0.5
    assert steps["reason"].isna().all()
    assert read_steps(store.directory, "series")["run"].tolist() == ["a", "b"]


def test_a_run_is_finished_when_its_series_is_there(store, monkeypatch):
    """Killed between the two parts: the rows are there, and the run does not count."""
    store.write(series("a"), [step("a", 0)], {})
    monkeypatch.setattr("complexity_lab.tables.steps.write_atomically", _until("series"))
    with pytest.raises(KeyboardInterrupt):
        store.write(series("b"), [step("b", 0)], {})
    assert store.steps("b")
    assert store.outcomes() == {"a": None}
    assert set(read_steps(store.directory, "steps")["run"]) == {"a"}


def _until(table):
    from complexity_lab.files import write_atomically

    def write(path, data):
        if path.parent.name == table:
            raise KeyboardInterrupt
        write_atomically(path, data)

    return write


def test_failed_runs_are_told_and_forgotten(store):
    store.write(series("a"), [step("a", 0)], {})
    store.write(series("b", "failed", error="it diverged"), [], {})
    assert store.outcomes() == {"a": None, "b": "it diverged"}
    store.forget(["b"])
    assert store.outcomes() == {"a": None}


def test_pieces_wait_until_the_run_is_finished(store):
    store.write_piece("a", "10", [step("a", 10)])
    store.write_piece("a", "2", [step("a", 2)])
    store.write_piece("a", "2", [step("a", 2, value=3.0)])
    store.write_piece("ab", "2", [step("ab", 2)])
    assert {piece: rows[0]["value"] for piece, rows in store.pieces("a").items()} == {"10": 1.0, "2": 3.0}
    store.write(series("a"), [row for rows in store.pieces("a").values() for row in rows], {})
    assert store.pieces("a") == {}
    assert set(store.pieces("ab")) == {"2"}
    assert len(store.steps("a")) == 2


def test_names_that_no_file_system_likes_are_kept_apart(store):
    names = ["EleutherAI/pythia-160m", "EleutherAI_pythia-160m", "ü/../x", ""]
    for name in names:
        store.write(series(name), [step(name, 0)], {})
    assert set(store.outcomes()) == set(names)
    assert len(read_steps(store.directory, "steps")) == 4


def test_no_tables_and_damaged_ones_are_named(tmp_path, store):
    with pytest.raises(InputError, match="holds no table series"):
        read_steps(tmp_path, "steps")
    store.write(series("a"), [step("a", 0)], {})
    part = next((store.directory / "steps").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(InputError, match="is damaged"):
        read_steps(store.directory, "steps")
