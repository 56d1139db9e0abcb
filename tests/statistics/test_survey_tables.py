import pandas as pd
import pytest

from complexity_lab.errors import InputError
from complexity_lab.statistics import SurveyTables, compare
from tests.synthetic import make_survey


def test_a_directory_reads_as_it_was_written(tmp_path):
    survey = make_survey(n_models=3, failed=1)
    found = SurveyTables.read(survey.write(tmp_path / "survey"))
    assert found.manifest == survey.manifest
    assert set(found.models["model"]) == set(survey.models["model"])
    by = ["metric", "model"]
    expected = compare(survey.models, survey.measurements).sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(found.ratios.sort_values(by, ignore_index=True), expected)
    assert found.ratios is found.ratios


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(InputError):
        SurveyTables.read(tmp_path)
