import json

import pandas as pd
import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.statistics.results import Results, open_results
from complexity_lab.tables.directory import read_table
from tests.synthetic import CLASSES, survey_study
from tests.synthetic_rounding import rounding_study
from tests.synthetic_study import network_study
from tests.synthetic_training import experiment_study
from tests.synthetic_trajectory import one_study

STUDIES = {
    "survey": lambda: survey_study(n_models=2, failed=1, planes=2, tensors=1),
    "series": one_study,
    "trajectory": lambda: network_study("grokking", seeds=1),
    "training": lambda: experiment_study(models=("mlp",), seeds=(0,)),
    "rounding": lambda: rounding_study(models=("mlp_12",), seeds=(0,)),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_a_directory_reads_as_it_was_written(kind, tmp_path):
    study = STUDIES[kind]()
    found, given = open_results(study.write(tmp_path / "study")), study.results
    assert type(found) is type(given) is CLASSES[kind]
    assert (found.kind, found.title, found.question) == (kind, study.title, study.question)
    assert found.plan == study.plan
    assert found.manifest.runs[0].versions["torch"] == "2.9.0"
    for name in ("models", "runs", "networks", "measurements", "curves", "roundings", "layers", "sensitivities"):
        written = found.table(name).drop(columns="study").reset_index(drop=True)
        built = given.table(name).drop(columns="study").reset_index(drop=True)
        pd.testing.assert_frame_equal(written, built)
    assert len(found.records) == len(found.ok) + len(found.failures)


def test_every_table_is_read_once_and_every_statistic_computed_once(tmp_path, monkeypatch):
    directory = survey_study(n_models=2, planes=2, nulls=("shuffle",), tensors=2).write(tmp_path / "survey")
    read: list[str] = []
    monkeypatch.setattr(
        "complexity_lab.statistics.results.read_table",
        lambda path, table: read.append(table) or read_table(path, table),
    )
    found = open_results(directory)
    for name in ("ratios", "plane_ratios", "tensors", "layers", "initial", "resolution", "decomposition", "summaries"):
        assert getattr(found, name) is getattr(found, name)
    assert sorted(read) == ["measurements", "models"]


def test_a_kind_without_a_class_of_its_own_has_manifest_and_tables(tmp_path):
    directory = survey_study(n_models=2).write(tmp_path / "study")
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest | {"kind": "pruning"}))
    found = open_results(directory)
    assert type(found) is Results
    assert len(found.records) == 2
    assert found.curves.empty
    with pytest.raises(UnknownNameError, match="no table is called 'weights'"):
        found.table("weights")


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json"):
        open_results(tmp_path)
