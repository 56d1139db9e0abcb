import numpy as np
import pandas as pd
import pytest

from complexity_lab.statistics.rounding import fewest_enough, margin_by_validation
from tests.synthetic_rounding import FLOAT, NEED, SHOWN, rounding


@pytest.fixture(scope="module")
def results():
    return rounding(failed=("vit_d96x4-seed1",))


def test_needs_are_the_fewest_bits_from_which_on_nothing_is_lost(results):
    found = results.needs.groupby("architecture")["need"].agg(["min", "max"])
    for network, need in NEED.items():
        assert tuple(found.loc[network]) == (need, need)
    assert fewest_enough(np.array([1.0, 0.0])) == 1
    assert fewest_enough(np.array([0.0, 0.0, 1.1])) == 4


def test_means_are_over_seeds_that_ended_well(results):
    table = results.means_over_seeds
    uniform = table.loc[(table["method"] == "uniform") & (table["bits"] == 2)].set_index("architecture")
    assert uniform["seeds"].to_dict() == {"mlp_12": 2, "resnet8_w6": 2, "tinynet_e": 2, "vit_d96x4": 1}
    assert uniform.loc["resnet8_w6", "test_lost"] == pytest.approx(30)
    assert uniform.loc["resnet8_w6", "test_accuracy"] == pytest.approx(100 * FLOAT - 30)
    assert results.architectures == list(NEED)
    assert results.failures["model"].tolist() == ["vit_d96x4-seed1"]


def test_the_margin_is_the_least_that_no_network_suffers_from(results):
    # resnet8_w6 needs 5 bits and gets 1 + margin: none is enough, so the largest
    assert results.margins == {"shuffle": 2, "random": 2}
    means = results.means_over_seeds
    kept = means.loc[means["architecture"].isin(["mlp_12", "vit_d96x4"])]
    assert margin_by_validation(kept, "shuffle") == 1


def test_predictions_stand_next_to_needs(results):
    found = results.predictions.loc[lambda table: (table["margin"] == 2) & (table["reference"] == "shuffle")]
    rows = found.set_index("architecture")
    assert rows["suggested_bits"].to_dict() == {network: max(1, shown) + 2 for network, shown in SHOWN.items()}
    assert rows["need"].to_dict() == NEED
    assert rows["covered_percent"].unique().tolist() == [90.0]
    assert rows.loc["resnet8_w6", "lost"] == pytest.approx(20)
    (rank, other) = results.rank_predictions(2)
    assert (rank.reference, other.reference) == ("shuffle", "random")
    assert rank.plain.n == 4
    suggested, needed = pd.Series([max(1, shown) for shown in SHOWN.values()]), pd.Series(list(NEED.values()))
    assert rank.plain.rho.estimate == pytest.approx(suggested.corr(needed, method="spearman"))


def test_other_ways_of_spending_bits_are_compared_network_by_network(results):
    table = results.comparisons.loc[results.comparisons["reference"] == "shuffle"].set_index("architecture")
    flat = table.loc[(table["margin"] == 0) & (table["other"] == "flat")].loc[results.architectures]
    assert flat["mean_bits"].tolist() == [1.0, 0.0, 0.0, 0.0]  # only mlp_12 shows two planes
    assert flat["test_lost"].tolist() == pytest.approx([-10.0, 0.0, 0.0, 0.0])
    by_error = table.loc[(table["margin"] == 1) & (table["other"] == "by_error")]
    assert by_error["mean_bits"].tolist() == [-0.5] * 4


def test_layers_without_a_suggestion_are_left_out_and_ranks_are_within_networks(results):
    losses = results.layer_losses
    assert set(losses["tensor"]) == {"0.weight", "1.weight", "2.weight", "3.weight"}
    assert set(losses["bits"]) == {1, 2, 3, 4}
    ranks = {(found.predictor, found.bits): found for found in results.layer_ranks("shuffle")}
    assert ranks["rounding error of the weights", 2].rho.estimate == pytest.approx(1)
    assert ranks["fewer weights", 2].rho.estimate == pytest.approx(-1)
    assert ranks["planes that cannot be dropped", 2].rho.estimate == pytest.approx(0.4472135955)
    assert np.isnan(ranks["rounding error of the weights", 4].rho.estimate)  # nothing is lost at 4 bits
    assert ranks["rounding error of the weights", 2].models == 4


def test_layers_that_break_are_those_tried_with_their_own_suggestion(results):
    broken = results.layers_that_break("shuffle", 0)
    assert broken["lost"].is_monotonic_decreasing
    assert (broken["bits"] == broken["shown"].clip(lower=1)).all()
    assert (broken.loc[0, "tensor"], broken.loc[0, "lost"]) == ("3.weight", pytest.approx(6))
    assert results.share_that_break("shuffle", 0) == (len(broken), 7 * 4)
    assert results.share_that_break("shuffle", 7) == (0, 0)


def test_profiles_of_networks_are_sums_over_tensors(results):
    found = results.model_profiles.set_index(["architecture", "reference", "plane"])["percent"]
    assert found["mlp_12", "shuffle", 7] == pytest.approx(80)
    assert found["mlp_12", "shuffle", 0] == pytest.approx(100)


def test_no_network_at_all():
    empty = rounding(models=())
    tables = (empty.losses, empty.needs, empty.predictions, empty.comparisons, empty.layer_losses)
    assert all(table.empty for table in (*tables, empty.model_profiles, empty.means_over_seeds))
