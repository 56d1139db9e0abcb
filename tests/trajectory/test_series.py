"""A series of checkpoints to tables: each by itself, what is wrong with one named, what was killed goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, PlanMismatchError, UnreachableError
from complexity_lab.estimators.qubd import Rules
from complexity_lab.survey.single import measure_rows
from complexity_lab.tables.steps import read_steps
from complexity_lab.trajectory import series as series_module
from complexity_lab.trajectory.probe import StepProbe
from complexity_lab.trajectory.series import find_series, run_series
from tests.trajectory.checkpoints import weights, write

STEPS = [0, 1, 10, 100, 1000]
PROBE = StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2)


def measure(folder, out, probe=PROBE, **options):
    return run_series(find_series(str(folder)), probe, out, **options)


def values(out, metric="bdm"):
    steps = read_steps(out, "steps")
    return steps.loc[steps["metric"] == metric].set_index("step")["value"].to_dict()


def without_time(frame):
    return frame.drop(columns=[name for name in ("seconds",) if name in frame])


def test_every_checkpoint_is_measured_as_by_itself(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    result = measure(folder, tmp_path / "out")
    assert (result.ok, result.measured, result.kept, result.failed, result.exit_code) == (5, 5, 0, {}, 0)
    for step, value in values(tmp_path / "out").items():
        alone = measure_rows(folder / f"step-{step}.safetensors", ("bdm",))
        assert value == pytest.approx(next(row["value"] for row in alone if row["scope"] == "model"))
    steps = read_steps(tmp_path / "out", "steps")
    assert set(steps["source"]) == {f"step-{step}.safetensors" for step in STEPS}
    assert steps[["epoch", "train_loss", "validation_accuracy", "seed"]].isna().all().all()
    (row,) = read_steps(tmp_path / "out", "series").to_dict("records")
    assert (row["run"], row["name"], row["status"], row["reference"]) == ("run", "run", "ok", 0)
    assert row["parameters"] == sum(tensor.size for tensor in weights(0).values())


def test_rows_do_not_depend_on_the_number_of_workers(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    for jobs in (1, 2):
        measure(folder, tmp_path / f"out{jobs}", jobs=jobs)
    for table in ("steps", "series"):
        one, two = (without_time(read_steps(tmp_path / f"out{jobs}", table)) for jobs in (1, 2))
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def broken(folder):
    """Add checkpoints of every kind that cannot be measured; return what their reasons say."""
    whole = (folder / "step-10.safetensors").read_bytes()
    (folder / "step-20.safetensors").write_bytes(whole[: len(whole) // 2])
    bad = weights(30)
    bad["head.weight"][3, 3] = np.nan
    save_file(bad, folder / "step-30.safetensors")
    save_file({"fc.weight": weights(40)["fc.weight"]}, folder / "step-40.safetensors")
    save_file(weights(50) | {"fc.bias": np.zeros(7, np.float32)}, folder / "step-50.safetensors")
    save_file(weights(60) | {"more": np.zeros(7, np.float32)}, folder / "step-60.safetensors")
    (folder / "step-70").mkdir()
    return {
        20: "is truncated or not a safetensors file",
        30: "tensor head.weight: 1 of 1200 weights are NaN or infinite",
        40: "lacks 2 (fc.bias, ...)",
        50: "has fc.bias of shape [7]",
        60: "has 1 more (more, ...)",
        70: "holds no weights",
    }


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_cannot_be_measured_says_why_and_the_others_stand(tmp_path, jobs):
    folder = write(tmp_path / "run", STEPS)
    measure(folder, tmp_path / "whole")
    expected = broken(folder)
    result = measure(folder, tmp_path / "out", jobs=jobs)
    assert (result.ok, result.exit_code) == (5, 3)
    assert result.failed.keys() == expected.keys()
    for step, words in expected.items():
        assert words in result.failed[step]
    found = values(tmp_path / "out")
    assert {step: found[step] for step in STEPS} == values(tmp_path / "whole")
    assert all(pd.isna(found[step]) for step in expected)
    steps = read_steps(tmp_path / "out", "steps")
    assert steps.loc[steps["step"].isin(expected), "reason"].notna().all()
    assert read_steps(tmp_path / "out", "series")["status"].tolist() == ["ok"]


def test_a_series_of_which_nothing_can_be_measured(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (0, 1):
        (folder / f"step-{step}.safetensors").write_bytes(b"x" * 100)
    result = measure(folder, tmp_path / "out")
    assert (result.ok, result.exit_code) == (0, 1)
    (row,) = read_steps(tmp_path / "out", "series").to_dict("records")
    assert row["status"] == "failed"
    assert "truncated" in row["error"]


def test_a_reference_that_cannot_be_read_stays_the_reference(tmp_path):
    """The others are read in the order of the next one; no other step takes the place of the start."""
    folder = write(tmp_path / "run", STEPS)
    (folder / "step-0.safetensors").write_bytes(b"x" * 100)
    result = measure(folder, tmp_path / "out")
    assert (result.ok, list(result.failed)) == (4, [0])
    assert read_steps(tmp_path / "out", "series")["reference"].tolist() == [0]


def test_the_first_is_the_reference_where_there_is_no_start(tmp_path):
    measure(write(tmp_path / "run", [40, 7]), tmp_path / "out")
    assert read_steps(tmp_path / "out", "series")["reference"].tolist() == [7]
    write(tmp_path / "run", [3])
    with pytest.raises(PlanMismatchError, match="reference: there 7, now 3"):
        measure(tmp_path / "run", tmp_path / "out")


def test_what_is_measured_is_kept_and_a_series_may_grow(tmp_path):
    folder, told = write(tmp_path / "run", STEPS[:3]), []
    measure(folder, tmp_path / "out")
    write(folder, STEPS)
    (folder / "step-1.safetensors").unlink()  # a trainer keeps the last few
    result = measure(folder, tmp_path / "out", progress=told.append)
    assert (result.measured, result.kept, result.ok) == (2, 3, 5)
    assert [(each.step, each.finished, each.total, each.kept) for each in told] == [
        (None, 0, 2, 3),
        (100, 1, 2, 3),
        (1000, 2, 2, 3),
    ]
    fresh = write(tmp_path / "again" / "run", STEPS)
    measure(fresh, tmp_path / "out2")
    assert values(tmp_path / "out") == values(tmp_path / "out2")


def test_failed_checkpoints_are_tried_again_only_when_asked(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    whole = (folder / "step-10.safetensors").read_bytes()
    (folder / "step-10.safetensors").write_bytes(whole[:999])
    assert measure(folder, tmp_path / "out").exit_code == 3
    (folder / "step-10.safetensors").write_bytes(whole)
    assert measure(folder, tmp_path / "out").measured == 0
    result = measure(folder, tmp_path / "out", retry_failed=True)
    assert (result.measured, result.kept, result.ok, result.exit_code) == (1, 4, 5, 0)
    assert not np.isnan(values(tmp_path / "out")[10])


def test_another_way_of_measuring_is_refused(tmp_path):
    folder = write(tmp_path / "run", STEPS[:2])
    measure(folder, tmp_path / "out")
    with pytest.raises(PlanMismatchError, match="shuffles: there 2, now 3"):
        measure(folder, tmp_path / "out", StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=3))
    measure(folder, tmp_path / "out", StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2, threads=2))


def test_losses_come_later_and_stay(tmp_path):
    folder = write(tmp_path / "run", STEPS[:3])
    measure(folder, tmp_path / "out")
    losses = {0: {"train_loss": 2.5, "epoch": 0.0}, 10: {"train_loss": 1.0, "validation_accuracy": 0.5}, 99: {}}
    result = measure(folder, tmp_path / "out", losses=losses)
    assert (result.measured, result.kept) == (0, 3)
    write(folder, STEPS)
    measure(folder, tmp_path / "out")
    steps = read_steps(tmp_path / "out", "steps").drop_duplicates("step").set_index("step")
    assert steps["train_loss"].dropna().to_dict() == {0: 2.5, 10: 1.0}
    assert steps["validation_accuracy"].dropna().to_dict() == {10: 0.5}
    assert steps["epoch"].dropna().to_dict() == {0: 0.0}
    measure(folder, tmp_path / "out", losses={100: {"train_loss": 0.1}})
    steps = read_steps(tmp_path / "out", "steps").drop_duplicates("step").set_index("step")
    assert steps["train_loss"].dropna().to_dict() == {100: 0.1}


def test_a_checkpoint_that_surprises_stops_no_other(tmp_path, monkeypatch):
    folder = write(tmp_path / "run", STEPS[:3])
    monkeypatch.setattr(series_module, "OrderedFiles", _surprise)
    result = measure(folder, tmp_path / "out")
    assert result.failed.keys() == {1}
    assert result.failed[1] == "ZeroDivisionError: of a kind that nobody thought of"


def _surprise(files, label, order):
    from complexity_lab.trajectory.checkpoints import OrderedFiles

    if "step-1." in label:
        raise ZeroDivisionError("of a kind that nobody thought of")
    return OrderedFiles(files, label, order)


def test_where_a_series_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for source in ("runs/nothing", "./nothing", "/nothing", "nothing", "a/b/c"):
        with pytest.raises(UnreachableError, match="no directory"):
            find_series(source)
    with pytest.raises(InputError, match="without revisions"):
        find_series("owner/name")
    write(tmp_path / "here", [1])
    with pytest.raises(InputError, match="has no revisions"):
        find_series("here", revisions=("step1",))
    assert find_series("here").source == str(tmp_path / "here")
    assert find_series("here", name="mine").name == "mine"
    with pytest.raises(InputError, match="--jobs 0"):
        run_series(find_series("here"), PROBE, tmp_path / "out", jobs=0)


SLOW = """
import sys, time
from pathlib import Path
from complexity_lab.trajectory import series
from complexity_lab.trajectory.probe import StepProbe
whole = series.measure_checkpoint
def measure(task):
    found = whole(task)
    time.sleep(0.7)
    return found
