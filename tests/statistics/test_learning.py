import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from complexity_lab.errors import InputError
from complexity_lab.statistics.learning import (
    StudyTables,
    landmarks,
    mean_over_seeds,
    paired,
    rank_over_time,
    since,
    smoothed,
)
from tests.synthetic_study import write_study


@pytest.fixture(scope="module")
def grokking(tmp_path_factory):
    return StudyTables.read(write_study(tmp_path_factory.mktemp("study") / "grokking", "grokking"))


@pytest.fixture(scope="module")
def overfitting(tmp_path_factory):
    return StudyTables.read(write_study(tmp_path_factory.mktemp("study") / "overfitting", "overfitting"))


def test_ratios_are_to_the_start_and_to_the_shuffled_self(grokking):
    run = grokking.curves.loc[grokking.curves["run"] == "addition-8-n24-true-wd1-s1"].set_index("step")
    assert run.loc[1000, "qubd_self"] == pytest.approx(0.799)
    assert run.loc[1000, "qubd_start"] == pytest.approx(0.799 * 0.8)
    assert run.loc[1000, "qubd_z"] == pytest.approx((0.799 - 1) * 800 / 10)
    assert (run.loc[0, ["qubd_self", "qubd_start", "bdm_start", "qubd_plane3_self"]] == 1).all()


def test_landmarks_are_where_they_were_put(grokking):
    found = landmarks(grokking).set_index("run")
    grokked, stuck = found.loc["addition-8-n24-true-wd1-s0"], found.loc["addition-8-n24-true-wd0-s0"]
    assert (grokked["memorized"], grokked["generalized"], grokked["fell"]) == (100, 1000, 100)
    assert (grokked["best"], grokked["halfway"], grokked["lowest"]) == (1000, 1000, 1000)
    assert stuck["memorized"] == 100
    assert np.isnan([stuck["generalized"], stuck["fell"], stuck["halfway"]]).all()
    assert found.loc["addition-8-n24-random-wd1-s0", "fell"] == 1000  # 2.5 % at step 100 are 2.1 sd


def test_the_lowest_loss_is_before_it_turns_up(overfitting):
    found = landmarks(overfitting)
    assert set(found.loc[found["labels"] == "true", "best"]) == {100}
    assert set(found.loc[found["labels"] == "random", "best"]) == {1000}


def test_ranks_over_time(grokking):
    found = rank_over_time(grokking, "qubd_self").set_index("group")
    decayed = found.loc["addition-8-n24-true-wd1"]
    by_hand = stats.spearmanr([1, 1, 1, 0.9, 0.8], [5, 4, 3, 2, 1]).statistic
    assert decayed["rho"] == pytest.approx(by_hand)
    assert (decayed["low"], decayed["high"], decayed["seeds"]) == (decayed["rho"], decayed["rho"], 3)
    assert np.isnan(found.loc["addition-8-n24-true-wd0", "rho"])  # a constant has no ranks
    assert found.loc["addition-8-n24-true-wd0", "seeds"] == 0


def test_pairs_differ_in_one_thing(overfitting):
    labels = paired(overfitting, "qubd_self", "labels", "true", "random")
    assert len(labels) == 3 * 2 * 3
    decayed = labels.loc[labels["weight_decay"] > 0, "difference"]
    assert decayed.to_numpy() == pytest.approx(-(0.1 + 0.0005 * labels.loc[labels["weight_decay"] > 0, "seed"]))
    assert (labels.loc[labels["weight_decay"] == 0, "difference"] == 0).all()
    decay = paired(overfitting, "qubd_self", "weight_decay", 0.01, 0.0)
    assert len(decay) == 3 * 2 * 3
    assert (decay["difference"] < -0.09).all()


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


def test_failed_runs_are_left_out_and_other_directories_refused(tmp_path):
    lost = "addition-8-n24-true-wd1-s0"
    tables = StudyTables.read(write_study(tmp_path / "study", "grokking", failed=(lost,)))
    assert len(tables.runs) == 9
    assert lost not in set(tables.curves["run"])
    assert len(tables.last) == 8
    (tmp_path / "study" / "manifest.json").write_text('{"plan": {"kind": "trajectory"}}')
    with pytest.raises(InputError, match="holds no study of networks in training"):
        StudyTables.read(tmp_path / "study")
