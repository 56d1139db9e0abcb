from dataclasses import replace

import joblib
import pandas as pd
import pytest

from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.experiments import run as run_module
from complexity_lab.experiments.plan import checked_plan
from complexity_lab.experiments.run import run_experiment
from complexity_lab.momos.recipes import recipe_for
from complexity_lab.tables.training import read_training

TIMINGS = ["seconds", "seconds_projection", "seconds_training", "threads"]


def plan(**changes):
    given = {"models": ("mlp",), "s": (8,), "capacity": (0.01,), "bits": (4,), "seeds": (0,), "epochs": 1}
    return checked_plan(**(given | changes))


def without_timings(frame):
    return frame.drop(columns=[name for name in TIMINGS if name in frame])


def tables(directory):
    return [without_timings(read_training(directory, table)) for table in ("runs", "epochs")]


def small_recipe(model, dataset, preset):
    """A residual network of 8 layers is trained as the larger ones are, on digits of 8x8 pixels."""
    if model != "resnet8":
        return recipe_for(model, dataset, preset)
    return replace(recipe_for(model, dataset, preset, kind="resnet"), image_size=8, batch_size=128)


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_rows_do_not_depend_on_the_number_of_workers(tmp_path, monkeypatch, model):
    """To the last bit, with a thread for each worker: with other numbers of threads, sums have another order."""
    monkeypatch.setattr("complexity_lab.experiments.plan.recipe_for", small_recipe)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    told = []
    one = run_experiment(plan(models=(model,)), tmp_path / "one", jobs=1, progress=told.append)
    two = run_experiment(plan(models=(model,)), tmp_path / "two", jobs=2)
    assert (one.ok, two.ok, one.exit_code) == (3, 3, 0)
    for first, second in zip(tables(tmp_path / "one"), tables(tmp_path / "two"), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert set(read_training(tmp_path / "two", "runs")["threads"]) == {1}
    assert [step.finished for step in told] == [0, 1, 2, 3]
    assert not list((tmp_path / "one" / "networks").iterdir())


@pytest.mark.slow
def test_rows_of_other_numbers_of_threads_are_equal_but_for_rounding(tmp_path, monkeypatch):
    """Two threads for one worker, one for each of two; a convolutional network would drift apart further."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    for name, jobs in (("one", 1), ("two", 2)):
        run_experiment(plan(), tmp_path / name, jobs=jobs)
        assert set(read_training(tmp_path / name, "runs")["threads"]) == {2 // jobs}
    for first, second in zip(tables(tmp_path / "one"), tables(tmp_path / "two"), strict=True):
        pd.testing.assert_frame_equal(first, second, rtol=1e-3)


def test_what_is_finished_is_kept(tmp_path):
    run_experiment(plan(), tmp_path / "out", jobs=1)
    again = run_experiment(plan(), tmp_path / "out", jobs=1)
    assert (again.trained, again.kept, again.ok) == (0, 3, 3)
    with pytest.raises(PlanMismatchError, match="epochs: there 1, now 2"):
        run_experiment(plan(epochs=2), tmp_path / "out", jobs=1)


def test_a_run_that_fails_is_a_row_and_stops_nothing(tmp_path, monkeypatch):
    import complexity_lab.momos.training as training

    whole = training.train

    def broken(config, *arguments, **options):
        if config.method.kind == "qat":
            raise FloatingPointError("not today")
        return whole(config, *arguments, **options)

    monkeypatch.setattr(training, "train", broken)
    result = run_experiment(plan(), tmp_path / "out", jobs=1)
    assert (result.ok, result.exit_code) == (2, 3)
    assert result.failed == {"digits-mlp-qat-4-0": "FloatingPointError: not today"}
    monkeypatch.setattr(training, "train", whole)
    again = run_experiment(plan(), tmp_path / "out", jobs=1, retry_failed=True)
    assert (again.ok, again.trained, again.exit_code) == (3, 1, 0)


def test_columns_are_filled(tmp_path):
    run_experiment(plan(metrics=("bdm", "gzip")), tmp_path / "out", jobs=1)
    runs = read_training(tmp_path / "out", "runs").set_index("kind")
    assert runs.loc["momos", "projections"] == 10
    assert runs.loc["momos", "rac"] > 10
    assert runs.loc["qat", "rac"] == 8
    assert 0.9 < runs.loc["baseline", "bdm_ratio"] < 1.1
    epochs = read_training(tmp_path / "out", "epochs")
    assert epochs["gzip"].notna().all()
    assert epochs.groupby("run").size().eq(2).all()


def test_what_cannot_be_trained_is_found_first(tmp_path):
    with pytest.raises(InputError, match="needs --data-dir"):
        run_experiment(plan(dataset="cifar10"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="--jobs -1"):
        run_experiment(plan(), tmp_path / "out", jobs=-1)
    assert run_module.default_jobs("cuda") == 1
