import math

import pytest

from complexity_lab.figures import FIGURES
from complexity_lab.figures.numbers import GLUE
from complexity_lab.statistics import SurveyTables
from tests.synthetic import Survey, make_survey, model_row, row, tables


def captions(survey):
    found = SurveyTables(survey.models, survey.measurements)
    return {
        name: figure.caption(figure.prepare(found)).replace(GLUE, " ")
        for name, figure in FIGURES.items()
        if figure.applies(found) is None
    }


@pytest.mark.parametrize(
    "shape", [{}, {"n_models": 1}, {"initial_seeds": 1, "trained_seeds": 1}, {"n_models": 60, "trained_seeds": 1}]
)
def test_captions_are_sentences_without_holes(shape):
    for caption in captions(make_survey(**shape)).values():
        assert caption.endswith(".")
        assert "nan" not in caption
        assert "  " not in caption
        assert " 1 models" not in caption


def test_numbers_in_the_caption_of_the_ratio():
    values = {"a": 90.0, "b": 110.0, "c": 95.0, "d": 50.0}
    rows = [row(name, "initial", s, "bdm", 100.0 + s - 1) for name in values for s in range(3)]
    rows += [row(name, "trained", None, "bdm", value) for name, value in values.items()]
    figure = FIGURES["bdm_ratio"]
    table = figure.prepare(SurveyTables(*tables([model_row(name) for name in values], rows)))
    assert table["iid_ratio"].isna().all()
    caption = figure.caption(table).replace(GLUE, " ")
    assert "3 of 4 models (75 %; 95 % Wilson interval 30 to 95 %) lie below 1; the median is 0.925." in caption
    assert "dash" not in caption
    assert "dotted" not in caption


def test_one_seed_has_no_error_bars():
    survey = make_survey(n_models=3, initial_seeds=1, trained_seeds=1)
    found = captions(survey)
    assert "unknown" in found["bdm_ratio"]
    assert "unknown" in found["initial_spread"]
    assert "ticks" not in found["effect_size"]


def test_unchanged_sizes_are_not_counted_as_simpler():
    sizes = {"initial": 100, "trained": 100}
    rows = [row(m, state, 0, "gzip", 1.0, compressed_bytes=size) for m in "ab" for state, size in sizes.items()]
    rows[-1]["compressed_bytes"] = 90
    figure = FIGURES["compressor_ratios"]
    table = figure.prepare(SurveyTables(*tables([model_row("a"), model_row("b")], rows)))
    assert "gzip 1 of 2 (1 unchanged)" in figure.caption(table)


def test_changes_of_exactly_zero_are_mentioned_where_they_cannot_be_drawn():
    rows = [row(name, state, 0, "bdm", 100.0) for name in "ab" for state in ("initial", "trained")]
    rows[1]["value"] = 90.0
    figure = FIGURES["effect_size"]
    table = figure.prepare(SurveyTables(*tables([model_row("a"), model_row("b")], rows)))
    assert "1 model did not change" in figure.caption(table).replace(GLUE, " ")
    assert not math.isnan(table["effect_percent"].sum())


@pytest.mark.parametrize(
    ("null", "words"), [(210.0, "explains none of the drop."), (180.0, "makes up 40 % of the drop.")]
)
def test_a_negative_share_of_sign_bias_is_not_a_percentage(null, words):
    rows = [row("a", "initial", 0, "bdm", 200.0), row("a", "trained", None, "bdm", 150.0)]
    rows.append(row("a", "trained", None, "bdm_iid_mean", null))
    assert f"Sign bias {words}" in captions(Survey(*tables([model_row("a")], rows), {}))["decomposition"]
