import math
import statistics

import numpy as np
import pytest

from complexity_lab.statistics import compare, compare_layers, plane_profiles, plane_ratios, tensor_profiles
from complexity_lab.statistics.rows import is_null_metric, plane_of, possible_blocks
from tests.synthetic import make_survey, model_row, row, tables

PLANES = ("qubd", "qubd_plane0", "qubd_plane1")


def planes(model, state, seed, values, **changes):
    """Rows of two planes and their sum, which sees no blocks of its own."""
    changes = {"ones": None, "blocks": None, "distinct_blocks": None} | changes
    whole = row(model, state, seed, "qubd", sum(values), **(changes | {"distinct_blocks": None}))
    single = zip(PLANES[1:], values, strict=True)
    return [whole, *(row(model, state, seed, name, value, **changes) for name, value in single)]


def tensor(name, state, seed, values, **changes):
    place = {"scope": "tensor", "tensor": name, "kind": "matrix", "shape": "16x64", "blocks": 64}
    return planes("m", state, seed, values, **(place | changes))


def percent(table, reference, metric="qubd_plane1"):
    found = table.loc[(table["reference"] == reference) & (table["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture
def paired():
    rows = [r for s, v in enumerate([(50.0, 100.0), (52.0, 110.0)]) for r in planes("m", "initial", s, v)]
    rows += [r for s, v in enumerate([(50.0, 60.0), (52.0, 55.0)]) for r in planes("m", "trained", s, v)]
    for s, (mean, sd) in enumerate([(80.0, 2.0), (50.0, 1.0)]):
        rows += [row("m", "trained", s, f"qubd_plane1_shuffle_{part}", v) for part, v in (("mean", mean), ("sd", sd))]
    return tables([model_row("m")], rows)


def test_profiles_are_means_over_seeds(paired):
    table = plane_profiles(*paired).set_index(["state", "metric"])
    assert set(table.index.get_level_values("metric")) == set(PLANES)
    found = table.loc[("initial", "qubd_plane1")]
    assert (found["plane"], found["n"], found["mean"]) == (1, 2, 105)
    assert found["sd"] == pytest.approx(statistics.stdev([100, 110]))
    assert math.isnan(table.loc[("trained", "qubd"), "plane"])


def test_the_three_references_by_hand(paired):
    table = plane_ratios(*paired)
    assert percent(table, "initial").percent == pytest.approx(100 * 57.5 / 105)
    own = percent(table, "own")
    assert own.percent == pytest.approx((60 + 50) / 2)
    assert own["sd"] == pytest.approx(statistics.stdev([60, 50]))
    shuffled = percent(table, "shuffled")
    assert shuffled.percent == pytest.approx((75 + 110) / 2)
    assert shuffled.noise == pytest.approx((2.5 + 2) / 2)
    assert set(table.loc[table["reference"] == "shuffled", "metric"]) == {"qubd_plane1"}


def test_one_set_of_trained_weights_has_no_own_initial_weights():
    rows = planes("m", "initial", 0, (50.0, 100.0)) + planes("m", "trained", None, (50.0, 60.0))
    rows += [row("m", "trained", None, "qubd_shuffle_mean", 220.0)]
    table = plane_ratios(*tables([model_row("m")], rows))
    assert set(table["reference"]) == {"initial", "shuffled"}
    assert percent(table, "shuffled", "qubd").percent == pytest.approx(50)
    assert math.isnan(percent(table, "shuffled", "qubd").noise)


@pytest.mark.parametrize("seeds", [((0, 1), (0,)), ((0,), (1,)), ((0, 0), (0, 0))])
def test_own_initial_weights_need_a_partner_for_every_seed(seeds):
    rows = [r for s in seeds[0] for r in planes("m", "initial", s, (50.0, 100.0))]
    rows += [r for s in seeds[1] for r in planes("m", "trained", s, (50.0, 60.0))]
    assert "own" not in set(plane_ratios(*tables([model_row("m")], rows))["reference"])


def test_a_single_pair_has_a_percentage_without_spread():
    rows = planes("m", "initial", 3, (50.0, 100.0)) + planes("m", "trained", 3, (50.0, 60.0))
    found = percent(plane_ratios(*tables([model_row("m")], rows)), "own")
    assert (found.percent, found.n) == (60, 1)
    assert math.isnan(found["sd"])


def test_ratios_take_planes_as_metrics_and_nulls_as_columns(paired):
    ratios = compare(*paired)
    assert ratios["metric"].tolist() == list(PLANES)
    plane = ratios.set_index("metric").loc["qubd_plane1"]
    assert (plane["shuffle_mean"], plane["shuffle_sd"]) == (65, 1.5)
    assert math.isnan(plane["iid_mean"])
    assert plane["test"] == "paired"


def test_tensors_have_profiles_and_shuffles():
    rows = [r for s in range(2) for r in tensor("a", "initial", s, (10.0 + s, 20.0), distinct_blocks=50)]
    rows += tensor("a", "trained", 0, (10.0, 15.0), distinct_blocks=50)
    rows += tensor("b", "initial", 0, (10.0, 22.0), distinct_blocks=1)
    rows += tensor("b", "trained", 0, (10.0, 22.0), distinct_blocks=64)
    place = {"scope": "tensor", "tensor": "a", "kind": "matrix", "shape": "16x64"}
    rows += [row("m", "trained", 0, "qubd_plane1_shuffle_mean", 30.0, **place)]
    table = tensor_profiles(*tables([model_row("m")], rows)).set_index(["tensor", "metric"])
    found = table.loc[("a", "qubd_plane1")]
    assert (found["percent"], found["shuffled_percent"], found["plane"]) == (75, 50, 1)
    assert (found["kind"], found["shape"], found["depth"]) == ("matrix", "16x64", 0)
    assert table.loc[("b", "qubd_plane0"), "depth"] == 1
    assert table.loc["b", "percent"].isna().all()  # starts constant: its sum too, which counts no blocks itself
    assert table.loc[("a", "qubd"), "percent"] == pytest.approx(100 * 25 / 30.5)


def test_layers_of_the_sum_know_what_starts_constant():
    rows = tensor("head", "initial", 0, (29.0, 29.0), distinct_blocks=1)
    rows += tensor("head", "trained", 0, (900.0, 900.0), distinct_blocks=60)
    found = compare_layers(*tables([model_row("m")], rows), metric="qubd").iloc[0]
    assert found.constant
    assert math.isnan(found.ratio)


SATURATED = 12 * 65536


@pytest.mark.parametrize(
    ("weights", "saturation", "saturated"), [((40, 60), 12, True), ((50, 50), 12, True), ((60, 40), 0.5, False)]
)
def test_a_model_is_as_saturated_as_the_tensor_of_its_median_weight(weights, saturation, saturated):
    rows = planes("m", "initial", 0, (50.0, 100.0)) + planes("m", "trained", None, (50.0, 60.0))
    for name, blocks, scored in zip("ab", (32768, SATURATED), weights, strict=True):
        rows += tensor(name, "trained", None, (5.0, 6.0), blocks=blocks, scored=scored)
    found = compare(*tables([model_row("m")], rows))
    assert found["saturation"].tolist() == [saturation] * 3
    assert found["saturated"].tolist() == [saturated] * 3


def test_without_tensor_rows_saturation_of_planes_is_unknown():
    rows = planes("m", "initial", 0, (50.0, 100.0)) + planes("m", "trained", None, (50.0, 60.0))
    found = compare(*tables([model_row("m")], rows))
    assert found["saturation"].isna().all()
    assert not found["saturated"].any()


def test_no_planes_is_an_empty_table_with_all_columns():
    survey = make_survey(n_models=2)
    for table in (f(survey.models, survey.measurements) for f in (plane_profiles, plane_ratios, tensor_profiles)):
        assert len(table) == 0
        assert "plane" in table.columns


@pytest.mark.parametrize("null", ["iid", "shuffle", "shuffle_channel", "shuffle_row", "gaussian", "permutation"])
def test_every_null_of_every_metric_is_no_metric(null):
    for metric in ("bdm", "bdm_2d", "qubd", "qubd_plane0", "qubd_plane15"):
        for part in ("mean", "sd"):
            assert is_null_metric(f"{metric}_{null}_{part}")
            assert plane_of(f"{metric}_{null}_{part}") is None
        assert not is_null_metric(metric)
    assert possible_blocks(f"qubd_plane15_{null}_mean") == 65536


def test_synthetic_surveys_keep_their_numbers_when_planes_are_added():
    plain = make_survey(n_models=2)
    more = make_survey(n_models=2, planes=4, nulls=("shuffle", "gaussian"), accuracy=True)
    first = compare(plain.models, plain.measurements).set_index(["metric", "model"])["ratio"]
    second = compare(more.models, more.measurements).set_index(["metric", "model"])["ratio"]
    np.testing.assert_array_equal(first, second.loc[first.index])
    assert len(second) == len(first) + 2 * 5
