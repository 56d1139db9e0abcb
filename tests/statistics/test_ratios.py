import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from complexity_lab.errors import InputError
from complexity_lab.estimators.estimator import REGISTRY, CountEstimator
from complexity_lab.statistics.nulls import null_table, null_values
from complexity_lab.statistics.ratios import RATIO_COLUMNS, compare
from complexity_lab.statistics.rows import model_rows
from complexity_lab.statistics.significance import NO_RATIO, NO_SPREAD, ONE_SEED, SAME_CHANGE, q_values
from tests.synthetic import make_survey, model_row, null_row, row, tables


def one_model(initial, trained, metric="bdm", models=None, **changes):
    """Compare one model whose seeds have the given values; several trained values are seeds, one is a single set."""
    rows = [row("m", "initial", seed, metric, value, **changes) for seed, value in enumerate(initial)]
    seeds = range(len(trained)) if len(trained) > 1 else [None] * len(trained)
    rows += [row("m", "trained", seed, metric, value, **changes) for seed, value in zip(seeds, trained, strict=True)]
    table = compare(*tables(models or [model_row("m")], rows))
    assert list(table.columns[: len(RATIO_COLUMNS)]) == list(RATIO_COLUMNS)
    return table


def only(table):
    assert len(table) == 1
    return table.iloc[0]


def test_one_set_of_trained_weights_by_hand():
    found = only(one_model([98.0, 100.0, 102.0], [90.0]))
    assert (found.n_initial, found.n_trained) == (3, 1)
    assert found.initial_mean == 100
    assert found.initial_sd == pytest.approx(2)
    assert math.isnan(found.trained_sd)
    assert found.ratio == pytest.approx(0.9)
    assert found.effect == pytest.approx(0.1)
    assert found.z == pytest.approx(-5)
    assert found.ratio_sd == pytest.approx(0.9 * 0.02)
    assert found.spread == "initial"
    # Student's t with two degrees of freedom has a closed form.
    t = 5 / math.sqrt(1 + 1 / 3)
    assert found.p_value == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert found.test == "new observation"
    assert found.undefined == ""


def test_several_trained_seeds_take_welchs_test():
    initial, trained = [98.0, 100.0, 102.0, 101.0], [90.0, 95.0, 88.0]
    found = only(one_model(initial, trained))
    assert found.p_value == pytest.approx(stats.ttest_ind(trained, initial, equal_var=False).pvalue)
    assert found.test == "Welch"
    assert found.ratio == pytest.approx(statistics.mean(trained) / statistics.mean(initial))
    relative = (
        statistics.stdev(initial) / statistics.mean(initial),
        statistics.stdev(trained) / statistics.mean(trained),
    )
    assert found.ratio_sd == pytest.approx(found.ratio * math.hypot(*relative))
    assert found.spread == "both"


def naive_pairs(initial, trained):
    """Return R sqrt(vi + vt - 2 c) written out."""
    mean_i, mean_t = statistics.mean(initial), statistics.mean(trained)
    covariance = statistics.covariance(initial, trained) / mean_i / mean_t
    relative = statistics.variance(initial) / mean_i**2 + statistics.variance(trained) / mean_t**2
    return mean_t / mean_i * math.sqrt(max(relative - 2 * covariance, 0.0))


def test_equal_seeds_in_both_states_are_pairs():
    initial, trained = [98.0, 100.0, 105.0, 101.0], [90.0, 93.0, 96.0, 92.5]
    found = only(one_model(initial, trained))
    assert found.test == "paired"
    assert found.p_value == pytest.approx(stats.ttest_rel(trained, initial).pvalue)
    assert found.p_value < 0.1 * stats.ttest_ind(trained, initial, equal_var=False).pvalue
    assert found.spread == "pairs"
    assert found.ratio_sd == pytest.approx(naive_pairs(initial, trained))
    per_seed = [b / a for a, b in zip(initial, trained, strict=True)]
    assert found.ratio_sd == pytest.approx(statistics.stdev(per_seed), rel=0.05)


def test_pairs_go_by_seed_whatever_the_order_of_work():
    initial, trained = [98.0, 100.0, 105.0], [90.0, 93.0, 96.0]
    rows = [row("m", "initial", seed, "bdm", value) for seed, value in enumerate(initial)]
    rows += [row("m", "trained", seed, "bdm", value) for seed, value in reversed(list(enumerate(trained)))]
    found = only(compare(*tables([model_row("m")], rows[::-1])))
    assert found.p_value == pytest.approx(stats.ttest_rel(trained, initial).pvalue)


