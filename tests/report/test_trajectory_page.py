import re

import pytest

from complexity_lab.errors import InputError
from complexity_lab.report.trajectory_page import limits, write_trajectory_page
from complexity_lab.report.trajectory_sentences import details, verdict
from complexity_lab.statistics.learning import StudyTables
from complexity_lab.statistics.trajectory import TrajectoryTables
from tests.synthetic_study import write_study


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    return {study: write_study(place / study, study) for study in ("learning", "overfitting", "grokking")}


@pytest.fixture(scope="module")
def tables(studies):
    return {study: StudyTables.read(directory) for study, directory in studies.items()}


def test_learning_tells_decay_from_learning(tables):
    text = verdict(tables["learning"])
    assert "All 12 runs learn: they end with 100.0 % of the validation digits right." in text
    assert (
        "lowers the last QuBD relative to its shuffled self in 6 of 6 pairs of runs (mean drop 20.1 against 0.0 points)"
        in text
    )
    assert "weight decay acting on them, not learning by itself" in text
    assert "Against step 0 QuBD drops by 36.1 points" in text


def test_details_say_when_it_fell(tables):
    decayed, plain, together = details(tables["learning"])
    assert "QuBD ends at 79.9 % of its shuffled self and 63.9 % of step 0" in decayed
    assert "in 6 of 6 runs, from step 100 on (median), with 10 % of the validation examples right by then" in decayed
    assert "before the step of the lowest validation loss in 0, at it in 6 and after it in 0 of 6 runs" in decayed
    assert "in none of 6 runs" in plain
    assert "mean over n = 3 seeds" in together
    assert "no weight decay undefined" in together.replace("–", "undefined")


def test_overfitting_compares_memory_with_learning(tables):
    text = verdict(tables["overfitting"])
    assert "9 of 9 with random labels, weight decay 0.01" in text
    assert "in 18 of the 18 runs with true labels the validation loss ends more than a tenth above" in text
    assert "With weight decay 0.01, weights that learned true labels end simpler" in text
    assert "by QuBD in 9 of 9 (mean difference −10.0 points)" in text
    assert "by QuBD in 0 of 9 (mean difference 0.0 points)" in text
    plain, decayed = text.split("With weight decay 0.01, weights")
    assert "neither tells one from the other." in plain
    assert "QuBD and BDM tell one from the other." in decayed


def test_grokking_says_the_order_of_events(tables):
    told = details(tables["grokking"])[0]
    assert "3 of 3 seeds memorize (step 100), 3 of 3 seeds generalize (step 1,000)" in told
    assert "QuBD stays more than 3 sd below its shuffled self in 3 of 3, from step 100 on" in told
    text = verdict(tables["grokking"])
    assert "it fell after generalization in 0 of 3 seeds" in text
    assert "every run that generalized ends below every run that only memorized" in text


@pytest.mark.parametrize("study", ["learning", "overfitting", "grokking"])
def test_the_page_has_numbers_figures_limits_and_no_nan(studies, study):
    page = write_trajectory_page(studies[study]).read_text(encoding="utf-8")
    assert page.startswith("# Does complexity")
    assert not re.search(r"\bnan\b", page)
    assert "## What this cannot say" in page
    assert "3 seeds per group" in page
    assert f"Command: `complexity-lab study run studies/{study}.toml`" in page
    assert f"](figures/{study}.png)" in page
    rows = [line for line in page.splitlines() if line.startswith("| MLP") or line.startswith("| embedding")]
    assert len(rows) == {"learning": 4, "overfitting": 12, "grokking": 3}[study]
    assert len({line.count("|") for line in page.splitlines() if line.startswith("|")}) == 1


def test_limits_name_the_sizes(tables):
    assert any(
        "The networks have 800 to 51,200 weights, 0.02 to 1.04 strings" in text for text in limits(tables["learning"])
    )


def test_layers_above_their_shuffled_selves_are_named(tmp_path, tables):
    assert not any("end more than" in text for text in limits(tables["learning"]))
    steps = tables["learning"].trajectory.steps.copy()
    high = (steps["tensor"] == "layers.1.weight") & (steps["metric"] == "qubd") & (steps["step"] == 1000)
    steps.loc[high & steps["run"].str.startswith("digits-8-n1077-true-wd0-"), "value"] *= 2
    changed = StudyTables(tables["learning"].plan, TrajectoryTables(steps, tables["learning"].trajectory.series))
    (told,) = [text for text in limits(changed) if "end more than" in text]
    assert "1 of 8 layers, counted in every arm, end more than 5 % above" in told
    assert "(layers.1.weight of MLP 8 at 200.0 %)" in told


def test_one_seed_has_no_interval_and_no_spread(tmp_path):
    page = write_trajectory_page(write_study(tmp_path / "one", "learning", seeds=1), title="One").read_text()
    assert page.startswith("# One\n")
    assert "±" not in page.split("\n\n")[3].split("\n", 2)[2]
    assert not re.search(r"\bnan\b", page)


def test_failures_are_listed_and_nothing_finished_is_said(tmp_path):
    lost = "addition-8-n24-true-wd1-s0"
    page = write_trajectory_page(write_study(tmp_path / "some", "grokking", failed=(lost,))).read_text()
    assert f"## Runs that failed\n\n- {lost}: training diverged" in page
    assert "2 of 2 seeds generalize" in page
    arms = ("true-wd1", "true-wd0", "random-wd1")
    everything = [f"addition-8-n24-{arm}-s{seed}" for arm in arms for seed in range(3)]
    with pytest.raises(InputError, match=r"no run of .* has ended well yet"):
        write_trajectory_page(write_study(tmp_path / "all", "grokking", failed=everything))
