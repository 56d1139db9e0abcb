from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complexity_lab.figures import theme
from complexity_lab.figures.axes import parameter_axis, symlog_axis, symlog_threshold


def test_each_family_has_a_mark_of_its_own_up_to_the_limit():
    families = [f"f{index:02d}" for index in range(theme.MOST_FAMILIES)]
    marks = theme.family_marks(families)
    assert len(set(marks.values())) == theme.MOST_FAMILIES
    assert list(theme.legend_groups(marks)) == families


def test_rare_families_share_grey_beyond_it():
    families = ["vit"] * 3 + [f"f{index:02d}" for index in range(theme.MOST_FAMILIES)] + ["resnet"] * 2
    marks = theme.family_marks(families)
    assert set(marks) == set(families)
    groups = theme.legend_groups(marks)
    assert list(groups)[:2] == ["vit", "resnet"]
    assert list(groups)[-1] == "other"
    assert len(groups) == theme.MOST_FAMILIES
    rare = [family for family, mark in marks.items() if mark == groups["other"]]
    assert len(rare) == len(marks) - theme.MOST_FAMILIES + 1


def test_marks_do_not_depend_on_the_order_of_models():
    assert theme.family_marks(["b", "a", "c"]) == theme.family_marks(["c", "b", "a"])


def test_the_look_is_left_behind():
    before = mpl.rcParams["font.size"]
    with theme.style():
        assert mpl.rcParams["font.size"] == 8
    assert mpl.rcParams["font.size"] == before


def test_nothing_touches_pyplot():
    """Its global state would make one figure depend on another."""
    for path in Path(theme.__file__).parent.glob("*.py"):
        assert "pyplot" not in path.read_text()


@pytest.mark.parametrize(
    ("values", "threshold"),
    [
        ([], 1.0),
        ([0.0, 0.0], 1.0),
        ([float("nan")], 1.0),
        ([5.0], 1.0),
        ([-0.02, 3.0], 0.1),
        ([1e-9] * 9 + [10.0], 1e-3),
    ],
)
def test_symlog_threshold(values, threshold):
    assert symlog_threshold(np.array(values)) == pytest.approx(threshold)


@settings(max_examples=40)
@given(st.lists(st.floats(-100, 100), max_size=20))
def test_a_symlog_axis_holds_its_values_and_zero(values):
    array = np.array(values, dtype=float)
    with theme.style():
        axes = theme.new_figure().add_subplot()
        symlog_axis(axes, "x", array, symlog_threshold(array))
    low, high = axes.get_xlim()
    assert low < 0 < high
    assert all(low <= value <= high for value in values)
    assert 0 in axes.get_xticks()


def test_parameters_are_labelled_with_prefixes():
    with theme.style():
        figure = theme.new_figure()
        axes = figure.add_subplot()
        parameter_axis(axes, np.array([2e4, 5e5]))
        figure.draw_without_rendering()
        labels = [label.get_text() for label in axes.get_xticklabels()]
    assert {"50\N{NO-BREAK SPACE}k", "200\N{NO-BREAK SPACE}k"} <= set(labels)
