import math
import statistics

import numpy as np
import pytest

from complexity_lab.statistics import planes as statistics_of_planes
from complexity_lab.statistics.layers import compare_tensors, layers
from complexity_lab.statistics.ratios import compare
from tests.synthetic import make_survey, model_row, null_row, row, tables


def planes(model, state, seed, values, **changes):
    """Rows of two planes and their sum, which sees no blocks of its own."""
    changes = {"ones": None, "blocks": None, "distinct_blocks": None} | changes
    whole = row(model, state, seed, "qubd", sum(values), **(changes | {"distinct_blocks": None}))
    single = enumerate(values)
    return [whole, *(row(model, state, seed, "qubd", value, plane=plane, **changes) for plane, value in single)]


def tensor(name, state, seed, values, **changes):
    about = {"scope": "tensor", "tensor": name, "kind": "matrix", "shape": "16x64", "blocks": 64}
    return planes("m", state, seed, values, **(about | changes))


def plane_ratios(models, measurements):
    return statistics_of_planes.plane_ratios(models, measurements, compare(models, measurements))


def tensor_profiles(models, measurements):
    return statistics_of_planes.tensor_profiles(compare_tensors(models, measurements))


def of_plane(table, plane):
    return table.loc[table["plane"].isna() if plane is None else table["plane"] == plane]


def percent(table, reference, plane=1):
    found = of_plane(table.loc[table["reference"] == reference], plane)
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture
def paired():
    rows = [r for s, v in enumerate([(50.0, 100.0), (52.0, 110.0)]) for r in planes("m", "initial", s, v)]
    trained = [planes("m", "trained", s, v) for s, v in enumerate([(50.0, 60.0), (52.0, 55.0)])]
    rows += [each for seed in trained for each in seed]
    rows += [*null_row(trained[0][2], "shuffle", 80.0, 2.0), *null_row(trained[1][2], "shuffle", 50.0, 1.0)]
    return tables([model_row("m")], rows)


def test_profiles_are_means_over_seeds(paired):
    table = statistics_of_planes.plane_profiles(*paired)
    assert table.groupby("state")["plane"].apply(lambda plane: plane.fillna(-1).tolist()).to_dict() == {
        state: [-1, 0, 1] for state in ("initial", "trained")
    }
    found = of_plane(table.loc[table["state"] == "initial"], 1).iloc[0]
    assert (found["n"], found["mean"]) == (2, 105)
    assert found["sd"] == pytest.approx(statistics.stdev([100, 110]))


def test_the_three_references_by_hand(paired):
    table = plane_ratios(*paired)
    assert percent(table, "initial").percent == pytest.approx(100 * 57.5 / 105)
    own = percent(table, "own")
    assert own.percent == pytest.approx((60 + 50) / 2)
    assert own["sd"] == pytest.approx(statistics.stdev([60, 50]))
    shuffled = percent(table, "shuffled")
    assert shuffled.percent == pytest.approx((75 + 110) / 2)
    assert shuffled.noise == pytest.approx((2.5 + 2) / 2)
    assert table.loc[table["reference"] == "shuffled", "plane"].tolist() == [1]


def test_one_set_of_trained_weights_has_no_own_initial_weights():
    rows = planes("m", "initial", 0, (50.0, 100.0)) + planes("m", "trained", None, (50.0, 60.0))
    rows += null_row(rows[3], "shuffle", 220.0)
    table = plane_ratios(*tables([model_row("m")], rows))
    assert set(table["reference"]) == {"initial", "shuffled"}
    assert percent(table, "shuffled", None).percent == pytest.approx(50)
    assert math.isnan(percent(table, "shuffled", None).noise)


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


def test_tensors_have_profiles_and_shuffles():
    rows = [r for s in range(2) for r in tensor("a", "initial", s, (10.0 + s, 20.0), distinct_blocks=50)]
    rows += tensor("a", "trained", 0, (10.0, 15.0), distinct_blocks=50)
    rows += null_row(rows[-1], "shuffle", 30.0)
    rows += tensor("b", "initial", 0, (10.0, 22.0), distinct_blocks=1)
    rows += tensor("b", "trained", 0, (10.0, 22.0), distinct_blocks=64)
    table = tensor_profiles(*tables([model_row("m")], rows))
    a, b = (table.loc[table["tensor"] == name] for name in "ab")
    found = of_plane(a, 1).iloc[0]
    assert (found["percent"], found["shuffled_percent"]) == (75, 50)
    assert (found["kind"], found["shape"], found["depth"]) == ("matrix", "16x64", 0)
    assert of_plane(b, 0)["depth"].tolist() == [1]
    assert b["percent"].isna().all()  # starts constant: its sum too, which counts no blocks itself
    assert of_plane(a, None)["percent"].tolist() == [pytest.approx(100 * 25 / 30.5)]


def test_layers_of_the_sum_know_what_starts_constant():
    rows = tensor("head", "initial", 0, (29.0, 29.0), distinct_blocks=1)
    rows += tensor("head", "trained", 0, (900.0, 900.0), distinct_blocks=60)
    found = layers(compare_tensors(*tables([model_row("m")], rows)))
    assert len(found) == 1  # planes are no layers
    assert found["constant"].all()
    assert found["ratio"].isna().all()


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
    for table in (survey.plane_profiles, survey.plane_ratios, survey.tensor_profiles):
        assert len(table) == 0
        assert "plane" in table.columns


def test_synthetic_surveys_keep_their_numbers_when_planes_are_added():
    plain = make_survey(n_models=2)
    more = make_survey(n_models=2, planes=4, nulls=("shuffle", "gaussian"), accuracy=True)
    first, second = (survey.ratios.sort_values(["metric", "model"]) for survey in (plain, more))
    np.testing.assert_array_equal(first["ratio"], second.loc[second["metric"] != "qubd", "ratio"])
    assert (second["metric"] == "qubd").sum() == 2 * 5
