import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from complexity_lab.statistics.learning import mean_over_seeds, paired, since
from complexity_lab.statistics.trajectory import smoothed
from tests.synthetic_study import study


@pytest.fixture(scope="module")
def grokking():
    return study("grokking")


@pytest.fixture(scope="module")
def overfitting():
    return study("overfitting")


def of_sums(table, metric="qubd"):
    return table.loc[(table["metric"] == metric) & table["plane"].isna()]


def test_ratios_are_to_the_start_and_to_the_shuffled_self(grokking):
    run = grokking.ratios.loc[grokking.ratios["model"] == "addition-8-n24-true-wd1-s1"]
    last = of_sums(run).set_index("step").loc[1000]
    assert last["ratio_shuffled"] == pytest.approx(0.799)
    assert last["ratio"] == pytest.approx(0.799 * 0.8)
    assert last["z_shuffled"] == last["z_smoothed"] == pytest.approx((0.799 - 1) * 800 / 10)
    assert (run.loc[run["step"] == 0, ["ratio", "ratio_shuffled"]] == 1).to_numpy().all()


def test_landmarks_are_where_they_were_put(grokking):
    found = grokking.landmarks.loc[grokking.landmarks["metric"] == "qubd"].set_index("model")
    grokked, stuck = found.loc["addition-8-n24-true-wd1-s0"], found.loc["addition-8-n24-true-wd0-s0"]
    assert (grokked["memorized"], grokked["generalized"], grokked["fell"]) == (100, 1000, 100)
    assert (grokked["best"], grokked["halfway"], grokked["lowest"]) == (1000, 1000, 1000)
    assert stuck["memorized"] == 100
    assert np.isnan([stuck["generalized"], stuck["fell"], stuck["halfway"]]).all()
    assert found.loc["addition-8-n24-random-wd1-s0", "fell"] == 1000  # 2.5 % at step 100 are 2.1 sd


def test_the_lowest_loss_is_before_it_turns_up(overfitting):
    found = overfitting.landmarks
    assert set(found.loc[found["labels"] == "true", "best"]) == {100}
    assert set(found.loc[found["labels"] == "random", "best"]) == {1000}


def test_ranks_over_time(grokking):
    ranks = of_sums(grokking.rank_over_time)
    ranks = ranks.loc[(ranks["column"] == "ratio_shuffled") & (ranks["loss"] == "validation_loss")].set_index("group")
    decayed = ranks.loc["addition-8-n24-true-wd1"]
    by_hand = stats.spearmanr([1, 1, 1, 0.9, 0.8], [5, 4, 3, 2, 1]).statistic
    assert decayed["rho"] == pytest.approx(by_hand)
    assert (decayed["low"], decayed["high"], decayed["seeds"]) == (decayed["rho"], decayed["rho"], 3)
    assert np.isnan(ranks.loc["addition-8-n24-true-wd0", "rho"])  # a constant has no ranks
    assert ranks.loc["addition-8-n24-true-wd0", "seeds"] == 0


def test_pairs_differ_in_one_thing(overfitting):
    last = of_sums(overfitting.last)
    labels = paired(last, "ratio_shuffled", "labels", "true", "random")
    assert len(labels) == 3 * 2 * 3
    decayed = labels.loc[labels["weight_decay"] > 0]
    assert decayed["difference"].to_numpy(float) == pytest.approx(-(0.1 + 0.0005 * decayed["seed"].to_numpy(float)))
    assert (labels.loc[labels["weight_decay"] == 0, "difference"] == 0).all()
    decay = paired(last, "ratio_shuffled", "weight_decay", 0.01, 0.0)
    assert len(decay) == 3 * 2 * 3
    assert (decay["difference"] < -0.09).all()
    assert len(paired(overfitting.last_losses, "train_accuracy", "labels", "true", "random")) == 3 * 2 * 3


@given(st.lists(st.booleans(), max_size=12))
def test_since_is_the_beginning_of_the_last_stretch(holds):
    steps = np.arange(len(holds), dtype=float)
    wanted = float("nan")
    for place in reversed(range(len(holds))):
        if not holds[place]:
            break
        wanted = steps[place]
    assert since(steps, np.array(holds, dtype=bool)) == pytest.approx(wanted, nan_ok=True)


def test_the_bootstrap_lists_all_resamples():
    values = np.array([0.1, 0.5, 0.6, 0.9])
    found = mean_over_seeds(values)
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(0, 4, (200_000, 4))].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.03)
    assert found.estimate == pytest.approx(values.mean())
    assert np.isnan(mean_over_seeds(np.array([1.0])).low)
    assert np.isnan(mean_over_seeds(np.array([])).estimate)
    many = mean_over_seeds(np.linspace(0, 1, 20))
    assert 0.3 < many.low < 0.5 < many.high < 0.7


def test_a_spread_of_zero_gives_no_distance():
    assert np.isnan(smoothed(np.zeros(3))).all()


def test_failed_runs_are_in_no_statistic():
    lost = "addition-8-n24-true-wd1-s0"
    found = study("grokking", failed=(lost,))
    assert found.failures["model"].tolist() == [lost]
    assert (len(found.runs), len(found.last_losses)) == (9, 8)
    assert set(found.last_losses["step"]) == set(found.last["step"]) == {1000}
    assert lost not in {*found.ratios["model"], *found.landmarks["model"], *found.last["model"]}


def test_layers_have_their_own_shuffled_selves(grokking):
    found = of_sums(grokking.tensor_ratios)
    last = found.loc[(found["step"] == 1000) & (found["model"] == "addition-8-n24-true-wd1-s1")]
    assert last["tensor"].tolist() == ["layers.0.weight", "layers.1.weight"]
    assert last["ratio_shuffled"].tolist() == pytest.approx([0.799] * 2)
