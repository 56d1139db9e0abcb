"""Partial rank correlations, families, and the list of what the ratio goes with."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from complexity_lab.statistics.associations import associations
from complexity_lab.statistics.correlation import FEWEST_FREE, group_effect, partial_spearman, spearman
from complexity_lab.statistics.significance import q_values
from tests.synthetic import make_survey


def rng():
    return np.random.default_rng(0)


def naive_partial(x, y, numbers, groups):
    """Ranks, one least-squares fit each, correlation of what is left."""
    ranks = [stats.rankdata(values) for values in (x, y, *numbers)]
    columns = [[1.0] * len(x), *ranks[2:], *([float(g == name) for g in groups] for name in sorted(set(groups)))]
    design = np.array(columns, dtype=float).T
    rest = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in ranks[:2]]
    return float(np.corrcoef(rest)[0, 1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(16, 30), st.integers(1, 3))
def test_partial_rho_equals_one_fit_after_another(seed, n, kinds):
    draw = np.random.default_rng(seed)
    x, y, z = draw.normal(size=n), draw.normal(size=n), draw.integers(0, 9, n).astype(float)
    groups = [f"g{k}" for k in draw.integers(0, kinds, n)]
    found = partial_spearman(x, y, numbers=(z,), groups=groups, rng=rng(), resamples=20)
    assert found.rho.estimate == pytest.approx(naive_partial(x, y, (z,), groups), abs=1e-9)


def test_one_covariate_equals_the_formula():
    draw = np.random.default_rng(5)
    z = draw.normal(size=40)
    x, y = z + draw.normal(size=40), z + draw.normal(size=40)
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    found = partial_spearman(x, y, numbers=(z,), rng=rng(), resamples=200)
    assert found.rho.estimate == pytest.approx((xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2)))
    assert found.rho.low < found.rho.estimate < found.rho.high


def test_without_covariates_it_is_spearman():
    draw = np.random.default_rng(6)
    x, y = draw.normal(size=20), draw.normal(size=20)
    assert partial_spearman(x, y, rng=rng(), resamples=50).rho.estimate == pytest.approx(
        spearman(x, y, rng=rng(), resamples=50).rho.estimate
    )


def test_a_correlation_made_by_a_covariate_vanishes_and_a_real_one_stays():
    draw = np.random.default_rng(7)
    z, own = draw.normal(size=60), draw.normal(size=60)
    x, y = 3 * z + draw.normal(size=60), 3 * z + draw.normal(size=60)
    made = partial_spearman(x, y, numbers=(z,), rng=rng(), resamples=300)
    assert stats.spearmanr(x, y).pvalue < 1e-6 < 0.05 < made.p_value
    real = partial_spearman(x + 2 * own, y + 2 * own, numbers=(z,), rng=rng(), resamples=300)
    assert real.p_value == pytest.approx(1 / 301)
    assert real.rho.low > 0


def test_p_values_of_nothing_are_even():
    draw = np.random.default_rng(8)
    found = []
    for _ in range(150):
        z, groups = draw.normal(size=24), [f"g{k}" for k in draw.integers(0, 3, 24)]
        x, y = z + draw.normal(size=24), z + draw.normal(size=24)
        found.append(partial_spearman(x, y, numbers=(z,), groups=groups, rng=draw, resamples=99).p_value)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_the_p_value_equals_permuted_residuals_fitted_anew():
    draw = np.random.default_rng(12)
    n, z = 24, draw.normal(size=24)
    groups = [f"g{k % 8}" for k in range(n)]
    x = draw.normal(size=n)
    y = 0.6 * x + draw.normal(size=n)
    ranks = [stats.rankdata(values) for values in (x, y, z)]
    design = np.column_stack([ranks[2], *([float(g == name) for g in groups] for name in sorted(set(groups)))])

    def rest(values):
        return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]

    left, right = rest(ranks[0]), rest(ranks[1])
    rho = abs(np.corrcoef(left, right)[0, 1])
    extreme = [abs(np.corrcoef(left, rest(draw.permutation(right)))[0, 1]) >= rho for _ in range(3000)]
    assert 0.02 < np.mean(extreme) < 0.5
    found = partial_spearman(x, y, numbers=(z,), groups=groups, rng=rng(), resamples=3000)
    assert found.p_value == pytest.approx(np.mean(extreme), abs=0.03)


@pytest.mark.parametrize(
    ("n", "groups", "words"),
    [
        (0, 1, "0 models, wanted 3"),
        (1, 1, "1 model, wanted 3"),
        (12, 4, f"leave 7 degrees of freedom, wanted {FEWEST_FREE}"),
    ],
)
def test_too_few_models_say_so(n, groups, words):
    draw = np.random.default_rng(9)
    x, y, z = draw.normal(size=(3, n))
    names = [f"g{k % groups}" for k in range(n)]
    found = partial_spearman(x, y, numbers=(z,), groups=names, rng=rng())
    assert math.isnan(found.rho.estimate)
    assert math.isnan(found.p_value)
    assert words in found.reason
    assert found.n == n


def test_what_is_constant_or_explained_has_no_partial_correlation():
    x = np.arange(20.0)
    y = np.random.default_rng(0).normal(size=20)
    constant = partial_spearman(x, np.ones(20), numbers=(y,), rng=rng())
    explained = partial_spearman(x, y, numbers=(x**3,), rng=rng())
    assert "constant" in constant.reason
    assert "explain" in explained.reason
    assert math.isnan(constant.p_value)
    assert math.isnan(explained.p_value)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=6), min_size=2, max_size=4))
def test_h_equals_scipy_with_ties(samples):
    values = np.array([value for sample in samples for value in sample], dtype=float)
    groups = [f"g{k}" for k, sample in enumerate(samples) for _ in sample]
    found = group_effect(values, groups, rng=rng(), resamples=50)
    if len(set(values)) == 1:
        assert math.isnan(found.h)
        assert "equal" in found.reason
    else:
        assert found.h == pytest.approx(stats.kruskal(*samples).statistic)
        assert found.sizes == {f"g{k}": len(sample) for k, sample in enumerate(samples)}


def test_the_p_value_of_large_groups_is_that_of_chi_squared():
    draw = np.random.default_rng(3)
    values = draw.normal(size=90) + np.repeat([0.0, 0.3, 0.5], 30)
    groups = np.repeat(["a", "b", "c"], 30).tolist()
    found = group_effect(values, groups, rng=rng(), resamples=4000)
    assert found.p_value == pytest.approx(stats.kruskal(*np.split(values, 3)).pvalue, abs=0.015)
    assert found.eta2.low < found.eta2.estimate < found.eta2.high


def test_families_of_one_model_are_left_out_and_counted():
    found = group_effect(np.arange(7.0), ["a", "a", "a", "b", "b", "c", "d"], rng=rng(), resamples=50)
    assert found.sizes == {"a": 3, "b": 2}
    assert (found.n, found.left_out) == (5, 2)
    alone = group_effect(np.arange(3.0), ["a", "a", "b"], rng=rng())
    assert alone.reason == "1 groups of two or more models, wanted 2 or more"


def test_the_list_is_tested_together():
    survey = make_survey(
        n_models=40, zoo="timm", trained_seeds=1, planes=2, tensors=1, metrics=("bdm", "gzip"), accuracy=True
    )
    found = associations(survey.ratios, survey.accuracies, rng=rng())
    assert [each.metric for each in found] == ["bdm"] * 4 + ["qubd"] * 4
    assert [each.quantity for each in found[:4]] == [
        *("parameters", "accuracy", "accuracy given parameters and family", "family")
    ]
    np.testing.assert_allclose([each.q_value for each in found], q_values(np.array([each.p_value for each in found])))
    assert found[0].n == 40
    assert found[1].n == len(survey.published) < 40
    assert sum(size for _, size in found[3].sizes) == found[3].n
    assert repr(found) == repr(associations(survey.ratios, survey.accuracies, rng=rng()))


@pytest.mark.parametrize("shape", [{"n_models": 0}, {"n_models": 1}, {"n_models": 2, "trained_seeds": 0}])
def test_few_or_no_models_have_reasons(shape):
    survey = make_survey(**shape)
    found = associations(survey.ratios, survey.accuracies, rng=rng())
    assert all(math.isnan(each.p_value) and math.isnan(each.q_value) and each.reason for each in found)
    assert len(found) == (8 if shape == {"n_models": 1} else 0)


def test_unknown_accuracies_are_the_reason():
    survey = make_survey(n_models=5, zoo="timm", tensors=1, metrics=("bdm",))
    found = {each.quantity: each for each in associations(survey.ratios, survey.accuracies, rng=rng())}
    assert found["accuracy"].reason == "no accuracy is known"
    assert found["parameters"].reason == ""
