import dataclasses

import numpy as np
import pytest

from complexity_lab.figures.numbers import GLUE
from complexity_lab.report import headline, qualifications
from complexity_lab.report.headline import initial_findings, missing_models
from complexity_lab.statistics import Interval, RankCorrelation, compare, initial_weights, summarize, wilson
from tests.synthetic import make_survey

NAN = float("nan")


def summary_of(**shape):
    survey = make_survey(**shape)
    return summarize(survey.models, compare(survey.models, survey.measurements), rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def many():
    return summary_of(n_models=12)


def plain(text):
    return text.replace(GLUE, " ")


def everything(summary):
    return plain(" ".join([headline(summary), *qualifications(summary), missing_models(summary)]))


def test_most_became_simpler(many):
    found = dataclasses.replace(
        many, n_compared=200, n_below=180, below=wilson(180, 200), median_ratio=Interval(0.9731, 0.97, 0.98)
    )
    assert plain(headline(found)) == (
        "Training lowered the BDM of 180 of 200 models (90 %; 95 % interval 85 to 93 %); the median ratio is 0.973 "
        "(0.970 to 0.980)."
    )


def test_few_became_simpler_is_said(many):
    found = dataclasses.replace(many, n_compared=200, n_below=20, below=wilson(20, 200), n_above=180)
    assert "of only 20 of 200 models" in plain(headline(found))
    assert "raised that of most" in headline(found)


def test_models_that_did_not_change_are_not_said_to_rise(many):
    none = dataclasses.replace(
        many, n_below=0, n_above=0, below=wilson(0, 12), median_ratio=Interval(1.0, 1.0, 1.0), n_significant=0
    )
    assert plain(headline(none)) == "Training left the BDM of all 12 models unchanged."
    assert "The change is" not in everything(none)
    some = dataclasses.replace(many, n_below=1, n_above=2, below=wilson(1, 12), median_ratio=Interval(1.0, 1.0, 1.0))
    assert "of only 1 of 12 models" in plain(headline(some))
    assert "raised that of 2 and left that of 9 unchanged" in headline(some)
    assert "The median model did not change" in everything(some)
    two = dataclasses.replace(many, n_compared=2, n_below=0, n_above=2, below=wilson(0, 2))
    assert "of none of 2 models" in plain(headline(two))
    assert "raised that of 2;" in headline(two)


def test_nothing_significant_is_part_of_the_headline(many):
    nothing = dataclasses.replace(many, n_tested=12, n_significant=0, n_significant_below=0)
    assert plain(headline(nothing)).endswith(
        "but no single model changed by significantly more than its own seeds vary."
    )
    text = everything(nothing)
    assert "Against their own seeds, none of 12 models changed significantly" in text
    assert "Few seeds can hide a change" in text
    assert "can be tiny" not in text
    untested = dataclasses.replace(nothing, n_tested=0)
    assert "no single model changed" not in headline(untested)
    single = everything(dataclasses.replace(nothing, n_tested=1))
    assert "The one model that can be tested against its own seeds did not change significantly" in single
    assert "no single model" not in headline(dataclasses.replace(nothing, n_significant=1))


def test_one_model_without_a_significant_change_is_not_told_that_such_changes_can_be_tiny(many):
    one = dataclasses.replace(many, n_compared=1, median_ratio=Interval(0.9, NAN, NAN), n_tested=1, n_significant=0)
    assert "can be tiny" not in everything(one)
    assert "can be tiny" in everything(dataclasses.replace(one, n_significant=1))
    assert "The model cannot be tested" in everything(dataclasses.replace(one, n_tested=0))


def test_an_open_question_stays_open(many):
    found = dataclasses.replace(many, n_compared=4, n_below=3, below=wilson(3, 4))
    assert "does not settle" in headline(found)


@pytest.mark.parametrize(("ratio", "words"), [(0.9, "lowered"), (1.1, "raised"), (1.0, "unchanged")])
@pytest.mark.parametrize(
    ("tested", "significant", "doubt"),
    [(0, 0, "unknown"), (1, 0, "does not exceed"), (1, 1, "more than its seeds vary")],
)
def test_one_model(many, ratio, words, tested, significant, doubt):
    found = dataclasses.replace(
        many, n_compared=1, median_ratio=Interval(ratio, NAN, NAN), n_tested=tested, n_significant=significant
    )
    assert words in headline(found)
    assert ratio == 1 or doubt in headline(found)


def test_nothing_to_say_about_training():
    assert headline(summary_of(n_models=0)) == "This survey holds no models."
    assert plain(headline(summary_of(n_models=3, failed=3))) == "None of the 3 models could be measured."
    found = summary_of(n_models=5, trained_seeds=0)
    assert plain(headline(found)).startswith("5 models were measured, but not both before and after training")
    assert qualifications(found) == []
    assert "1 model was measured" in plain(headline(summary_of(n_models=1, trained_seeds=0)))


def test_no_sentence_has_a_hole():
    for shape in (
        {},
        {"n_models": 1},
        {"n_models": 2},
        {"n_models": 3, "initial_seeds": 1, "trained_seeds": 1},
        {"n_models": 30, "zoo": "timm", "failed": 2},
        {"n_models": 4, "metrics": ("bdm",)},
    ):
        text = everything(summary_of(**shape))
        assert "nan" not in text
        assert "–" not in text
        assert " 1 models" not in text


def test_significance_names_both_directions_and_its_limit(many):
    found = dataclasses.replace(many, n_tested=10, n_significant=9, n_significant_below=7)
    assert "7 of 10 models became simpler and 2 more complex" in everything(found)
    assert "can be tiny" in everything(found)
    assert "No single model can be tested" in everything(dataclasses.replace(many, n_tested=0))


def test_a_rejected_null_is_not_claimed_when_it_is_not(many):
    assert "is rejected" in everything(dataclasses.replace(many, wilcoxon_p=0.01))
    assert "is not rejected" in everything(dataclasses.replace(many, wilcoxon_p=0.2))


def test_saturation_is_mentioned_only_if_there_is_any(many):
    assert "saturated" not in everything(dataclasses.replace(many, n_saturated=0))
    assert "3 of 12 models are saturated" in everything(dataclasses.replace(many, n_saturated=3))


def test_sign_bias_is_quoted(many):
    found = dataclasses.replace(many, median_sign_bias_share=0.371, n_with_share=11)
    assert "accounts for 37 % of the drop in the median of the 11 models" in everything(found)


def test_sign_bias_that_explains_nothing_is_said(many):
    found = dataclasses.replace(many, median_sign_bias_share=-0.037, n_with_share=9)
    assert "Sign bias explains none of the drop in the median of the 9 models" in everything(found)
    assert "−3.7 %" not in everything(found)
    assert "would be more complex than the initial weights" in everything(found)
    nil = everything(dataclasses.replace(found, median_sign_bias_share=0.0))
    assert "would be as complex as the initial weights" in nil


def test_sign_bias_beyond_the_drop_leaves_no_rest(many):
    text = everything(dataclasses.replace(many, median_sign_bias_share=1.5, n_with_share=9))
    assert "a larger drop than there is in the median of the 9 models that dropped (150 % of it)" in text
    assert "the rest is arrangement" not in text
    assert "the rest" not in everything(dataclasses.replace(many, median_sign_bias_share=1.0, n_with_share=1))


def test_the_null_is_compared_with_the_initial_weights_too(many):
    found = dataclasses.replace(
        many, n_null=14, n_below_null=14, below_null=wilson(14, 14), n_gained=9, n_gained_known=14
    )
    assert "9 of 14 are further below such bits than their initial weights were" in everything(found)


def test_correlation_has_a_direction_only_if_detected(many):
    rising = RankCorrelation(Interval(0.6, 0.3, 0.8), 0.001, 12)
    assert "closer to or above 1" in everything(dataclasses.replace(many, correlation=rising))
    raised = dataclasses.replace(many, correlation=rising, n_below=0, n_above=12)
    assert "ratios that are higher" in everything(raised)
    falling = RankCorrelation(Interval(-0.6, -0.8, -0.3), 0.001, 12)
    assert "that are lower" in everything(dataclasses.replace(many, correlation=falling))
    unclear = RankCorrelation(Interval(0.1, -0.3, 0.5), 0.6, 12)
    assert "No dependence" in everything(dataclasses.replace(many, correlation=unclear))


def test_what_is_missing():
    found = summary_of(n_models=5, failed=2)
    assert plain(missing_models(found)) == "Not in these numbers: 2 models failed."
    assert missing_models(summary_of(n_models=2)) == ""


def test_initial_weights_alone_have_findings():
    survey = make_survey(n_models=5, trained_seeds=0)
    table = initial_weights(survey.models, survey.measurements)
    found = initial_findings(table.loc[table["metric"] == "bdm"])
    assert len(found) == 2
    assert "5 models" in plain(found[0])
    assert initial_findings(table.loc[table["metric"] == "none"]) == []
    above = initial_findings(table.assign(gap=-0.01))
    assert "above that of as many fair bits" in plain(above[0])
    assert "lower it" not in above[0]