@pytest.mark.parametrize(
    ("initial_seeds", "trained_seeds"),
    [((0, 1, 2), (0, 1, 3)), ((0, 1, 2), (0, 1)), ((0, 1), (0, 1, 2)), ((0, 1, 2), (None, None)), ((0, 0), (0, 0))],
)
def test_other_sets_of_seeds_are_independent(initial_seeds, trained_seeds):
    rows = [row("m", "initial", seed, "bdm", 98.0 + 2.5 * k * k) for k, seed in enumerate(initial_seeds)]
    rows += [row("m", "trained", seed, "bdm", 90.0 + 2 * k) for k, seed in enumerate(trained_seeds)]
    found = only(compare(*tables([model_row("m")], rows)))
    assert (found.test, found.spread) == ("Welch", "both")


def test_models_are_paired_one_by_one():
    rows = [row(name, "initial", seed, "bdm", 98.0 + seed**2) for name in "ab" for seed in range(3)]
    rows += [row("a", "trained", seed, "bdm", 90.0 + seed) for seed in range(3)]
    rows += [row("b", "trained", None, "bdm", 90.0)]
    found = compare(*tables([model_row("a"), model_row("b")], rows))
    assert found["test"].tolist() == ["paired", "new observation"]
    assert found["spread"].tolist() == ["pairs", "initial"]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(1.0, 1e6), st.floats(1.0, 1e6)), min_size=2, max_size=6))
def test_pairs_equal_scipy_and_the_formula(pairs):
    initial, trained = [a for a, _ in pairs], [b for _, b in pairs]
    found = only(one_model(initial, trained))
    largest = max(*initial, *trained)
    expected = naive_pairs(initial, trained)
    assert found.ratio_sd == pytest.approx(expected, rel=1e-6, abs=1e-6 * found.ratio)
    if found.undefined == "" and np.std(np.subtract(trained, initial), ddof=1) > 1e-9 * largest:
        assert found.p_value == pytest.approx(stats.ttest_rel(trained, initial).pvalue, rel=1e-5)


@pytest.mark.parametrize(
    ("initial", "trained", "why"),
    [
        ([100.0], [90.0], ONE_SEED),
        ([100.0], [90.0, 91.0], ONE_SEED),
        ([100.0, 100.0, 100.0], [90.0], NO_SPREAD),
        ([0.1, 0.1, 0.1], [0.1], NO_SPREAD),  # the mean of three 0.1 is not 0.1 in floating point
        ([100.0, 100.0], [90.0, 90.0], NO_SPREAD),
        ([100.0, 101.0, 103.0], [90.0, 91.0, 93.0], SAME_CHANGE),
        ([0.1, 0.2, 0.4], [0.3, 0.4, 0.6], SAME_CHANGE),  # to the last bit 0.2 in none of the three
        ([0.0, 0.0], [0.1], NO_RATIO),
        ([-1.0, -2.0], [0.1], NO_RATIO),
    ],
)
def test_undefined_tests_say_why(initial, trained, why):
    found = only(one_model(initial, trained))
    assert math.isnan(found.p_value)
    assert math.isnan(found.q_value)
    assert found.test == ""
    assert found.undefined == why


def test_seeds_that_agree_have_no_spread_and_no_z():
    found = only(one_model([0.1, 0.1, 0.1], [0.05]))
    assert found.initial_sd == 0
    assert math.isnan(found.z)
    assert found.ratio_sd == 0


def test_a_single_seed_on_each_side_leaves_the_spread_unknown():
    found = only(one_model([100.0], [90.0]))
    assert math.isnan(found.ratio_sd)
    assert found.spread == "none"
    assert found.ratio == pytest.approx(0.9)


def test_spread_of_trained_seeds_alone():
    found = only(one_model([100.0], [90.0, 92.0]))
    assert found.spread == "trained"
    assert found.ratio_sd == pytest.approx(0.91 * math.sqrt(2) / 91)


def test_an_initial_mean_of_zero_has_no_ratio():
    assert math.isnan(only(one_model([0.0, 0.0], [0.1], metric="bdm_normalized")).ratio)


def test_compressors_compare_bytes_so_that_less_is_simpler():
    rows = [
        row("m", "initial", 0, "gzip", 2.0, unit="raw/compressed", raw_bytes=1000, compressed_bytes=500),
        row("m", "initial", 1, "gzip", 2.0, unit="raw/compressed", raw_bytes=1000, compressed_bytes=500),
        row("m", "trained", None, "gzip", 4.0, unit="raw/compressed", raw_bytes=1000, compressed_bytes=250),
    ]
    found = only(compare(*tables([model_row("m")], rows)))
    assert (found.initial_mean, found.trained_mean, found.ratio) == (500, 250, 0.5)
    assert found.unit == "bytes"


