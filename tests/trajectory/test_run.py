import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from complexity_lab.errors import InputError, PlanMismatchError, UnknownNameError
from complexity_lab.statistics.trajectory import TrajectoryTables
from complexity_lab.tables.steps import read_steps
from complexity_lab.trajectory import training
from complexity_lab.trajectory.plan import Arm, checked_plan, read_trajectory_study
from complexity_lab.trajectory.run import run_study
from complexity_lab.trajectory.training import Recipe

STUDIES = Path(__file__).parents[2] / "studies"
ARMS = ({"weight_decay": 0.0}, {"labels": "random", "weight_decay": 0.01})


def plan(**changes):
    given = {"study": "learning", "task": "digits", "hidden": [[12]], "examples": [50], "arms": ARMS, "seeds": 1}
    given |= {"optimizer": "adam", "learning_rate": 1e-2, "batch_size": 16, "steps": 10, "per_decade": 2, "shuffles": 2}
    return checked_plan(**(given | changes))


def addition(**changes):
    given = {"study": "grokking", "task": "addition", "modulus": 7, "embedding": 4, "hidden": [[8]]}
    given |= {"optimizer": "adamw", "learning_rate": 1e-2, "steps": 10, "per_decade": 2, "shuffles": 2, "seeds": 1}
    return checked_plan(**(given | changes))


def tables(directory):
    return [read_steps(directory, "steps"), read_steps(directory, "series").drop(columns="seconds")]


def test_a_plan_is_all_combinations_with_unique_keys():
    runs = plan(hidden=[[12], [24, 12]], examples=[20, 50], seeds=3).runs()
    assert len(runs) == len({run.key for run in runs}) == 2 * 2 * 2 * 3
    assert len({run.group for run in runs}) == 8
    first = runs[0]
    assert first.key == "digits-12-n20-true-wd0-s0"
    assert first.name == "MLP 12, 20 digits, true labels, weight decay 0"
    assert first.recipe == Recipe("adam", 1e-2, 0.0, 16, 10)
    assert addition().runs()[0].key == "addition-8-n24-true-wd0-s0"


