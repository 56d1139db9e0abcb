import pandas as pd
import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.figures import grokking, learning, memory, overfitting, parts, watched
from complexity_lab.figures.learning import STUDY_FIGURES, render_study
from complexity_lab.statistics.learning import StudyTables
from tests.synthetic_study import write_study

DRAWN = {
    "learning": ["learning", "parts"],
    "overfitting": ["overfitting", "memory"],
    "grokking": ["grokking", "parts"],
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    return {study: write_study(place / study, study) for study in DRAWN}


@pytest.fixture(scope="module")
def tables(studies):
    return {study: StudyTables.read(directory) for study, directory in studies.items()}


@pytest.mark.parametrize("study", DRAWN)
def test_every_figure_that_applies_is_written_with_its_table(studies, study, tmp_path):
    rendered = render_study(studies[study], tmp_path / "figures")
    assert [figure.name for figure in rendered] == DRAWN[study]
    for figure in rendered:
        assert figure.pdf.stat().st_size > 1000
        assert figure.png.stat().st_size > 1000
        assert len(pd.read_csv(figure.table))
        assert "nan" not in figure.caption.split()


def test_figures_are_identical_for_identical_tables(studies, tmp_path):
    first, second = (render_study(studies["grokking"], tmp_path / name, ["grokking"])[0] for name in "ab")
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.pdf.read_bytes() == second.pdf.read_bytes()


def test_lines_are_means_and_ranges_over_seeds(tables):
    table = learning.prepare(tables["learning"])
    rows = table.loc[(table["quantity"] == "qubd_self") & (table["step"] == 1000) & (table["weight_decay"] > 0)]
    assert rows["mean"].tolist() == pytest.approx([79.9, 79.9])
    assert rows["low"].tolist() == pytest.approx([79.8, 79.8])
    assert set(rows["seeds"]) == {3}
    assert set(table.loc[table["quantity"] == "best", "step"]) == {1000}
    assert "no weight decay: 100.0" in learning.caption(table)
    assert "weight decay 0.01: 79.9" in learning.caption(table)


def test_grokking_marks_the_order_of_events(tables):
    table = grokking.prepare(tables["grokking"])
    caption = grokking.caption(table)
    assert (
        "true labels, weight decay 1: memorized at step 100, generalized at step 1,000, QuBD fell at step 100; "
        "true labels, no weight decay: memorized at step 100, never generalized, QuBD never fell"
    ) in caption


def test_overfitting_counts_the_lines_that_turn_up(tables):
    assert "In 6 of 12 lines" in overfitting.caption(overfitting.prepare(tables["overfitting"]))


def test_memory_has_a_row_per_training_set_and_arm(tables):
    table = memory.prepare(tables["overfitting"])
    assert len(table.loc[table["quantity"] == "qubd_self"]) == 3 * 4
    assert "79.9" in memory.caption(table)
    assert "(true labels, weight decay 0.01)" in memory.caption(table)


def test_parts_are_layers_and_planes_of_the_arms_that_decay(tables):
    table = parts.prepare(tables["learning"])
    assert set(table["weight_decay"]) == {0.01}
    assert table.groupby("of")["part"].nunique().to_dict() == {"layer": 2, "plane": 4}
    assert parts.prepare(tables["grokking"])["group"].nunique() == 3


def test_labels_say_only_what_differs():
    arms = [("true", 0.0), ("random", 0.0)]
    assert watched.arm_label(arms[1], arms) == "random labels"
    assert watched.arm_label(arms[0], arms[:1]) == ""
    assert len({watched.colour_of((labels, decay)) for labels in ("true", "random") for decay in (0.0, 1.0)}) == 4


def test_what_does_not_apply_is_said(studies, tmp_path):
    with pytest.raises(InputError, match="figure grokking: this is a study of learning, the figure is of grokking"):
        render_study(studies["learning"], names=["grokking"])
    with pytest.raises(UnknownNameError, match="no figure 'groking'"):
        render_study(studies["learning"], names=["groking"])
    everything = [
        f"addition-8-n24-{arm}-s{seed}" for arm in ("true-wd1", "true-wd0", "random-wd1") for seed in range(3)
    ]
    lost = write_study(tmp_path / "lost", "grokking", failed=everything)
    with pytest.raises(InputError, match="no run has ended well"):
        render_study(lost, names=["grokking"])
    assert list(STUDY_FIGURES) == ["learning", "overfitting", "memory", "grokking", "parts"]