def test_null_models_become_columns():
    rows = [row("m", "initial", seed, "bdm", 200.0) for seed in range(2)]
    rows += [row("m", "trained", seed, "bdm", 150.0) for seed in range(2)]
    for seed, mean in enumerate([170.0, 180.0]):
        trained = row("m", "trained", seed, "bdm", 150.0)
        rows += [null_row(trained, "iid", mean, 2.0)[0], null_row(trained, "iid", mean, 2.0)[1]]
        rows += [*null_row(trained, "share_45", 190.0), *null_row(trained, "fair", 200.0)]
    rows += [null_row(row("m", "initial", seed, "bdm", 200.0), "iid", 198.0 + seed)[0] for seed in range(2)]
    both = tables([model_row("m")], rows)
    found = only(compare(*both))
    assert (found.iid_mean, found.iid_sd, found.iid_mean_initial, found.fair_mean) == (175, 2, 198.5, 200)
    assert found.iid_ratio == pytest.approx(0.875)
    assert found.ratio_p45 == pytest.approx(0.95)
    assert null_values(compare(*both), "shuffle", "mean").isna().all()
    stored = null_table(model_rows(*both)).set_index(["state", "null"])
    assert stored.loc[("trained", "iid"), ["mean", "sd"]].tolist() == [175, 2]
    assert math.isnan(stored.loc[("trained", "fair"), "sd"])


def test_a_null_model_that_nobody_has_heard_of_gets_its_columns():
    trained = row("m", "trained", 0, "bdm", 150.0)
    rows = [row("m", "initial", 0, "bdm", 200.0), trained, *null_row(trained, "level_shuffle", 170.0, 3.0)]
    found = only(compare(*tables([model_row("m")], rows)))
    assert (found.level_shuffle_mean, found.level_shuffle_sd) == (170, 3)


def test_the_null_of_one_metric_or_plane_is_not_that_of_the_other():
    numbers = [("bdm", None), ("bdm_2d", None), ("qubd", None), ("qubd", 3)]
    rows = [row("m", state, 0, m, 100.0, plane=p) for state in ("initial", "trained") for m, p in numbers]
    rows += null_row(row("m", "trained", 0, "qubd", 100.0, plane=3), "shuffle", 90.0)
    found = compare(*tables([model_row("m")], rows))
    assert found["shuffle_mean"].tolist() == pytest.approx([math.nan, math.nan, math.nan, 90], nan_ok=True)


@pytest.mark.parametrize(
    ("metric", "blocks", "saturation", "saturated"),
    [
        ("bdm", 40960, 10.0, True),
        ("bdm", 4096 * 8, 8.0, False),
        ("bdm_2d", 65536 * 10, 10.0, False),
        ("bdm_2d", 65536 * 12, 12.0, True),
    ],
)
def test_saturation_counts_against_the_possible_blocks(metric, blocks, saturation, saturated):
    counted = {"blocks": blocks, "scored": blocks * (16 if metric == "bdm_2d" else 12), "distinct_blocks": 1024}
    found = only(one_model([100.0, 101.0], [90.0], metric=metric, **counted))
    assert found.saturation == saturation
    assert bool(found.saturated) is saturated
    assert found.distinct_fraction == 1024 / (65536 if metric == "bdm_2d" else 4096)


COUNTED = [item for item in REGISTRY.values() if isinstance(item, CountEstimator)]


@pytest.mark.parametrize("item", COUNTED, ids=lambda item: item.name)
def test_every_estimator_of_counts_has_the_cells_of_its_blocks(item):
    cells = 2 ** math.prod(item.shape)
    full = {"blocks": 30 * cells, "distinct_blocks": cells, "scored": 30 * cells * math.prod(item.shape)}
    found = only(one_model([100.0, 101.0], [90.0], metric=item.name, **full))
    assert (found.distinct_fraction, found.saturation) == (1.0, 30.0)


def test_ones_fractions_are_means_over_seeds():
    rows = [row("m", "initial", s, "bdm", 100.0 + s, scored=100, ones=ones) for s, ones in enumerate([50, 40])]
    rows.append(row("m", "trained", None, "bdm", 90.0, scored=100, ones=30))
    found = only(compare(*tables([model_row("m")], rows)))
    assert found.ones_fraction_initial == pytest.approx(0.45)
    assert found.ones_fraction_trained == pytest.approx(0.3)


