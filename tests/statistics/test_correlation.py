import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from complexity_lab.statistics.correlation import spearman

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12)


@settings(max_examples=40)
@given(pairs)
def test_rho_equals_scipy_with_ties(points):
    x, y = np.array(points, dtype=float).T
    found = spearman(x, y, rng=np.random.default_rng(0), resamples=50)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found.rho.estimate)
        assert math.isnan(found.p_value)
    else:
        assert found.rho.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
        assert 0 < found.p_value <= 1
        # With few pairs most resamples repeat a few of them, and all may be constant.
        assert math.isnan(found.rho.low) or -1 - 1e-12 <= found.rho.low <= found.rho.high <= 1 + 1e-12


def test_p_value_approaches_the_enumeration_of_all_pairings():
    x, y = np.arange(6.0), np.array([0.0, 2.0, 1.0, 3.0, 5.0, 4.0])
    rho = stats.spearmanr(x, y).statistic
    every = [abs(stats.spearmanr(x, p).statistic) >= abs(rho) - 1e-12 for p in itertools.permutations(y)]
    found = spearman(x, y, rng=np.random.default_rng(3), resamples=20_000)
    assert found.p_value == pytest.approx(np.mean(every), abs=0.006)


def test_logarithms_change_nothing_and_seeds_decide():
    rng = np.random.default_rng(4)
    x = rng.lognormal(size=30)
    y = x + rng.lognormal(size=30)
    plain = spearman(x, y, rng=np.random.default_rng(0), resamples=500)
    assert spearman(np.log(x), y, rng=np.random.default_rng(0), resamples=500) == plain
    assert plain.rho.low <= plain.rho.estimate <= plain.rho.high


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_pairs_tell_nothing(n):
    found = spearman(np.arange(float(n)), np.arange(float(n)), rng=np.random.default_rng(0))
    assert math.isnan(found.p_value)
    assert found.n == n
