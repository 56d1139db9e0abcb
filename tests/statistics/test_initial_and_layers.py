import math

import pytest

from complexity_lab.statistics.initial import initial_weights
from complexity_lab.statistics.layers import compare_tensors, layers, skipped_tensors
from tests.synthetic import make_survey, model_row, null_row, row, tables


def compare_layers(models, measurements):
    return layers(compare_tensors(models, measurements))


def test_initial_weights_by_hand():
    rows = [row("m", "initial", s, "bdm", value) for s, value in enumerate([98.0, 100.0])]
    rows += [each for initial in rows for each in null_row(initial, "fair", 110.0)]
    trained = row("m", "trained", None, "bdm", 1.0)
    rows += [trained, *null_row(trained, "fair", 1.0)]
    table = initial_weights(*tables([model_row("m")], rows))
    found = table.iloc[0]
    assert len(table) == 1
    assert (found.n, found["mean"], found.fair_mean) == (2, 99, 110)
    assert found.relative_sd == pytest.approx(math.sqrt(2) / 99)
    assert found.gap == pytest.approx(0.1)
    assert found.saturation == 40


def test_initial_weights_need_no_trained_ones():
    survey = make_survey(n_models=4, trained_seeds=0)
    table = initial_weights(survey.models, survey.measurements)
    assert set(table["model"]) == set(survey.models["model"])
    assert table.loc[table["metric"] == "gzip", "fair_mean"].isna().all()


def tensor(name, state, seed, value, kind="matrix", **changes):
    return row("m", state, seed, "bdm", value, scope="tensor", tensor=name, kind=kind, shape="8x12", **changes)


def test_layers_keep_model_order_and_leave_constants_out():
    names = ["z.weight", "a.weight", "k.weight"]
    rows = [tensor(name, "initial", s, 100.0 + s) for s in range(2) for name in names]
    rows += [tensor(name, "trained", None, value) for name, value in zip(names, [50.25, 100.5, 201.0], strict=True)]
    rows += [tensor("b", state, 0, 30.0, kind="bias") for state in ("initial", "trained")]
    rows += [tensor("only.initial", "initial", 0, 30.0)]
    table = compare_layers(*tables([model_row("m")], rows))
    assert table["tensor"].tolist() == names
    assert table["ratio"].tolist() == pytest.approx([0.5, 1.0, 2.0])
    assert table["depth"].tolist() == [0, 0.5, 1]


def test_the_spread_of_a_layer_is_that_of_its_seeds():
    rows = [tensor("w", "initial", s, value) for s, value in enumerate([98.0, 100.0, 102.0])]
    rows += [tensor("w", "trained", s, value) for s, value in enumerate([88.0, 92.0])]
    found = compare_layers(*tables([model_row("m")], rows)).iloc[0]
    assert found.ratio == pytest.approx(0.9)
    assert found.ratio_sd == pytest.approx(0.9 * math.hypot(2 / 100, math.sqrt(8) / 90))
    one_trained = compare_layers(*tables([model_row("m")], rows[:4])).iloc[0]
    assert one_trained.ratio_sd == pytest.approx(0.88 * 2 / 100)
    one_each = compare_layers(*tables([model_row("m")], [rows[0], rows[3]])).iloc[0]
    assert math.isnan(one_each.ratio_sd)


def test_the_spread_of_a_layer_with_the_same_seeds_is_that_of_pairs():
    rows = [tensor("w", "initial", s, value) for s, value in enumerate([98.0, 100.0, 102.0])]
    rows += [tensor("w", "trained", s, value) for s, value in enumerate([88.2, 90.0, 91.8])]  # 0.9 of each
    found = compare_layers(*tables([model_row("m")], rows)).iloc[0]
    assert found.ratio == pytest.approx(0.9)
    assert found.ratio_sd == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("blocks", "distinct", "constant"), [(10, 1, True), (10, 2, False), (1, 1, False)])
def test_tensors_that_start_constant_have_no_ratio(blocks, distinct, constant):
    rows = [tensor("head", "initial", 0, 29.0, blocks=blocks, distinct_blocks=distinct)]
    rows += [tensor("head", "trained", 0, 3000.0, blocks=blocks, distinct_blocks=blocks)]
    found = compare_layers(*tables([model_row("m")], rows)).iloc[0]
    assert bool(found.constant) is constant
    assert math.isnan(found.ratio) is constant


def test_a_single_layer_lies_at_depth_zero():
    rows = [tensor("w", "initial", 0, 10.0), tensor("w", "trained", 0, 9.0)]
    assert compare_layers(*tables([model_row("m")], rows))["depth"].tolist() == [0]


def test_layers_of_nothing():
    survey = make_survey(n_models=1, failed=1)
    assert len(compare_layers(survey.models, survey.measurements)) == 0


def test_skipped_tensors_count_once_whatever_the_number_of_seeds():
    skip = {"status": "skipped", "reason": "fewer than 12 values"}
    rows = [tensor("b1", "initial", s, None, kind="bias", **skip) for s in range(3)]
    rows += [
        tensor("b1", "trained", None, None, kind="bias", **skip),
        tensor("b2", "trained", None, None, "bias", **skip),
    ]
    rows += [tensor("n", "trained", None, None, "norm", status="failed"), tensor("w", "trained", None, 9.0)]
    table = skipped_tensors(tables([model_row("m")], rows)[1])
    assert table.to_dict("records") == [
        {"reason": "fewer than 12 values", "kind": "bias", "tensors": 2, "models": 1, "example": "b1"},
        {"reason": "no reason given", "kind": "norm", "tensors": 1, "models": 1, "example": "n"},
    ]


def test_reasons_that_differ_in_numbers_are_one():
    reasons = ["8 weights, not one block of 12", "10 weights, not one block of 12", "1 axis", "1 axis, n/a"]
    rows = [
        tensor(f"b{index}", "trained", None, None, kind="bias", status="skipped", reason=reason)
        for index, reason in enumerate(reasons)
    ]
    table = skipped_tensors(tables([model_row("m")], rows)[1])
    assert dict(zip(table["reason"], table["tensors"], strict=True)) == {
        "n weights, not one block of 12": 2,
        "1 axis": 1,
        "1 axis, n/a": 1,
    }


def test_no_skipped_tensors():
    assert len(skipped_tensors(make_survey(n_models=1, failed=1).measurements)) == 0
