import math

import numpy as np
import pytest

from complexity_lab.controls.iid import iid_null
from complexity_lab.controls.resolution import resolution
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.statistics.ratios import compare
from complexity_lab.statistics.resolution import resolution_table
from tests.synthetic import make_survey, model_row, null_row, row, tables


def limits(after=(), before=()):
    """Resolve a change with the means and sds of null models of the trained and of the initial weights."""
    initial = [row("m", "initial", s, "bdm", 1000.0 + s) for s in (-1, 0, 1)]
    trained = row("m", "trained", None, "bdm", 900.0)
    rows = [*initial, trained]
    for state, nulls in ((trained, after), (initial[1], before)):
        rows += [each for null, numbers in dict(nulls).items() for each in null_row(state, null, *numbers)]
    return resolution_table(compare(*tables([model_row("m")], rows))).iloc[0]


def test_by_hand():
    nulls = {"fair": (1000.0,), "iid": (990.0, 99.0), "permutation": (900.0, 50.0)}
    found = limits(nulls, {"iid": (995.0, 2.0)})
    assert found.effect == pytest.approx(0.1)
    assert found.detectable == pytest.approx(3 * 2 / 1000)
    assert found.seeds == pytest.approx(3 * 0.9 / 1000)
    assert found.permutations == pytest.approx(0.15)
    assert (found["null"], found.limited_by) == ("independent bits", "permutations")
    assert found.limit == found.permutations
    assert not found.resolved


@pytest.mark.parametrize(
    ("after", "before", "name", "detectable"),
    [
        ({"shuffle": (950.0, 9.0)}, {"shuffle": (990.0, 4.0)}, "shuffled initial weights", 0.012),
        ({"shuffle": (950.0, 9.0)}, {}, "shuffled trained weights", 0.027),
        ({}, {}, "", math.nan),
    ],
)
def test_the_null_that_there_is(after, before, name, detectable):
    found = limits(after, before)
    assert found["null"] == name
    assert found.detectable == pytest.approx(detectable, nan_ok=True)
    assert found.limited_by == ("null" if name else "seeds")
    assert found.resolved


def test_nothing_known_resolves_nothing():
    rows = [row("m", "initial", 0, "bdm", 1000.0), row("m", "trained", None, "bdm", 900.0)]
    found = resolution_table(compare(*tables([model_row("m")], rows))).iloc[0]
    assert math.isnan(found.limit)
    assert found.limited_by == ""
    assert not found.resolved


@pytest.mark.parametrize("weights", [20_000, 300_000, 5_000_000])
def test_the_stored_null_gives_the_limit_of_the_control(weights):
    """Rows hold the mean of fair bits and the sd at the initial share of ones, which differs a little from a half."""
    ctm = ctm_table((12,))
    null = iid_null(ctm, weights // 12, 0.4985)
    fair = iid_null(ctm, weights // 12, 0.5)
    rows = [row("m", "initial", 0, "bdm", fair.mean), row("m", "trained", None, "bdm", fair.mean)]
    rows += [*null_row(rows[0], "iid", null.mean, null.sd), *null_row(rows[1], "fair", fair.mean)]
    found = resolution_table(compare(*tables([model_row("m")], rows))).iloc[0]
    assert found.detectable == pytest.approx(1 - resolution(weights, z=3.0).ratio, rel=0.03)


def test_every_compared_metric_has_a_row():
    survey = make_survey(n_models=3, planes=2, nulls=("shuffle", "permutation"))
    table = survey.resolution
    assert len(table) == survey.ratios["ratio"].notna().sum()
    assert set(table.loc[table["metric"] == "qubd", "null"]) == {"shuffled initial weights"}
    np.testing.assert_array_equal(table["resolved"], table["effect"] > table["limit"])
    assert len(make_survey(n_models=0).resolution) == 0
