"""Series of checkpoints: each as by itself, what is wrong with one named, replaced and later ones noticed."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, PlanMismatchError, UnreachableError
from complexity_lab.measurement.single import measure
from complexity_lab.study.engine import run_study
from complexity_lab.study.kinds.series import find_series, series_plan
from complexity_lab.study.plan import read_study
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from complexity_lab.tables.layout import LOSSES
from tests.checkpoints import weights, write

STEPS = [0, 1, 10, 100, 1000]
CHOICES = {"metrics": ("bdm", "gzip"), "bits": 2, "shuffles": 2}


def run(folder, out, *, jobs=1, retry_failed=False, **choices):
    return run_study(series_plan(folder, **(CHOICES | choices)), out, jobs=jobs, retry_failed=retry_failed)


def values(out, metric="bdm"):
    found = read_table(out, "measurements")
    wanted = (found[c.METRIC] == metric) & (found[c.SCOPE] == "model") & found[c.NULL].isna() & found[c.PLANE].isna()
    return found.loc[wanted].set_index(c.STEP)[c.VALUE].to_dict()


def tables(out):
    names = ("runs", "curves", "measurements")
    return [read_table(out, table).drop(columns=c.SECONDS, errors="ignore") for table in names]


def failures(result):
    return {int(task.rpartition(" ")[2]): reason for task, reason in result.failed.items()}


def test_every_checkpoint_is_measured_as_by_itself(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    result = run(folder, tmp_path / "out")
    assert (result.ok, result.done, result.kept, dict(result.failed), result.exit_code) == (5, 5, 0, {}, 0)
    for step, value in values(tmp_path / "out").items():
        alone = measure(folder / f"step-{step}.safetensors", "bdm", scope="model")
        assert value == alone.loc[alone[c.NULL].isna(), c.VALUE].item()
    runs, curves, found = tables(tmp_path / "out")
    assert runs[c.STEP].tolist() == curves[c.STEP].tolist() == STEPS
    assert set(runs[c.MODEL]) == set(runs[c.GROUP]) == set(curves[c.MODEL]) == set(found[c.MODEL]) == {"run"}
    assert set(runs[c.PARAMETERS]) == {sum(tensor.size for tensor in weights(0).values())}
    assert curves[c.SOURCE].tolist() == [f"step-{step}.safetensors" for step in STEPS]
    assert curves[[c.EPOCH, c.TRAIN_LOSS, c.VALIDATION_ACCURACY, c.SEED]].isna().all().all()


def test_rows_do_not_depend_on_the_number_of_workers(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    for jobs in (1, 2):
        run(folder, tmp_path / str(jobs), jobs=jobs)
    for one, two in zip(tables(tmp_path / "1"), tables(tmp_path / "2"), strict=True):
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
        30: "tensor head.weight: 1 of 1,200 weights are NaN or infinite",
        40: "lacks 2 (fc.bias, ...)",
        50: "has fc.bias of shape [7]",
        60: "has 1 more (more, ...)",
        70: "holds no weights",
    }


def test_what_cannot_be_measured_says_why_and_the_others_stand(tmp_path):
    folder = write(tmp_path / "run", STEPS)
    run(folder, tmp_path / "whole")
    expected = broken(folder)
    result = run(folder, tmp_path / "out")
    assert (result.ok, result.exit_code) == (5, 3)
    assert failures(result).keys() == expected.keys()
    for step, words in expected.items():
        assert words in failures(result)[step]
    found = values(tmp_path / "out")
    assert {step: found[step] for step in STEPS} == values(tmp_path / "whole")
    assert all(pd.isna(found[step]) for step in expected)
    runs, _, rows = tables(tmp_path / "out")
    assert set(runs.loc[runs[c.STATUS] == "failed", c.STEP]) == set(expected)
    failed = rows.loc[(rows[c.STATUS] == "failed") & (rows[c.SCOPE] == "model") & rows[c.NULL].isna()]
    assert failed.groupby(c.STEP)[c.METRIC].agg(set).to_dict() == {step: {"bdm", "gzip", "qubd"} for step in expected}


def test_a_checkpoint_is_repaired(tmp_path):
    folder = write(tmp_path / "run", [0, 1])
    (folder / "step-2.safetensors").write_bytes(b"half")
    assert list(failures(run(folder, tmp_path / "out"))) == [2]
    write(folder, [2])
    again = run(folder, tmp_path / "out")  # a replaced file is noticed
    assert (again.done, again.kept, again.ok, again.exit_code) == (1, 2, 3, 0)


def test_a_series_grows_and_what_goes_stays_in_the_tables(tmp_path):
    folder = write(tmp_path / "run", [0, 10])
    run(folder, tmp_path / "out")
    write(folder, [20])
    (folder / "step-10.safetensors").unlink()
    result = run(folder, tmp_path / "out")
    assert (result.done, result.kept, result.ok) == (1, 1, 3)
    assert list(values(tmp_path / "out")) == [0, 10, 20]
    with pytest.raises(PlanMismatchError, match="shuffles"):
        run(folder, tmp_path / "out", shuffles=3)


def save_torch(path, step):
    """Write a checkpoint whose state dict has another order than its names."""
    import torch

    path.parent.mkdir(exist_ok=True)
    torch.save({name: torch.from_numpy(values) for name, values in reversed(weights(step).items())}, path)


def test_the_order_of_the_first_that_was_measured_holds_for_those_that_come_later(tmp_path):
    """A torch file keeps its own order, a safetensors file would be read by its names."""
    save_torch(tmp_path / "run" / "step-5.pt", 5)
    run(tmp_path / "run", tmp_path / "out")
    write(tmp_path / "run", [0])
    run(tmp_path / "run", tmp_path / "out")
    for step in (0, 5):
        save_torch(tmp_path / "all" / f"step-{step}.pt", step)
    run(tmp_path / "all", tmp_path / "same")
    assert values(tmp_path / "out") == values(tmp_path / "same")
    run(write(tmp_path / "files", [0, 5]), tmp_path / "other")
    assert values(tmp_path / "out") != values(tmp_path / "other")
    rules = [set(read_table(tmp_path / out, "measurements")[c.ORDER]) for out in ("out", "other")]
    assert rules == [{"model"}, {"natural"}]


def test_nothing_can_be_read_at_all(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (1, 2):
        (folder / f"step-{step}.safetensors").write_bytes(b"half")
    result = run(folder, tmp_path / "out")
    assert (result.ok, result.exit_code, set(failures(result))) == (0, 1, {1, 2})


def test_what_decides_the_rows_names_the_series_and_its_metrics(tmp_path, monkeypatch):
    folder, other = write(tmp_path / "here", [0]), write(tmp_path / "there" / "here", [0])
    monkeypatch.chdir(tmp_path)
    assert series_plan("here").hash == series_plan(folder).hash
    hashes = {series_plan(folder, **changes).hash for changes in ({}, {"name": "mine"}, {"metrics": ("gzip",)})}
    assert len(hashes | {series_plan(other).hash}) == 4
    assert series_plan(folder, metrics=("bdm",)).hash == series_plan(folder).hash
    assert series_plan("here", name="mine").spec.title == "mine"
    with pytest.raises(InputError, match="unknown metric"):
        series_plan(folder, metrics=("bmd",))
    with pytest.raises(InputError, match="leave --revisions out"):
        series_plan(folder, revisions=("step*",))
    with pytest.raises(UnreachableError, match="no directory"):
        find_series(series_plan("./nowhere").spec)
    with pytest.raises(InputError, match="owner/name without revisions"):
        find_series(series_plan("owner/name").spec)


def test_a_study_file_names_directories_and_losses_from_where_it_lies(tmp_path):
    write(tmp_path / "run", [0, 1])
    (tmp_path / LOSSES).write_text("step,train_loss\n0,2.3\n")
    file = tmp_path / "study.toml"
    file.write_text('title = "t"\nquestion = "q"\n[series]\nsource = "run"\nlosses = "losses.csv"\n')
    plan = read_study(file)
    assert plan.spec.title == "run"
    assert run_study(plan, tmp_path / "out", jobs=1).ok == 2
    assert (tmp_path / "out" / LOSSES).read_text() == (tmp_path / LOSSES).read_text()
    (tmp_path / LOSSES).write_text("step,train_loss\n0,2.2\n")
    assert run_study(plan, tmp_path / "out", jobs=1).done == 0
    assert "2.2" in (tmp_path / "out" / LOSSES).read_text()


def test_a_series_that_began_with_nothing_readable_goes_on_with_what_comes(tmp_path):
    folder = write(tmp_path / "run", [0])
    whole = (folder / "step-0.safetensors").read_bytes()
    (folder / "step-0.safetensors").write_bytes(whole[:50])
    assert "truncated" in failures(run(folder, tmp_path / "out"))[0]
    (folder / "step-0.safetensors").write_bytes(whole)
    write(tmp_path / "run", [0, 10])
    result = run(folder, tmp_path / "out", retry_failed=True)
    assert (result.ok, dict(result.failed)) == (2, {})
