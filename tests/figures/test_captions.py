import math

import pytest

from complexity_lab.figures import FIGURES
from complexity_lab.figures.numbers import GLUE, near_hundred
from complexity_lab.statistics import SurveyTables
from tests.synthetic import Survey, make_survey, model_row, row, tables


def captions(survey):
    found = survey.tables
    return {
        name: figure.caption(figure.prepare(found)).replace(GLUE, " ")
        for name, figure in FIGURES.items()
        if figure.applies(found) is None
    }


MORE = {"planes": 3, "tensors": 2, "nulls": ("shuffle", "gaussian", "permutation"), "accuracy": True}


@pytest.mark.parametrize(
    "shape",
    [
        *({}, {"n_models": 1}, {"initial_seeds": 1, "trained_seeds": 1}, {"n_models": 60, "trained_seeds": 1}),
        *(
            MORE | {"n_models": 5},
            MORE | {"n_models": 1},
            MORE | {"n_models": 3} | {"initial_seeds": 1, "trained_seeds": 1},
        ),
        MORE | {"n_models": 20, "trained_seeds": 1, "nulls": ("shuffle",)},
    ],
)
def test_captions_are_sentences_without_holes(shape):
    found = captions(make_survey(**shape))
    assert set(found) == set(FIGURES) or "planes" not in shape
    for caption in found.values():
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


def test_three_parts_and_those_that_are_merged():
    parts = {"iid_mean": 190.0, "shuffle_mean": 170.0}
    rows = [row(name, state, 0, "bdm", 200.0 if state == "initial" else 150.0) for name in "ab" for state in STATES]
    rows += [row("a", "trained", 0, f"bdm_{part}", value) for part, value in parts.items()]
    rows += [row("b", "trained", 0, "bdm_iid_mean", 190.0)]
    both = captions(Survey(*tables([model_row("a"), model_row("b")], rows), {}))["decomposition"]
    assert "split in three" in both
    assert "Of 1 model a null model was not stored" in both
    alone = captions(Survey(*tables([model_row("a")], rows[:4] + rows[4:6]), {}))["decomposition"]
    assert "Sign bias makes up 20 % of the drop; value distribution makes up 40 %" in alone
    assert "not stored" not in alone


STATES = ("initial", "trained")


def test_planes_in_numbers():
    survey = make_survey(n_models=30, zoo="timm", trained_seeds=1, planes=3, tensors=2, metrics=("bdm",))
    ratios = survey.tables.ratios.set_index("metric")["ratio"]
    found = captions(survey)["ranked_planes"]
    assert f"{(ratios.loc['qubd'] < 1).sum()} of 30 models" in found
    assert near_hundred(100 * ratios.loc["qubd_plane2"].median()).replace(GLUE, " ") in found
    assert near_hundred(100 * ratios.loc["qubd_plane0"].median()).replace(GLUE, " ") in found


def test_the_caption_of_accuracy_has_both_correlations():
    survey = make_survey(n_models=45, zoo="timm", trained_seeds=1, metrics=("bdm",), tensors=1, accuracy=True)
    found = captions(survey)["accuracy"]
    assert "Spearman ρ =" in found
    assert "held fixed ρ =" in found
    assert "the file of accuracies (40)" in found
    few = captions(make_survey(n_models=4, accuracy=True, tensors=1))["accuracy"]
    assert "undefined (of 4 models" in few
