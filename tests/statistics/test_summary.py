import math

import numpy as np
import pytest

from complexity_lab.statistics.intervals import wilson
from complexity_lab.statistics.ratios import compare
from complexity_lab.statistics.summary import summarize, summarize_metrics
from tests.synthetic import make_survey, model_row, null_row, row, tables


def summary_of(survey, metric="bdm"):
    ratios = compare(survey.models, survey.measurements)
    return summarize(survey.models, ratios, rng=np.random.default_rng(0), metric=metric), ratios


def test_counts_by_hand():
    # e did not change at all, and f has p = 0.048, which six tests turn into q = 0.095.
    trained = {"a": 90.0, "b": 101.0, "c": 99.999, "d": 50.0, "e": 100.0, "f": 105.1}
    models = [model_row(name, parameters=10**k) for k, name in enumerate(trained, 4)]
    models += [model_row("x", status="failed", error="e"), model_row("y", status="skipped", error="e")]
    rows = [row(name, "initial", s, "bdm", 100.0 + (s - 1)) for name in trained for s in range(3)]
    rows += [row(name, "trained", None, "bdm", value) for name, value in trained.items()]
    for name, iid in {"a": 96.0, "b": 99.0, "d": 75.0}.items():
        rows += null_row(row(name, "trained", None, "bdm", trained[name]), "iid", iid)
    frame, measurements = tables(models, rows)
    found = summarize(frame, compare(frame, measurements), rng=np.random.default_rng(0))
    assert (found.n_models, found.n_ok, found.n_failed, found.n_skipped) == (8, 6, 1, 1)
    assert (found.n_compared, found.n_below) == (6, 3)
    assert found.n_above == 2
    assert found.below == wilson(3, 6)
    assert found.median_ratio.estimate == pytest.approx((0.99999 + 1) / 2)
    assert (found.lowest_ratio, found.highest_ratio) == (0.5, 1.051)
    assert (found.n_tested, found.n_significant, found.n_significant_below) == (6, 2, 2)
    assert (found.n_with_share, found.median_sign_bias_share) == (2, pytest.approx((0.4 + 0.5) / 2))
    assert (found.n_null, found.n_below_null) == (3, 2)
    assert found.n_saturated == 6
    assert (found.initial_seeds, found.trained_seeds) == ((3, 3), (1, 1))


@pytest.mark.parametrize("shape", [{"n_models": 0}, {"n_models": 3, "failed": 3}, {"n_models": 3, "trained_seeds": 0}])
def test_nothing_compared(shape):
    found, _ = summary_of(make_survey(**shape))
    assert found.n_models == shape["n_models"]
    assert (found.n_compared, found.n_below, found.n_tested, found.n_saturated) == (0, 0, 0, 0)
    assert found.initial_seeds == (0, 0)
    unknown = (found.below.estimate, found.median_ratio.estimate, found.lowest_ratio, found.wilcoxon_p)
    assert all(math.isnan(number) for number in (*unknown, found.correlation.p_value, found.median_sign_bias_share))


def test_one_model():
    found, ratios = summary_of(make_survey(n_models=1))
    assert found.n_compared == 1
    assert found.median_ratio.estimate == ratios.loc[ratios["metric"] == "bdm", "ratio"].item()
    assert math.isnan(found.median_ratio.low)
    assert math.isnan(found.correlation.rho.estimate)


def test_another_metric_without_a_null_model():
    found, _ = summary_of(make_survey(n_models=4), metric="gzip")
    assert found.n_compared == 4
    assert found.n_null == 0
    assert math.isnan(found.median_sign_bias_share)
    assert found.n_saturated == 0


def test_equal_tables_and_seeds_give_equal_summaries():
    assert repr(summary_of(make_survey(n_models=9))[0]) == repr(summary_of(make_survey(n_models=9))[0])


def test_every_metric_has_a_line():
    survey = make_survey(n_models=5, metrics=("bdm", "gzip", "gzip:float32"))
    ratios = compare(survey.models, survey.measurements)
    lines = summarize_metrics(ratios)
    assert [line.metric for line in lines] == ["bdm", "gzip", "gzip:float32"]
    for line in lines:
        chosen = ratios.loc[ratios["metric"] == line.metric]
        assert line.n_below == (chosen["ratio"] < 1).sum()
        assert line.n_significant == (chosen["q_value"] <= 0.05).sum()
        assert line.below == wilson(line.n_below, 5)


def test_planes_have_lines_of_their_own():
    survey = make_survey(n_models=7, planes=3, metrics=("bdm",), nulls=("shuffle", "gaussian"))
    lines = {(line.metric, line.plane): line for line in survey.metric_summaries}
    assert list(lines) == [("bdm", None), ("qubd", None), ("qubd", 0), ("qubd", 1), ("qubd", 2)]
    for (metric, plane), line in lines.items():
        of_metric = survey.ratios.loc[survey.ratios["metric"] == metric]
        chosen = of_metric.loc[of_metric["plane"].isna() if plane is None else of_metric["plane"] == plane]
        assert line.below == wilson(int((chosen["ratio"] < 1).sum()), 7)
        assert line.n_significant == (chosen["q_value"] <= 0.05).sum()
        assert 0 < line.wilcoxon_p <= 1


def test_a_line_does_not_depend_on_what_else_was_measured():
    one, many = (make_survey(n_models=5, metrics=metrics) for metrics in (("bdm",), ("bdm", "gzip")))
    for survey in (one, many):
        alone = summarize_metrics(survey.ratios.loc[survey.ratios["metric"] == "bdm"])
        assert repr(survey.metric_summaries[0]) == repr(alone[0])


def test_shares_of_three_parts():
    survey = make_survey(n_models=7, planes=3, nulls=("shuffle", "gaussian"))
    found, ratios = summary_of(survey)
    dropped = ratios.loc[(ratios["metric"] == "bdm") & (ratios["ratio"] < 1)]
    assert found.n_three_parts == found.n_with_share == len(dropped)
    expected = np.median(
        (dropped["shuffle_mean"] - dropped["trained_mean"]) / (dropped["initial_mean"] - dropped["trained_mean"])
    )
    assert found.median_arrangement_share == pytest.approx(expected)
    assert found.n_below_null == (ratios.loc[ratios["metric"] == "bdm"].eval("iid_mean > trained_mean")).sum()
    planes, _ = summary_of(survey, metric="qubd")
    assert planes.n_null == 0  # of independent bits
    assert planes.n_three_parts > 0
    plain, _ = summary_of(make_survey(n_models=7))
    assert plain.n_three_parts == 0
    assert math.isnan(plain.median_arrangement_share)
