"""What every kind of study promises, each with a tiny plan: keys, payloads, records, rows, failures, going on."""

import json
import pickle

import pandas as pd
import pytest

from complexity_lab.study.engine import run_study
from complexity_lab.study.kind import Failure, RunOptions, TaskContext
from complexity_lab.study.plan import Plan
from complexity_lab.study.registry import kind_named, kind_names
from complexity_lab.tables import columns as c
from complexity_lab.tables.arrow import to_arrow
from complexity_lab.tables.directory import read_table
from complexity_lab.tables.rows import ROWS, Record, Row
from complexity_lab.zoo.digits import OpenDigits
from tests.checkpoints import write

TINY = {  # two tasks each
    "survey": {
        "zoo": "digits",
        "states": ["initial"],
        "seeds": 1,
        "metrics": ["bdm", "gzip"],
        "selection": {"models": ["mlp_12", "resnet8_w6"]},
    },
    "training": {"models": ["mlp"], "bits": [4], "seeds": 1, "epochs": 1},
    "trajectory": {
        **{"study": "learning", "task": "digits", "hidden": [[6]], "examples": [20], "seeds": 2, "steps": 3},
        **{"optimizer": "adam", "learning_rate": 0.01, "batch_size": 8, "shuffles": 2},
    },
    "rounding": {
        **{"models": ["resnet8_w6"], "seeds": 2, "bits": 3, "shuffles": 2, "initializations": 2, "margins": [0]},
        **{"references": ["shuffle"], "layer_bits": [2]},
    },
    "series": {"metrics": ["bdm", "gzip"], "shuffles": 2, "preset": "fixed", "bits": 2},
}
LARGE = {  # the same with many tasks
    "survey": {"seeds": 300, "selection": {}},
    "training": {"seeds": 3000},
    "trajectory": {"seeds": 3000},
    "rounding": {"seeds": 3000},
    "series": {},
}
OPTIONS = RunOptions(device="cpu")
KINDS = pytest.mark.parametrize("name", kind_names())


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    """Networks of the digits zoo whose training took no step: nothing here needs them to be good."""
    monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial((seed or 0) + 7))


def section_of(name, folder, **changes):
    steps = range(500) if changes and name == "series" else (0, 10)
    more = {"source": str(write(folder / f"run{len(steps)}", steps))} if name == "series" else {}
    return TINY[name] | more | changes


def plan_of(name, folder, **changes):
    spec = kind_named(name).spec(section_of(name, folder, **changes), folder)
    return Plan(kind=name, spec=spec, name="tiny", title="Tiny", question="Does it keep its promises?")


def tables(directory):
    """Return every table without what differs between two runs."""
    found = {}
    for row in ROWS:
        frame = read_table(directory, row.TABLE)
        timings = [column for column in frame if column.startswith(c.SECONDS) or column == c.PEAK_MEMORY]
        found[row.TABLE] = frame.drop(columns=timings)
    return found


@KINDS
def test_there_is_a_tiny_plan_of_every_kind(name):
    assert name in TINY, "give the new kind a tiny plan and a large one here"
    kind = kind_named(name)
    assert kind.name == name
    assert kind.noun


@KINDS
def test_keys_are_unique_and_payloads_small_whatever_the_size_of_the_plan(name, tmp_path):
    changes = LARGE[name] or {"seed": 1}
    for plan in (plan_of(name, tmp_path), plan_of(name, tmp_path, **changes)):
        tasks = plan.plugin.tasks(plan.spec, OPTIONS)
        assert len({task.key for task in tasks}) == len(tasks) > 1
        assert max(len(pickle.dumps(task)) for task in tasks) < 4096
        assert all(task.work > 0 and task.memory > 0 for task in tasks)
    assert f"{len(tasks):,}" in plan.plugin.announcement(plan.spec, tasks)


@KINDS
def test_what_decides_the_rows_is_json_and_other_choices_are_another_plan(name, tmp_path):
    one, same = plan_of(name, tmp_path), plan_of(name, tmp_path)
    assert one.hash == same.hash
    assert json.loads(json.dumps(one.spec.decisive())) == one.as_dict()
    changes = LARGE[name] or {"shuffles": 3}
    assert plan_of(name, tmp_path, **changes).hash != one.hash


@KINDS
def test_a_task_is_one_record_and_typed_rows_about_it(name, tmp_path):
    plan, directory = plan_of(name, tmp_path), tmp_path / "out"
    directory.mkdir()
    plan.plugin.check(plan.spec, OPTIONS)
    plan.plugin.prepare(plan.spec, directory, OPTIONS)
    task = pickle.loads(pickle.dumps(plan.plugin.tasks(plan.spec, OPTIONS)[0]))
    context = TaskContext(directory=directory, key=task.key, options=OPTIONS)
    rows = list(plan.plugin.run(task.payload, context))
    records = [row for row in rows if isinstance(row, Record)]
    assert len(records) == 1
    assert records[0].status == "ok", records[0].error
    assert all(isinstance(row, Row) and row.model == records[0].model for row in rows)
    assert len(rows) > 2
    for kind in {type(row) for row in rows}:
        to_arrow(kind, [row for row in rows if type(row) is kind])
    failed = plan.plugin.failed(task.payload, Failure("ValueError", "not today"))
    assert (failed.model, failed.status, failed.error) == (records[0].model, "failed", "not today")
    assert type(failed) is type(records[0])
    plan.plugin.tidy(task.payload, context)
    assert directory.exists()


@KINDS
def test_a_failing_task_is_a_failed_record_and_can_be_tried_again(name, tmp_path, monkeypatch):
    plan = plan_of(name, tmp_path)

    def broken(self, payload, context):
        raise FloatingPointError("not today")

    with monkeypatch.context() as patch:
        patch.setattr(type(plan.plugin), "run", broken)
        result = run_study(plan, tmp_path / "out", jobs=1, options=OPTIONS)
    assert (result.ok, result.exit_code) == (0, 1)
    assert set(result.failed.values()) == {"FloatingPointError: not today"}
    again = run_study(plan, tmp_path / "out", jobs=1, options=OPTIONS, retry_failed=True, limit=1)
    assert (again.done, again.ok) == (1, 1)


@KINDS
def test_a_study_that_goes_on_has_the_rows_of_one_that_never_stopped(name, tmp_path):
    """Stopped after the first task, its second one under way; see ``tests.study`` for kills."""
    plan = plan_of(name, tmp_path)
    first = run_study(plan, tmp_path / "out", jobs=1, options=OPTIONS, limit=1)
    second = run_study(plan, tmp_path / "out", jobs=1, options=OPTIONS)
    assert (first.done, second.done, second.kept, second.exit_code) == (1, 1, 1, 0)
    run_study(plan, tmp_path / "whole", jobs=1, options=OPTIONS)
    one, other = tables(tmp_path / "out"), tables(tmp_path / "whole")
    for table, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[table], check_exact=True)
    assert {table for table, frame in one.items() if not frame.empty} >= {"measurements"} or name == "rounding"