def test_the_hash_is_of_everything():
    assert plan().hash() == plan().hash()
    others = ({"steps": 11}, {"shuffles": 3}, {"arms": ({"weight_decay": 0.0},)}, {"bits": 2}, {"preset": "qubd-paper"})
    assert len({plan(**changes).hash() for changes in ({}, *others)}) == 6
    assert plan().as_dict() == json.loads(json.dumps(plan().as_dict()))
    assert plan().as_dict()["runs"][1]["recipe"]["weight_decay"] == 0.01


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"examples": [20, 20]}, "examples: 20 is listed twice"),
        ({"arms": (ARMS[0], ARMS[0])}, "arms: true labels, weight decay 0 is listed twice"),
        ({"seeds": []}, "seeds: empty, wanted at least one"),
        ({"examples": [1078]}, "1078 training examples, wanted 1 to 1077"),
        ({"modulus": 97}, "modulus and embedding are for addition"),
        ({"hidden": [[0]]}, "a hidden layer has no unit"),
        ({"steps": 0}, "steps: Input should be greater than or equal to 1"),
        ({"learning_rate": float("nan")}, "learning_rate: Input should be"),
        ({"arms": ({"weight_decay": -1.0},)}, "arms.0.weight_decay: Input should be"),
        ({"arms": ({"labels": "wrong"},)}, "arms.0.labels: Input should be 'true' or 'random'"),
        ({"batch": 3}, "batch: Extra inputs are not permitted"),
        ({"steps": 1.5}, "steps: Input should be a valid integer"),
        ({"metrics": ["bmd"]}, "unknown metric"),
        ({"preset": "fixd"}, "unknown preset 'fixd'"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(changes, said):
    with pytest.raises(InputError, match=said):
        plan(**changes)


def test_addition_needs_its_numbers():
    with pytest.raises(InputError, match="addition needs modulus and embedding"):
        addition(embedding=None)
    with pytest.raises(InputError, match="has one hidden layer"):
        addition(hidden=[[8, 8]])


@pytest.mark.parametrize("name", ["learning_digits", "overfitting_digits", "grokking"])
def test_the_studies_can_be_read(name):
    study = read_trajectory_study(STUDIES / f"{name}.toml")
    assert len(study.trajectory.seeds) == 3
    assert Arm(weight_decay=0.0) in study.trajectory.arms


def test_a_study_file_with_mistakes_is_refused(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('title = "a"\nquestion = "b"\n[trajectory]\nstudy = "sleeping"\n')
    with pytest.raises(InputError, match=r"is not a study: trajectory.study: Input should be 'learning'"):
        read_trajectory_study(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_trajectory_study(tmp_path / "none.toml")


def test_rows_do_not_depend_on_the_number_of_workers(tmp_path):
    told = []
    one = run_study(plan(), tmp_path / "one", jobs=1, progress=told.append)
    two = run_study(plan(), tmp_path / "two", jobs=2)
    assert (one.ok, two.ok, one.exit_code) == (2, 2, 0)
    assert [step.finished for step in told] == [0, 1, 2]
    for first, second in zip(tables(tmp_path / "one"), tables(tmp_path / "two"), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_tables_hold_every_measured_step_with_losses(tmp_path):
    run_study(addition(), tmp_path / "out", jobs=1)
    steps, series = tables(tmp_path / "out")
    assert sorted(set(steps["step"])) == [0, 1, 3, 10]
    assert steps[["train_loss", "validation_loss", "epoch"]].notna().all().all()
    wanted = {"bdm", "qubd", "qubd_plane3", "bdm_shuffle_mean", "qubd_shuffle_sd"}
    assert wanted <= set(steps.loc[steps["scope"] == "model", "metric"])
    assert set(steps.loc[steps["scope"] == "tensor", "tensor"]) >= {"embedding.weight", "hidden.bias", "output.weight"}
    row = series.iloc[0]
    assert (row["status"], row["examples"], row["parameters"]) == ("ok", 24, 7 * 4 + 8 * 8 + 8 + 7 * 8 + 7)
    assert 0 <= row["test_accuracy"] <= 1
    ratios = TrajectoryTables.read(tmp_path / "out").ratios
    assert (ratios.loc[ratios["step"] == 0, "ratio"] == 1).all()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["plan"]["kind"] == "trajectory"


def test_arms_and_training_sets_begin_from_the_same_weights(tmp_path):
    run_study(plan(examples=[20, 50]), tmp_path / "out", jobs=1)
    steps = tables(tmp_path / "out")[0]
    start = steps.loc[(steps["step"] == 0) & (steps["scope"] == "model") & (steps["metric"] == "bdm")]
    assert len(start) == 4
    assert start["value"].nunique() == 1


def test_what_is_finished_is_kept(tmp_path):
    run_study(plan(), tmp_path / "out", jobs=1)
    again = run_study(plan(), tmp_path / "out", jobs=1)
    assert (again.trained, again.kept, again.ok) == (0, 2, 2)
    with pytest.raises(PlanMismatchError, match="steps: there 10, now 11"):
        run_study(plan(steps=11), tmp_path / "out", jobs=1)
    with pytest.raises(InputError, match="--jobs 0"):
        run_study(plan(), tmp_path / "out", jobs=0)


def test_a_run_that_diverges_is_a_row_that_keeps_its_steps(tmp_path):
    result = run_study(plan(learning_rate=1e30, arms=(ARMS[0],)), tmp_path / "out", jobs=1)
    assert (result.ok, result.exit_code) == (0, 1)
    steps, series = tables(tmp_path / "out")
    row = series.iloc[0]
    assert (row["status"], row["error_type"]) == ("failed", "WeightsError")
    assert "training diverged" in row["error"]
    assert set(steps["step"]) <= {0, 1, 3}
    assert 0 in set(steps["step"])


def test_a_failure_stops_nothing_and_can_be_tried_again(tmp_path, monkeypatch):
    whole = training.train

    def broken(network, task, recipe, **options):
        if recipe.weight_decay:
            raise FloatingPointError("not today")
        return whole(network, task, recipe, **options)

    monkeypatch.setattr(training, "train", broken)
    result = run_study(plan(), tmp_path / "out", jobs=1)
    assert (result.ok, result.exit_code) == (1, 3)
    assert result.failed == {"digits-12-n50-random-wd0.01-s0": "FloatingPointError: not today"}
    monkeypatch.setattr(training, "train", whole)
    assert run_study(plan(), tmp_path / "out", jobs=1).trained == 0
    again = run_study(plan(), tmp_path / "out", jobs=1, retry_failed=True)
    assert (again.ok, again.trained, again.exit_code) == (2, 1, 0)


SLOWLY = """
import sys
from pathlib import Path
from complexity_lab.trajectory.run import run_study
from tests.trajectory.test_run import plan
run_study(plan(steps=1500, per_decade=30, seeds=2), Path(sys.argv[1]), jobs=1)
"""


@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_as_if_it_had_not_been_killed(tmp_path):
    out, root = tmp_path / "killed", Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", SLOWLY, str(out)], cwd=root, start_new_session=True)
    try:
        for _ in range(1200):
            if list((out / "series").glob("*.parquet")):
                break
            assert child.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    kept = len(list((out / "series").glob("*.parquet")))
    assert 1 <= kept <= 4
    wanted = plan(steps=1500, per_decade=30, seeds=2)
    result = run_study(wanted, out, jobs=1)
    assert (result.kept, result.trained, result.ok) == (kept, 4 - kept, 4)
    run_study(wanted, tmp_path / "whole", jobs=1)
    for first, second in zip(tables(out), tables(tmp_path / "whole"), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_the_command_runs_a_study_from_end_to_end(tmp_path, capsys):
    from complexity_lab.cli.trajectory_study import is_study, run_trajectory_study

    file = tmp_path / "study.toml"
    file.write_text(
        'title = "A tiny study"\nquestion = "Does it run?"\nfigures = ["learning"]\n[trajectory]\n'
        'study = "learning"\ntask = "digits"\nhidden = [[12]]\nexamples = [50]\nseeds = 2\noptimizer = "adam"\n'
        "learning_rate = 0.01\nbatch_size = 16\nsteps = 20\nper_decade = 3\nshuffles = 2\n"
        "arms = [{ weight_decay = 0.0 }, { weight_decay = 0.01 }]\n"
    )
    out = tmp_path / "out"
    assert run_trajectory_study(file, out, 1, False) == 0
    shown = capsys.readouterr()
    assert "4 ok, 0 failed (4 trained now, 0 kept)." in shown.out
    assert "[4/4]" in shown.err
    assert is_study(out)
    page = (out / "trajectory.md").read_text()
    assert page.startswith("# A tiny study\n")
    assert "![Loss and complexity while learning](figures/learning.png)" in page
    assert "parts.png" not in page
    assert sorted(path.name for path in (out / "figures").iterdir()) == [
        f"learning.{suffix}" for suffix in ("csv", "parquet", "pdf", "png")
    ]
    file.write_text(file.read_text().replace('["learning"]', '["lerning"]'))
    with pytest.raises(UnknownNameError, match=r"unknown figure 'lerning' \(did you mean learning"):
        run_trajectory_study(file, tmp_path / "other", 1, False)
