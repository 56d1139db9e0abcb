"""A watched training writes the table of steps that a series of checkpoints has."""

import numpy as np
import pandas as pd
import pytest

from complexity_lab.errors import InputError
from complexity_lab.experiments.plan import checked_plan
from complexity_lab.experiments.probe import WeightProbe
from complexity_lab.experiments.run import run_experiment
from complexity_lab.experiments.steps import steps_per_epoch
from complexity_lab.figures.trajectory import render_trajectory
from complexity_lab.statistics.trajectory import TrajectoryTables
from complexity_lab.tables.training import read_training
from complexity_lab.trajectory.probe import StepProbe


def plan(**changes):
    given = {"models": ("mlp",), "s": (8,), "capacity": (0.01,), "seeds": (0, 1), "epochs": 1}
    return checked_plan(**(given | {"metrics": ("bdm", "gzip", "qubd")} | changes))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiment") / "out"
    run_experiment(plan(), directory, jobs=1)
    return directory


def test_every_epoch_is_a_step(directory):
    tables, epochs = TrajectoryTables.read(directory), read_training(directory, "epochs")
    for metric in ("bdm", "gzip"):
        ours = tables.numbers.loc[tables.numbers["metric"] == metric].sort_values(["run", "epoch"])
        theirs = epochs.sort_values(["run", "epoch"])
        assert ours["run"].tolist() == theirs["run"].tolist()
        assert ours["epoch"].tolist() == theirs["epoch"].tolist()
        for name, column in (("value", metric), ("validation_loss",) * 2, ("train_accuracy",) * 2):
            np.testing.assert_array_equal(ours[name].to_numpy(float), theirs[column].to_numpy(float))
    assert set(tables.metrics) == {"bdm", "gzip", "qubd", *(f"qubd_plane{plane}" for plane in range(8))}
    assert set(tables.steps["status"]) == {"ok"}
    assert (tables.ratios.loc[tables.ratios["step"] == 0, "ratio"] == 1).all()


def test_steps_are_those_of_the_optimizer(directory):
    """Where motifs are projected after every step, the projections of an epoch count its steps."""
    epochs = read_training(directory, "epochs")
    projected = epochs.loc[epochs["run"].str.contains("momos") & (epochs["epoch"] > 0)].copy()
    counted = projected.groupby("run")["projections"].cumsum()
    steps = TrajectoryTables.read(directory).steps.drop_duplicates(["run", "step"])
    steps = steps.loc[steps["run"].str.contains("momos") & (steps["epoch"] > 0)]
    assert steps.sort_values(["run", "step"])["step"].tolist() == counted.tolist()


def test_series_are_the_runs(directory):
    series, runs = TrajectoryTables.read(directory).series, read_training(directory, "runs")
    assert series["run"].tolist() == runs["run"].tolist()
    assert series["parameters"].tolist() == runs["parameters"].tolist()
    assert series["test_accuracy"].tolist() == runs["test_accuracy_final"].tolist()
    assert series.groupby("group")["seed"].agg(list).to_dict() == {
        "digits, mlp, baseline": [0, 1],
        "digits, mlp, momos-s8-c0.01": [0, 1],
    }
    assert series["optimizer"].str.contains("learning rate").all()
    assert [figure.name for figure in render_trajectory(directory)] == ["trajectory", "trajectory_planes"]


def test_a_failed_run_has_a_series_and_no_steps(tmp_path, monkeypatch):
    from complexity_lab.momos import training

    def diverge(*arguments, **options):
        raise ValueError("the loss is nan")

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", diverge)
        run_experiment(plan(seeds=(0,), s=(), capacity=(), metrics=("bdm",)), tmp_path / "out", jobs=1)
    tables = TrajectoryTables.read(tmp_path / "out")
    assert tables.steps.empty
    assert tables.series["status"].tolist() == ["failed"]
    assert tables.series["error"].tolist() == ["ValueError: the loss is nan"]
    run_experiment(plan(seeds=(0,), s=(), capacity=(), metrics=("bdm",)), tmp_path / "out", jobs=1, retry_failed=True)
    tables = TrajectoryTables.read(tmp_path / "out")
    assert tables.series["status"].tolist() == ["ok"]
    assert set(tables.steps["epoch"]) == {0, 1}


@pytest.mark.parametrize(("examples", "size", "steps"), [(256, 128, 2), (257, 128, 2), (258, 128, 3), (1, 128, 1)])
def test_a_last_batch_of_one_image_is_no_step(examples, size, steps):
    assert steps_per_epoch(examples, size) == steps


def test_the_probe_of_a_training_is_that_of_a_step():
    from torch import nn

    network = nn.Linear(40, 30)
    rows = StepProbe(("bdm", "zstd")).rows_of(network)
    assert WeightProbe(("bdm", "zstd"))(network) == {row["metric"]: row["value"] for row in rows}
    assert len(WeightProbe(("qubd",))(network)) == 9
    assert WeightProbe(())(network) == {}
    assert pd.Series(WeightProbe(("bdm",))(nn.Linear(2, 2)), dtype=float).empty  # no block of 12
    with pytest.raises(InputError, match="metric bdm_2d cannot be watched"):
        WeightProbe(("bdm_2d",))
