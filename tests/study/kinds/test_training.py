"""Studies of MoMos, QAT and baselines: plans, rows of every epoch, and runs that go on where they were killed."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.momos.method import Method
from complexity_lab.momos.runs import RunConfig
from complexity_lab.study.engine import run_study
from complexity_lab.study.kind import RunOptions, TaskContext
from complexity_lab.study.kinds import training
from complexity_lab.study.kinds.training import KIND, NETWORKS, TrainingSpec, table_plan
from complexity_lab.study.plan import Plan, checked, read_study
from complexity_lab.study.single_run import run_plan
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from complexity_lab.training.profiles import recipe_for
from tests.sentences import assert_one_sentence

STUDIES = Path(__file__).parents[3] / "studies"
CPU = RunOptions(device="cpu")
TIMINGS = (c.SECONDS, c.SECONDS_PROJECTION, c.SECONDS_TRAINING)


def a_spec(**changes):
    return checked(TrainingSpec, {"models": ("mlp",), "seeds": (0,), "epochs": 1} | changes, "the training")


def a_plan(**changes):
    given = {"s": (8,), "capacity": (0.01,), "bits": (4,), "metrics": ("bdm", "gzip", "qubd")}
    return Plan(kind="training", spec=a_spec(**(given | changes)), name="tiny")


def rows(directory, table):
    return read_table(directory, table).drop(columns=list(TIMINGS), errors="ignore")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("training") / "out"
    result = run_study(a_plan(), directory, jobs=1, options=CPU)
    assert (result.ok, result.exit_code) == (3, 0)
    return directory


def test_table_1_has_twelve_methods_of_three_networks():
    plan = table_plan("table1", seeds=(0, 1, 2))
    assert plan.spec.models == ("mlp", "resnet20", "tiny_vit_5m")
    assert [method.name for method in plan.spec.methods()] == [
        "baseline",
        *("qat-16", "qat-8", "qat-4"),
        *("momos-s2-c0.1", "momos-s2-c0.05", "momos-s2-c0.01", "momos-s2-c0.005"),
        *("momos-s4-c0.1", "momos-s4-c0.05", "momos-s4-c0.01", "momos-s4-c0.005"),
    ]
    assert len(KIND.tasks(plan.spec, CPU)) == 108
    with pytest.raises(InputError, match="table 'table3', wanted table1 or table2"):
        table_plan("table3")


def test_the_reference_projects_once_per_epoch_without_a_zero_motif_unless_told():
    by_reference = {"preset": "reference", "baseline": False, "s": (2,), "capacity": (0.1,)}
    (method,) = a_spec(**by_reference).methods()
    assert (method.every, method.force_zero) == ("epoch", False)
    assert a_spec(**by_reference, force_zero=True).methods()[0].force_zero
    (method,) = a_spec(**by_reference | {"preset": "paper"}).methods()
    assert (method.every, method.force_zero) == ("step", True)


def test_the_reference_holds_out_5_percent_of_cifar():
    held_out = {
        (preset, dataset): {
            config.validation for config in table_plan("table1", preset=preset, dataset=dataset).spec.configs(CPU)
        }
        for preset in ("paper", "reference")
        for dataset in ("cifar10", "digits")
    }
    assert held_out.pop(("reference", "cifar10")) == {0.05}
    assert set(map(tuple, held_out.values())) == {(None,)}  # the data set's own


def test_close_capacities_have_names_of_their_own():
    methods = a_spec(s=(2,), capacity=(0.1234567, 0.1234568)).methods()
    assert len({method.name for method in methods}) == 3


def test_hyper_parameters_decide_and_the_table_of_the_paper_does_not(monkeypatch):
    before = a_plan().hash
    assert a_plan(table="table1").hash == before
    assert a_plan(epochs=2).hash != before
    slower = replace(recipe_for("mlp", "digits"), learning_rate=0.5)
    monkeypatch.setattr(training, "recipe_for", lambda *_: slower)
    assert a_plan().hash != before
    assert a_plan().as_dict()["recipes"]["mlp"]["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"models": ()}, "models: empty"),
        ({"seeds": ()}, "seeds: empty"),
        ({"models": ("mlp", "mlp")}, "mlp is listed twice"),
        ({"seeds": (0, 0)}, "listed twice"),
        ({"bits": (8, 8)}, "listed twice"),
        ({"s": (2,), "capacity": (0.1, 0.1)}, "listed twice"),
        ({"s": (4,)}, "s and capacity belong together"),
        ({"baseline": False}, "no method"),
        ({"s": (4,), "capacity": (2.0,)}, "capacity 2.0, wanted above 0"),
        ({"bits": (1,)}, "1 bits?, wanted 2 to 32"),
        ({"preset": "papers"}, "preset: Input should be 'paper', 'reference' or 'quick'"),
        ({"metrics": ("bmd",)}, "unknown metric 'bmd'"),
        ({"table": "table3"}, "table: Input should be 'table1' or 'table2'"),
        ({"sed": 3}, r"sed: unknown key.*seeds"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(choices, message):
    with pytest.raises(InputError, match=message) as error:
        a_spec(**choices)
    assert_one_sentence(error.value)


def test_the_studies_that_ship_can_be_read():
    studies = {path.stem: read_study(path) for path in STUDIES.glob("momos_*.toml") if "figure2" not in path.stem}
    pairs = {f"momos_{name}{on}" for name in ("table1", "figure3", "figure4") for on in ("", "_digits")}
    assert set(studies) == pairs | {"momos_every_digits"}
    assert {method.every for method in studies["momos_every_digits"].spec.methods()} == {"epoch"}
    assert studies["momos_table1"].spec.methods() == table_plan("table1", dataset="cifar10").spec.methods()
    assert studies["momos_table1_digits"].hash == table_plan("table1").hash
    assert {name for name, plan in studies.items() if plan.spec.table} == {"momos_table1", "momos_table1_digits"}


def test_every_epoch_has_a_point_and_every_number_of_its_weights(directory):
    runs, curves, found = (rows(directory, table) for table in ("runs", "curves", "measurements"))
    assert curves.groupby(c.MODEL)[c.EPOCH].agg(list).tolist() == [[0.0, 1.0]] * 3
    weights = found.loc[found[c.NULL].isna()]
    assert weights.groupby([c.MODEL, c.STEP])[c.METRIC].agg(set).tolist() == [{"bdm", "gzip", "qubd"}] * 6
    planes = weights.loc[weights[c.METRIC] == "qubd", c.PLANE]
    assert sorted(planes.dropna().unique()) == list(range(8)) and planes.isna().sum() == 6
    assert weights[c.SCORED].notna().all() and set(weights[c.STATUS]) == {"ok"}
    both = curves.merge(runs, on=c.MODEL, suffixes=("", "_run"))
    assert set(both[c.STEP]) == set(found[c.STEP])
    assert runs[c.GROUP].is_unique and set(runs[c.REFERENCE]) == {0}


def test_steps_are_those_of_the_optimizer(directory):
    """Where motifs are projected after every step, the projections of an epoch count its steps."""
    curves = rows(directory, "curves").dropna(subset=c.DISTORTION)
    assert curves[c.STEP].tolist() == curves[c.PROJECTIONS].tolist() == [10]


def test_columns_of_runs_are_filled(directory):
    runs = rows(directory, "runs").set_index(c.METHOD_KIND)
    assert runs.loc["momos", c.PROJECTIONS] == 10
    assert runs.loc["momos", c.RAC] > 10
    assert runs.loc["qat", c.RAC] == 8
    assert set(runs[c.EXAMPLES]) == {1257} and set(runs[c.EPOCHS]) == {1}
    assert not (directory / NETWORKS).exists() or not list((directory / NETWORKS).iterdir())


class Killed(BaseException):
    """As a signal would end the process, after the epoch is safe."""


def killed_after(epoch):
    def on_epoch(record):
        if record.epoch == epoch:
            raise Killed

    return on_epoch


@pytest.mark.parametrize("after", [0, 1])
def test_a_killed_run_goes_on_with_the_rows_of_its_earlier_epochs(tmp_path, after):
    plan = a_plan(baseline=False, bits=(), epochs=2)
    with pytest.raises(Killed):
        run_study(plan, tmp_path / "killed", jobs=1, options=replace(CPU, on_epoch=killed_after(after)))
    seen = []
    options = replace(CPU, on_epoch=lambda record: seen.append(record.epoch))
    assert run_study(plan, tmp_path / "killed", jobs=1, options=options).ok == 1
    assert seen == list(range(after + 1, 3))
    run_study(plan, tmp_path / "whole", jobs=1, options=CPU)
    for table in ("runs", "curves", "measurements"):
        pd.testing.assert_frame_equal(rows(tmp_path / "killed", table), rows(tmp_path / "whole", table))


def test_weights_that_are_asked_for_are_kept(tmp_path):
    plan = a_plan(s=(), capacity=(), bits=(), metrics=())
    run_study(plan, tmp_path, jobs=1, options=replace(CPU, keep_weights=True))
    names = {path.name for path in (tmp_path / NETWORKS / "digits-mlp-baseline-0").iterdir()}
    assert {"initial.safetensors", "best.safetensors", "final.safetensors"} <= names
    assert rows(tmp_path, "measurements").empty
    with pytest.raises(PlanMismatchError, match="epochs: there 1, now 2"):
        run_study(a_plan(s=(), capacity=(), bits=(), metrics=(), epochs=2), tmp_path, jobs=1, options=CPU)


def test_one_run_is_a_study_whose_directory_holds_its_weights(tmp_path):
    recipe = replace(recipe_for("mlp", "digits"), epochs=1, batch_size=200)
    config = RunConfig(model="mlp", dataset="digits", method=Method(s=4, k=16), recipe=recipe, seed=3, device="cpu")
    plan, seen = run_plan(config, metrics=("bdm",)), []
    result = run_study(plan, tmp_path, jobs=1, options=replace(CPU, on_epoch=seen.append))
    assert (result.ok, [record.epoch for record in seen]) == (1, [0, 1])
    assert (tmp_path / "final.safetensors").exists()
    (run,) = read_table(tmp_path, "runs").to_dict("records")
    assert (run[c.MODEL], run[c.K], run[c.BATCH_SIZE]) == ("digits-mlp-momos-s4-k16-3", 16, 200)
    assert run_study(plan, tmp_path, jobs=1, options=CPU).done == 0
    with pytest.raises(PlanMismatchError, match="metrics"):
        run_study(run_plan(config, metrics=("gzip",)), tmp_path, jobs=1, options=CPU)


def test_threads_of_a_run_are_its_own(tmp_path, monkeypatch):
    import torch

    seen, before = [], torch.get_num_threads()

    def stop(*_, **__):
        seen.append(torch.get_num_threads())
        raise ValueError("seen")

    monkeypatch.setattr(training, "train_run", stop)
    spec = a_spec()
    (task,) = KIND.tasks(spec, CPU)
    with pytest.raises(ValueError, match="seen"):
        KIND.run(task.payload, TaskContext(directory=tmp_path, key=task.key, threads=before + 1))
    assert (seen, torch.get_num_threads()) == ([before + 1], before)
    assert KIND.jobs(spec, CPU, 8) == 8
    assert KIND.jobs(spec, RunOptions(device="cuda:1"), 8) == 1


def test_what_cannot_be_trained_is_found_first(tmp_path):
    with pytest.raises(InputError, match="needs --data-dir"):
        run_study(a_plan(dataset="cifar10"), tmp_path / "out", options=CPU)
    with pytest.raises(InputError, match="--jobs -1"):
        run_study(a_plan(), tmp_path / "out", jobs=-1, options=CPU)
    assert not (tmp_path / "out").exists()
