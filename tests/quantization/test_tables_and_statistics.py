"""Rows on disk, and what is computed from them, on a study whose numbers are known."""

import numpy as np
import pandas as pd
import pytest

from complexity_lab.errors import InputError
from complexity_lab.statistics.quantization import (
    QuantizationTables,
    against,
    fewest_enough,
    layer_losses,
    layer_ranks,
    layers_that_break,
    margin_by_validation,
    means_over_seeds,
    model_profiles,
    needs,
    predictions,
    rank_predictions,
    share_that_break,
)
from complexity_lab.tables.quantization import (
    QUANTIZATION_TABLES,
    finished_networks,
    forget_networks,
    read_quantization,
    write_network,
)
from tests.quantization.synthetic import FLOAT, MODELS, NEED, SHOWN, write_study


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    directory = write_study(tmp_path_factory.mktemp("study") / "out", failed=("vit_d96x4-seed1",))
    return QuantizationTables.read(directory)


def test_tables_do_not_depend_on_the_order_of_work_and_leave_out_what_is_not_finished(tmp_path):
    one, other = write_study(tmp_path / "one"), write_study(tmp_path / "other", models=tuple(reversed(MODELS)))
    for table in QUANTIZATION_TABLES:
        pd.testing.assert_frame_equal(read_quantization(one, table), read_quantization(other, table))
    (next((one / "accuracies").glob("tinynet_e-seed1*"))).unlink()  # as if killed before the last part
    for table in QUANTIZATION_TABLES:
        assert "tinynet_e-seed1" not in set(read_quantization(one, table)["network"])


def test_failed_networks_are_known_and_can_be_forgotten(tmp_path):
    directory = write_study(tmp_path / "out", failed=("mlp_12-seed0",))
    assert finished_networks(directory)["mlp_12-seed0"] == "the loss is nan"
    assert finished_networks(directory)["mlp_12-seed1"] is None
    forget_networks(directory, ["mlp_12-seed0", "mlp_12-seed1"])
    assert not {"mlp_12-seed0", "mlp_12-seed1"} & set(finished_networks(directory))


def test_another_directory_and_a_damaged_part_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json"):
        QuantizationTables.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"plan": {"zoo": "digits"}}')
    with pytest.raises(InputError, match="no study of quantization"):
        QuantizationTables.read(tmp_path)
    directory = write_study(tmp_path / "out")
    next((directory / "layers").glob("mlp_12-seed0*")).write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged"):
        QuantizationTables.read(directory)


def test_every_column_says_what_it_is(tmp_path):
    for columns in QUANTIZATION_TABLES.values():
        assert len({name for name, _, _ in columns}) == len(columns)
        assert all(text for _, _, text in columns)
    write_network(tmp_path, "a", {"accuracies": [{"network": "a", "status": "ok"}]}, {"plan_hash": "x"})
    assert finished_networks(tmp_path) == {"a": None}


def test_needs_are_the_fewest_bits_from_which_on_nothing_is_lost(tables):
    found = needs(tables).groupby("model")["need"].agg(["min", "max"])
    for model, need in NEED.items():
        assert tuple(found.loc[model]) == (need, need)
    assert fewest_enough(np.array([1.0, 0.0])) == 1
    assert fewest_enough(np.array([0.0, 0.0, 1.1])) == 4


def test_means_are_over_seeds_that_ended_well(tables):
    table = means_over_seeds(tables)
    uniform = table.loc[(table["method"] == "uniform") & (table["bits"] == 2)].set_index("model")
    assert uniform["seeds"].to_dict() == {"mlp_12": 2, "resnet8_w6": 2, "tinynet_e": 2, "vit_d96x4": 1}
    assert uniform.loc["resnet8_w6", "test_lost"] == pytest.approx(30)
    assert uniform.loc["resnet8_w6", "test_accuracy"] == pytest.approx(100 * FLOAT - 30)


def test_the_margin_is_the_least_that_no_model_suffers_from(tables):
    # resnet8_w6 needs 5 bits and gets 1 + margin: none is enough, so the largest
    assert margin_by_validation(tables, "shuffle") == 2
    kept = QuantizationTables(
        *(frame.loc[frame["model"].isin(["mlp_12", "vit_d96x4"])] for frame in (tables.layers, tables.sensitivities)),
        tables.accuracies.loc[tables.accuracies["model"].isin(["mlp_12", "vit_d96x4"])],
        tables.plan,
    )
    assert margin_by_validation(kept, "shuffle") == 1
    assert kept.models == ["mlp_12", "vit_d96x4"]


def test_predictions_stand_beside_needs(tables):
    found = predictions(tables, 2)
    rows = found.loc[found["reference"] == "shuffle"].set_index("model")
    assert rows["suggested"].to_dict() == {model: max(1, shown) + 2 for model, shown in SHOWN.items()}
    assert rows["need"].to_dict() == NEED
    assert rows["told_percent"].unique().tolist() == [90.0]
    assert rows.loc["resnet8_w6", "lost"] == pytest.approx(20)
    (rank, other) = rank_predictions(found)
    assert (rank.reference, other.reference) == ("shuffle", "random")
    assert rank.plain.n == 4
    ranked = pd.Series([max(1, shown) for shown in SHOWN.values()]).corr(
        pd.Series(list(NEED.values())), method="spearman"
    )
    assert rank.plain.rho.estimate == pytest.approx(ranked)


def test_other_ways_of_spending_bits_are_compared_model_by_model(tables):
    lost, bits = against(tables, "shuffle", 0, "flat")
    assert bits.tolist() == [1.0, 0.0, 0.0, 0.0]  # in the order of the plan: only mlp_12 shows two planes
    assert lost == pytest.approx([-10.0, 0.0, 0.0, 0.0])
    assert against(tables, "shuffle", 1, "by_error")[1].tolist() == [-0.5] * 4


def test_layers_that_cannot_tell_are_left_out_and_ranks_are_within_networks(tables):
    losses = layer_losses(tables, "shuffle")
    assert set(losses["tensor"]) == {"0.weight", "1.weight", "2.weight", "3.weight"}
    assert set(losses["bits"]) == {1, 2, 3, 4}
    ranks = {(found.predictor, found.bits): found for found in layer_ranks(losses)}
    assert ranks["rounding error of the weights", 2].rho.estimate == pytest.approx(1)
    assert ranks["fewer weights", 2].rho.estimate == pytest.approx(-1)
    assert ranks["planes that cannot be dropped", 2].rho.estimate == pytest.approx(0.4472135955)
    assert np.isnan(ranks["rounding error of the weights", 4].rho.estimate)  # nothing is lost at 4 bits
    assert ranks["rounding error of the weights", 2].models == 4


def test_layers_that_break_are_those_tried_with_their_own_suggestion(tables):
    losses = layer_losses(tables, "shuffle")
    broken = layers_that_break(losses, 0)
    assert broken["lost"].is_monotonic_decreasing
    assert (broken["bits"] == broken["shown"].clip(lower=1)).all()
    worst = broken.iloc[0]
    assert (worst["tensor"], worst["lost"]) == ("3.weight", pytest.approx(6))
    assert share_that_break(losses, 0) == (len(broken), 7 * 4)
    assert share_that_break(losses, 7) == (0, 0)


def test_profiles_of_models_are_sums_over_tensors(tables):
    found = model_profiles(tables).set_index(["model", "reference", "plane"])["percent"]
    assert found["mlp_12", "shuffle", 7] == pytest.approx(80)
    assert found["mlp_12", "shuffle", 0] == pytest.approx(100)
