"""``figures`` and ``report`` on an experiment that trains: finished, interrupted, empty; and the rows of ``train``."""

import json

import pytest
from typer.testing import CliRunner

from complexity_lab.cli.app import app
from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.experiments.plan import table_plan
from complexity_lab.figures.training import TRAINING_FIGURES
from complexity_lab.statistics.training import TrainingTables
from tests import synthetic_training
from tests.synthetic_training import write_experiment


def run(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def experiment(directory, plan=None, command="complexity-lab reproduce table1", **choices):
    write_experiment(directory, **choices)
    manifest = json.loads((directory / "manifest.json").read_text())
    chosen = {"plan": (plan or table_plan("table1")).as_dict(), "command": command}
    (directory / "manifest.json").write_text(json.dumps(manifest | chosen))
    return directory


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Table 1 of which only the first seed of the smallest network was trained."""
    return experiment(tmp_path_factory.mktemp("interrupted") / "table1", models=("mlp",), seeds=(0,))


def test_figures_of_an_experiment_are_drawn_as_far_as_it_went(interrupted, tmp_path):
    shown = run("figures", interrupted, "--out", tmp_path / "figures").stdout
    for name in TRAINING_FIGURES:
        assert f"{tmp_path / 'figures' / name}.pdf" in shown
        assert (tmp_path / "figures" / f"{name}.csv").read_text().count("mlp")
    only = run("figures", interrupted, "--name", "capacity", "--out", tmp_path / "one").stdout
    assert "capacity.png" in only
    assert "trade_off" not in only


def test_the_report_of_an_experiment_is_its_table_as_far_as_it_went(interrupted):
    shown = run("report", interrupted).stdout.splitlines()
    assert shown[0] == "12 runs ok, 0 failed, 96 not finished"
    assert shown[1:] == [str(interrupted / f"table1.{suffix}") for suffix in ("md", "tex", "html", "csv")]
    assert (interrupted / "table1.md").read_text().count("| MoMos, ") == 8
    with pytest.raises(InputError, match="is for surveys"):
        run("report", interrupted, "--out", interrupted / "page.html")


def test_the_table_is_the_one_that_has_the_models(tmp_path, monkeypatch):
    monkeypatch.setitem(synthetic_training.MODELS, "mobilevit_xxs", 954_234)
    run("report", experiment(tmp_path / "two", table_plan("table2"), models=("mobilevit_xxs",), seeds=(0,)))
    assert (tmp_path / "two" / "table2.html").exists()


def test_a_study_keeps_its_title_and_its_figures(tmp_path):
    study = tmp_path / "my study.toml"
    study.write_text(
        'title = "Does it shrink?"\nquestion = "Does it?"\nfigures = ["distortion"]\n[training]\nmodels = ["mlp"]\n'
    )
    command = f"complexity-lab study run '{study}' --out x"
    directory = experiment(tmp_path / "study", command=command, models=("mlp",), seeds=(0,))
    run("report", directory)
    page = (directory / "table.html").read_text()
    assert "Does it shrink?" in page
    assert page.count("data:image/svg+xml") == 1


def test_no_figure_is_an_error_and_leaves_nothing(tmp_path):
    empty = experiment(tmp_path / "empty", models=())
    with pytest.raises(InputError, match=r"no figure can be drawn of .*capacity: fewer than two.*; finish it first"):
        run("figures", empty)
    with pytest.raises(InputError, match=r"no run of .* has ended well yet"):
        run("report", empty)
    assert [path.name for path in empty.iterdir()] == ["manifest.json"]


def test_no_figure_of_a_survey_is_an_error_too(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"plan": {"zoo": "digits"}, "plan_hash": "0"}))
    with pytest.raises(InputError, match=r"no figure can be drawn of .*no model has"):
        run("figures", tmp_path)
    assert not (tmp_path / "figures").exists()


def test_train_writes_its_rows_once_and_keeps_its_metrics(tmp_path):
    command = ("train", "--model", "mlp", "--s", 8, "--epochs", 1, "--device", "cpu", "--out", tmp_path)
    assert f"{tmp_path}/runs" in run(*command).stdout
    (tmp_path / "manifest.json").write_text("{}")  # what else the reader of experiments looks for
    tables = TrainingTables.read(tmp_path)
    assert tables.runs[["model", "preset", "status", "s"]].to_numpy().tolist() == [["mlp", "paper", "ok", 8]]
    assert tables.epochs["epoch"].tolist() == [0, 1]
    assert tables.epochs["bdm"].notna().all()
    (part,) = (tmp_path / "runs").iterdir()
    before = part.stat().st_mtime_ns
    run(*command)
    assert part.stat().st_mtime_ns == before
    with pytest.raises(PlanMismatchError, match="a run that watches bdm, and now gzip is to be watched; ask for"):
        run(*command, "--metrics", "gzip")