def test_what_does_not_count():
    rows = [row("m", "initial", s, "bdm", 100.0 + s) for s in range(2)] + [row("m", "trained", None, "bdm", 90.0)]
    noise = [
        row("m", "initial", 2, "bdm", None, status="failed", reason="not finite"),
        row("m", "step-10", 0, "bdm", 5.0),
        row("m", "initial", 0, "bdm", 7.0, scope="tensor", tensor="a", kind="matrix"),
        row("broken", "initial", 0, "bdm", 1.0),
        row("broken", "trained", None, "bdm", 1.0),
        row("untrained", "initial", 0, "bdm", 1.0),
        row("m", "initial", 0, "gzip", 1.0, raw_bytes=10, compressed_bytes=10),
    ]
    models = [model_row("m"), model_row("broken", status="failed", error="x"), model_row("untrained")]
    pd.testing.assert_frame_equal(compare(*tables(models, rows + noise)), compare(*tables(models[:1], rows)))


def test_an_ok_row_without_a_number_is_refused_by_name():
    with pytest.raises(InputError, match="bdm of m, initial"):
        compare(*tables([model_row("m")], [row("m", "initial", 0, "bdm", None)]))


@pytest.mark.parametrize("shape", [{"n_models": 0}, {"n_models": 2, "failed": 2}, {"n_models": 2, "trained_seeds": 0}])
def test_nothing_to_compare_is_an_empty_table_with_all_columns(shape):
    survey = make_survey(**shape)
    table = compare(survey.models, survey.measurements)
    assert len(table) == 0
    assert list(table.columns[: len(RATIO_COLUMNS)]) == list(RATIO_COLUMNS)


def test_rows_come_in_the_order_of_the_models_whatever_the_order_of_work():
    survey = make_survey(n_models=5)
    shuffled = survey.measurements.groupby("metric", sort=False).sample(frac=1, random_state=1)
    expected = compare(survey.models, survey.measurements)
    found = compare(survey.models, shuffled)
    assert found["model"].tolist() == expected["model"].tolist()
    np.testing.assert_allclose(found["ratio"], expected["ratio"], rtol=1e-14)


def test_metrics_come_as_they_appear_and_sums_before_their_planes():
    names = [("lzma", None), ("qubd", 1), ("qubd", 0), ("qubd", None), ("bdm", None)]
    rows = [row("m", state, 0, name, 5.0, plane=plane) for name, plane in names for state in ("initial", "trained")]
    found = compare(*tables([model_row("m")], rows))[["metric", "plane"]].astype(object).fillna("sum")
    assert found.to_numpy().tolist() == [["lzma", "sum"], ["qubd", "sum"], ["qubd", 0], ["qubd", 1], ["bdm", "sum"]]


def naive_benjamini_hochberg(p_values):
    order = sorted(range(len(p_values)), key=lambda i: -p_values[i])
    adjusted, smallest = [0.0] * len(p_values), 1.0
    for place, i in enumerate(order):
        smallest = min(smallest, p_values[i] * len(p_values) / (len(p_values) - place))
        adjusted[i] = smallest
    return adjusted


@given(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1)), max_size=30))
def test_q_values_equal_the_textbook_procedure_over_the_defined_ones(p_values):
    found = q_values(np.array(p_values, dtype=float))
    defined = [p for p in p_values if not math.isnan(p)]
    np.testing.assert_allclose(found[~np.isnan(found)], naive_benjamini_hochberg(defined), rtol=1e-12, atol=0)
    assert np.isnan(found).tolist() == [math.isnan(p) for p in p_values]


def test_q_values_are_computed_within_each_metric_and_plane():
    table = make_survey(n_models=6, planes=2).ratios
    assert table["metric"].nunique() > 1
    for _, rows in table.groupby(["metric", "plane"], dropna=False):
        tested = rows.loc[rows["p_value"].notna()]  # compressed sizes are whole bytes and may change by equal amounts
        assert len(tested) >= 4
        np.testing.assert_allclose(tested["q_value"], naive_benjamini_hochberg(tested["p_value"].tolist()))


values = st.lists(st.floats(1.0, 1e6), min_size=2, max_size=6)


@settings(max_examples=15)
@given(values, values)
def test_means_spreads_and_ratio_equal_the_standard_library(initial, trained):
    found = only(one_model(initial, trained))
    assert found.initial_mean == pytest.approx(statistics.mean(initial), rel=1e-12)
    assert found.trained_sd == pytest.approx(statistics.stdev(trained), rel=1e-9, abs=1e-9 * max(trained))
    assert found.ratio == pytest.approx(statistics.mean(trained) / statistics.mean(initial), rel=1e-12)
    assert (found.ratio < 1) == (found.trained_mean < found.initial_mean)
