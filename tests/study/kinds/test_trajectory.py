"""Networks measured while they learn: plans, rows, and runs that diverge."""

from pathlib import Path

import pandas as pd
import pytest

from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.study.engine import run_study
from complexity_lab.study.kind import RunOptions
from complexity_lab.study.kinds.trajectory import DIGITS, KIND, Condition, TrajectorySpec
from complexity_lab.study.plan import Plan, checked, read_study
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from complexity_lab.training.recipe import Recipe
from complexity_lab.training.tasks import DIGITS_TRAINING

STUDIES = Path(__file__).parents[3] / "studies"
CONDITIONS = ({"weight_decay": 0.0}, {"labels": "random", "weight_decay": 0.01})


def plan(**changes):
    given = {"study": "learning", "task": "digits", "hidden": [[12]], "examples": [50], "conditions": CONDITIONS}
    given |= {"optimizer": "adam", "learning_rate": 1e-2, "batch_size": 16, "steps": 10, "per_decade": 2}
    return Plan(kind="trajectory", spec=checked(TrajectorySpec, given | {"shuffles": 2, "seeds": 1} | changes, "it"))


def addition(**changes):
    given = {"study": "grokking", "task": "addition", "modulus": 7, "embedding": 4, "hidden": [[8]]}
    given |= {"optimizer": "adamw", "learning_rate": 1e-2, "steps": 10, "per_decade": 2, "shuffles": 2, "seeds": 1}
    return Plan(kind="trajectory", spec=checked(TrajectorySpec, given | changes, "it"))


def tables(directory):
    found = [read_table(directory, table) for table in ("runs", "curves", "measurements")]
    return [frame.drop(columns=c.SECONDS, errors="ignore") for frame in found]


def test_a_plan_is_all_combinations_with_unique_keys():
    runs = plan(hidden=[[12], [24, 12]], examples=[20, 50], seeds=3).spec.runs()
    assert len(runs) == len({run.key for run in runs}) == 2 * 2 * 2 * 3
    assert len({run.group for run in runs}) == 8
    first = runs[0]
    assert first.key == "digits-12-n20-true-wd0-s0"
    assert first.name == "MLP 12, 20 digits, true labels, weight decay 0"
    assert first.recipe == Recipe(optimizer="adam", learning_rate=1e-2, weight_decay=0.0, batch_size=16, steps=10)
    assert addition().spec.runs()[0].key == "addition-8-n24-true-wd0-s0"
    assert KIND.jobs(plan(threads=3).spec, RunOptions(), 8) == 2
    assert DIGITS == DIGITS_TRAINING


def test_the_hash_is_of_everything():
    others = ({"steps": 11}, {"shuffles": 3}, {"conditions": ({},)}, {"bits": 2}, {"preset": "qubd-paper"})
    assert len({plan(**changes).hash for changes in ({}, *others)}) == 6
    assert plan().as_dict()["runs"][1]["recipe"]["weight_decay"] == 0.01


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"examples": [20, 20]}, "examples: 20 is listed twice"),
        ({"conditions": (CONDITIONS[0],) * 2}, "conditions: true labels, weight decay 0 is listed twice"),
        ({"seeds": []}, "seeds: empty, wanted at least one"),
        ({"examples": [1078]}, "1078 training examples, wanted 1 to 1077"),
        ({"modulus": 97}, "modulus and embedding are for addition"),
        ({"hidden": [[0]]}, "a hidden layer has no unit"),
        ({"steps": 0}, "steps: Input should be greater than or equal to 1"),
        ({"learning_rate": float("nan")}, "learning_rate: Input should be"),
        ({"conditions": ({"weight_decay": -1.0},)}, "conditions.0.weight_decay: Input should be"),
        ({"conditions": ({"labels": "wrong"},)}, "conditions.0.labels: Input should be 'true' or 'random'"),
        ({"arms": CONDITIONS}, "arms: unknown key"),
        ({"batch": 3}, r"batch: unknown key.*batch_size"),
        ({"steps": 1.5}, "steps: Input should be a valid integer"),
        ({"metrics": ["bmd"]}, "unknown metric"),
        ({"preset": "fixd"}, "unknown preset 'fixd'"),
        ({"shuffles": 1}, "draws? of null models, wanted 0 for none"),
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


