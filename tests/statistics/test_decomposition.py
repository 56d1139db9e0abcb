import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complexity_lab.statistics.decomposition import (
    ARRANGEMENT_HOLDS_DISTRIBUTION,
    DISTRIBUTION_HOLDS_FIRST,
    THREE,
    decompose,
)
from complexity_lab.statistics.ratios import compare
from tests.synthetic import make_survey, model_row, null_row, row, tables

bits = st.floats(1.0, 1e7)


def three(metric, initial, trained, after=(), before=(), plane=None):
    """Split a drop with the means (and sds) of null models of the trained and of the initial weights."""
    first, last = (
        row("m", state, 0 if state == "initial" else None, metric, value, plane=plane)
        for state, value in (("initial", initial), ("trained", trained))
    )
    rows = [first, last]
    rows += [each for null, numbers in dict(after).items() for each in null_row(last, null, *numbers)]
    rows += [each for null, numbers in dict(before).items() for each in null_row(first, null, *numbers)]
    return decompose(compare(*tables([model_row("m")], rows))).iloc[0]


def split(initial, trained, iid, iid_sd=2.0):
    return three("bdm", initial, trained, {"iid": (iid, iid_sd)})


def test_by_hand():
    found = split(200.0, 150.0, 190.0)
    assert (found["drop"], found.sign_bias, found.arrangement) == (50, 10, 40)
    assert (found.sign_bias_share, found.arrangement_share) == (0.2, 0.8)
    assert (found.sign_bias_percent, found.arrangement_percent) == (5, 20)
    assert found.z_null == -20


def test_each_state_against_its_own_null():
    found = three("bdm", 195.0, 150.0, {"iid": (190.0,)}, {"iid": (200.0,)})
    assert (found.sign_bias, found.arrangement) == (5, 40)
    assert (found.null_shift, found.gained_arrangement) == (10, 35)
    assert found.null_shift + found.gained_arrangement == found["drop"]


def test_shares_are_unknown_without_a_drop_and_leave_the_unit_interval_if_parts_oppose():
    assert math.isnan(split(200.0, 200.0, 190.0).sign_bias_share)
    assert math.isnan(split(200.0, 210.0, 190.0).sign_bias_share)
    opposed = split(200.0, 190.0, 180.0)
    assert (opposed.sign_bias_share, opposed.arrangement_share) == (2.0, -1.0)


def test_a_null_without_spread_gives_no_z():
    assert math.isnan(split(200.0, 150.0, 190.0, iid_sd=0.0).z_null)


@settings(max_examples=15)
@given(bits, bits, bits)
def test_the_parts_add_up_to_the_drop(initial, trained, iid):
    found = split(initial, trained, iid)
    assert found.sign_bias + found.arrangement == pytest.approx(
        initial - trained, abs=1e-9 * max(initial, trained, iid)
    )
    if initial > trained:
        # Shares of a tiny drop between large numbers carry its rounding error.
        slack = 1e-15 * max(initial, trained, iid) / (initial - trained)
        assert found.sign_bias_share + found.arrangement_share == pytest.approx(1, abs=1e-9 + 4 * slack)


def test_metrics_without_a_null_model_are_left_out():
    survey = make_survey(n_models=3)
    table = decompose(compare(survey.models, survey.measurements))
    assert set(table["metric"]) == {"bdm", "bdm_2d"}
    assert len(table) == 6


NULLS = {"iid": (190.0, 2.0), "shuffle": (170.0, 4.0), "gaussian": (180.0,)}


def test_three_parts_of_sign_bits_by_hand():
    found = three("bdm", 200.0, 150.0, NULLS)
    assert (found.sign_bias, found.distribution, found.arrangement) == (10, 20, 20)
    assert math.isnan(found.location_scale)
    assert found.parts == THREE
    assert (found.sign_bias_share, found.distribution_share, found.arrangement_share) == (0.2, 0.4, 0.4)
    assert (found.sign_bias_percent, found.distribution_percent, found.arrangement_percent) == (5, 10, 10)
    assert found.below_null == 40
    assert (found.z_null, found.z_shuffle) == (-20, -5)


@pytest.mark.parametrize("plane", [None, 3])
def test_three_parts_of_bit_planes_start_from_normal_values(plane):
    found = three("qubd", 200.0, 150.0, NULLS, plane=plane)
    assert (found.location_scale, found.distribution, found.arrangement) == (20, 10, 20)
    assert math.isnan(found.sign_bias)
    assert found.below_null == 30


@pytest.mark.parametrize(
    ("missing", "parts", "expected"),
    [
        ("shuffle", ARRANGEMENT_HOLDS_DISTRIBUTION, (10, None, 40)),
        ("iid", DISTRIBUTION_HOLDS_FIRST, (None, 30, 20)),
    ],
)
def test_a_missing_null_merges_its_neighbours(missing, parts, expected):
    found = three("bdm", 200.0, 150.0, {name: value for name, value in NULLS.items() if name != missing})
    assert found.parts == parts
    values = (found.sign_bias, found.distribution, found.arrangement)
    assert tuple(None if math.isnan(value) else value for value in values) == expected


def test_each_state_against_its_own_nulls_in_three():
    found = three("bdm", 200.0, 150.0, NULLS, {"iid": (210.0,), "shuffle": (204.0,)})
    assert (found.null_shift, found.gained) == (20, 30)
    assert (found.gained_distribution, found.gained_arrangement) == (14, 16)
    assert found.null_shift + found.gained_distribution + found.gained_arrangement == found["drop"]
    assert found.gained_distribution + found.gained_arrangement == found.gained
    without = three("bdm", 200.0, 150.0, NULLS, {"iid": (210.0,)})
    assert math.isnan(without.gained_distribution)
    assert without.gained_arrangement == without.gained == 30


COMPARED = compare(*tables([model_row("m")], [row("m", state, 0, "bdm", 1.0) for state in ("initial", "trained")]))


@given(bits, bits, bits, bits, st.sampled_from(["bdm", "qubd"]))
def test_three_parts_add_up_to_the_drop(initial, trained, first, shuffle, metric):
    means = {"initial_mean": initial, "trained_mean": trained, "shuffle_mean": shuffle}
    table = COMPARED.assign(metric=metric, iid_mean=first, gaussian_mean=first, **means)
    found = decompose(table).iloc[0]
    start = found.sign_bias if metric == "bdm" else found.location_scale
    largest = max(initial, trained, first, shuffle)
    assert start + found.distribution + found.arrangement == pytest.approx(initial - trained, abs=1e-9 * largest)


def test_empty():
    survey = make_survey(n_models=2, trained_seeds=0)
    table = decompose(compare(survey.models, survey.measurements))
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 0
