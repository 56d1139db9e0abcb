import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.statistics.intervals import median_interval, signed_rank_p, wilson

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


def naive_wilson(successes, trials):
    share = successes / trials
    centre = (share + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    half = Z / (1 + Z**2 / trials) * math.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    return centre - half, centre + half


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_its_formula(case):
    successes, trials = case
    found = wilson(successes, trials)
    assert found.estimate == successes / trials
    assert (found.low, found.high) == pytest.approx(naive_wilson(successes, trials), abs=1e-12)


def test_no_trials_tell_nothing():
    found = wilson(0, 0)
    assert all(math.isnan(x) for x in (found.estimate, found.low, found.high))


def naive_signed_rank(logs):
    """Enumerate every assignment of signs: the exact two-sided p-value for distinct sizes."""
    ranks = np.argsort(np.argsort(np.abs(logs))) + 1
    observed = min(ranks[logs > 0].sum(), ranks[logs < 0].sum())
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product([0, 1], repeat=len(logs))
    ]
    return min(1.0, 2 * sum(s <= observed for s in sums) / 2 ** len(logs))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8, unique=True), st.data())
def test_signed_rank_equals_enumeration(sizes, data):
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    logs = np.array(sizes) * np.array(signs) * 1e-7
    assert signed_rank_p(np.exp(logs)) == pytest.approx(naive_signed_rank(logs))


def test_signed_rank_leaves_out_ratios_of_one():
    assert signed_rank_p(np.array([0.9, 1.0, 0.8, 1.0])) == signed_rank_p(np.array([0.9, 0.8])) == 0.5
    assert math.isnan(signed_rank_p(np.array([1.0, 1.0])))
    assert math.isnan(signed_rank_p(np.array([])))


def test_signed_rank_takes_ties():
    assert 0 < signed_rank_p(np.array([0.9, 0.9, 0.9, 1.2])) <= 1


def test_median_interval_of_few():
    rng = np.random.default_rng(0)
    assert math.isnan(median_interval(np.array([]), rng=rng).estimate)
    one = median_interval(np.array([0.9]), rng=rng)
    assert one.estimate == 0.9
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    same = median_interval(np.array([0.9, 0.9]), rng=rng)
    assert (same.low, same.high) == (0.9, 0.9)


def test_median_interval_covers_the_median_of_the_population():
    population = np.random.default_rng(1)
    hits = 0
    for trial in range(60):
        values = population.lognormal(0, 1, 40)
        found = median_interval(values, rng=np.random.default_rng(trial), resamples=400)
        assert found.low <= found.estimate <= found.high
        hits += found.low <= 1 <= found.high
    assert hits >= 51  # 85 % of 60; nominal 95 %


def test_equal_seeds_give_equal_intervals():
    values = np.random.default_rng(2).normal(1, 0.1, 20)
    first, again, other = (median_interval(values, rng=np.random.default_rng(s), resamples=99) for s in (5, 5, 6))
    assert first == again
    assert first != other