@pytest.mark.parametrize("name", ["learning_digits", "overfitting_digits", "overfitting_decay_digits", "grokking"])
def test_the_studies_can_be_read(name):
    spec = read_study(STUDIES / f"{name}.toml").spec
    assert len(spec.seeds) == 3
    assert len(spec.conditions) >= 2 and all(isinstance(each, Condition) for each in spec.conditions)


def test_a_study_file_with_mistakes_is_refused(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('title = "a"\nquestion = "b"\n[trajectory]\nstudy = "sleeping"\n')
    with pytest.raises(InputError, match=r"\[trajectory\]\.study: Input should be 'learning'"):
        read_study(file)


def test_rows_do_not_depend_on_the_number_of_workers(tmp_path):
    for jobs in (1, 2):
        assert run_study(plan(), tmp_path / str(jobs), jobs=jobs).ok == 2
    for first, second in zip(tables(tmp_path / "1"), tables(tmp_path / "2"), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_tables_hold_every_measured_step_with_losses(tmp_path):
    run_study(addition(), tmp_path / "out", jobs=1)
    runs, curves, found = tables(tmp_path / "out")
    assert curves[c.STEP].tolist() == [0, 1, 3, 10]
    assert curves[[c.TRAIN_LOSS, c.VALIDATION_LOSS, c.TRAIN_ACCURACY, c.EPOCH]].notna().all().all()
    network = found.loc[found[c.SCOPE] == "model"]
    assert set(network[c.STEP]) == {0, 1, 3, 10}
    drawn = network.loc[network[c.NULL] == "shuffle"]
    assert set(zip(drawn[c.METRIC], drawn[c.STATISTIC], strict=True)) == {
        (metric, statistic) for metric in ("bdm", "qubd") for statistic in ("mean", "sd")
    }
    assert set(drawn.loc[drawn[c.METRIC] == "qubd", c.PLANE].dropna()) == {0, 1, 2, 3}
    assert set(found.loc[found[c.SCOPE] == "tensor", c.TENSOR]) >= {"embedding.weight", "hidden.bias", "output.weight"}
    row = runs.iloc[0]
    assert (row[c.STATUS], row[c.EXAMPLES], row[c.PARAMETERS]) == ("ok", 24, 7 * 4 + 8 * 8 + 8 + 7 * 8 + 7)
    assert (row[c.REFERENCE], row[c.OPTIMIZER], row[c.LABELS]) == (0, "adamw", "true")
    assert 0 <= row[c.TEST_ACCURACY_FINAL] <= 1


def test_conditions_and_training_sets_begin_from_the_same_weights(tmp_path):
    run_study(plan(examples=[20, 50]), tmp_path / "out", jobs=1)
    found = tables(tmp_path / "out")[2]
    at_start = (found[c.STEP] == 0) & (found[c.SCOPE] == "model") & (found[c.METRIC] == "bdm") & found[c.NULL].isna()
    assert at_start.sum() == 4
    assert found.loc[at_start, c.VALUE].nunique() == 1


def test_a_run_that_diverges_keeps_its_steps(tmp_path):
    result = run_study(plan(learning_rate=1e30, conditions=({},)), tmp_path / "out", jobs=1)
    assert (result.ok, result.exit_code) == (0, 1)
    runs, curves, found = tables(tmp_path / "out")
    row = runs.iloc[0]
    assert (row[c.STATUS], row[c.ERROR_TYPE]) == ("failed", "WeightsError")
    assert "diverged" in row[c.ERROR] and row[c.MODEL] in row[c.ERROR]
    assert 0 in set(curves[c.STEP]) and set(curves[c.STEP]) <= {0, 1, 3}
    assert set(found[c.STEP]) == set(curves[c.STEP])


def test_another_plan_is_refused(tmp_path):
    run_study(plan(), tmp_path / "out", jobs=1, limit=1)
    with pytest.raises(PlanMismatchError, match="steps: there 10, now 11"):
        run_study(plan(steps=11), tmp_path / "out", jobs=1)