series.measure_checkpoint = measure
series.run_series(series.find_series(sys.argv[1]), StepProbe(("bdm",)), Path(sys.argv[2]))
"""


def test_a_killed_series_goes_on(tmp_path):
    """What was measured before the kill is kept, to the file, and the end is that of a series never killed."""
    folder, out = write(tmp_path / "run", STEPS), tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", SLOW, folder, out])
    try:
        wait_for(lambda: len(list(out.glob(".pieces/*/*.json"))) >= 2)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    pieces = {path.name: path.stat().st_mtime_ns for path in out.glob(".pieces/*/*.json")}
    assert 2 <= len(pieces) < len(STEPS)
    assert not list(out.glob("series/*.parquet"))
    result = measure(folder, out, StepProbe(("bdm",)))
    assert (result.kept, result.measured) == (len(pieces), len(STEPS) - len(pieces))
    measure(folder, tmp_path / "whole", StepProbe(("bdm",)))
    pd.testing.assert_frame_equal(read_steps(out, "steps"), read_steps(tmp_path / "whole", "steps"), check_exact=True)
    assert not list(out.glob(".pieces/*/*.json"))
    plan = json.loads((out / "manifest.json").read_text())["plan"]
    assert (plan["kind"], plan["reference"], plan["metrics"]) == ("trajectory", 0, ["bdm"])


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
