"""The look, which is left behind, and axes that hold what they are given."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complexity_lab.figures import strips, theme
from complexity_lab.figures.axes import decades, parameters, percents, signed, steps, symlog_threshold, thinned


def test_each_family_has_a_mark_of_its_own_up_to_the_limit():
    families = [f"f{index:02d}" for index in range(theme.MOST_FAMILIES)]
    marks = theme.family_marks(families)
    assert len(set(marks.values())) == theme.MOST_FAMILIES
    assert [handle.get_label() for handle in theme.family_handles(marks)] == families


def test_rare_families_share_grey_beyond_it():
    families = ["vit"] * 3 + [f"f{index:02d}" for index in range(theme.MOST_FAMILIES)] + ["resnet"] * 2
    marks = theme.family_marks(families)
    assert set(marks) == set(families)
    groups = [handle.get_label() for handle in theme.family_handles(marks)]
    assert groups[:2] == ["vit", "resnet"]
    assert groups[-1] == "other"
    assert len(groups) == theme.MOST_FAMILIES


def test_marks_do_not_depend_on_the_order_of_models():
    assert theme.family_marks(["b", "a", "c"]) == theme.family_marks(["c", "b", "a"])


def test_the_look_is_left_behind():
    before = mpl.rcParams.copy()
    with theme.style():
        assert mpl.rcParams["font.size"] == 8
    assert mpl.rcParams.copy() == before


def test_nothing_touches_pyplot():
    """Its global state would make one figure depend on another."""
    for path in Path(theme.__file__).parent.rglob("*.py"):
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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100), max_size=20))
def test_a_signed_axis_holds_its_values_and_zero(values):
    array = np.array(values, dtype=float)
    with theme.style():
        axes = theme.new_figure().add_subplot()
        signed(axes, "x", array)
    low, high = axes.get_xlim()
    assert low < 0 < high
    assert all(low <= value <= high for value in values)
    assert 0 in axes.get_xticks()


@given(st.lists(st.sampled_from([0.0, 1e-3, -1e-3, 1e-2, -1e-2, 0.1, -0.1, 1.0, 10.0]), unique=True), st.integers(3, 9))
def test_thinned_ticks_keep_zero_and_the_largest(ticks, most):
    ticks = sorted({*ticks, 0.0})
    kept = thinned(ticks, most)
    assert set(kept) <= set(ticks)
    assert 0.0 in kept
    assert max(map(abs, kept)) == max(map(abs, ticks))
    assert len(kept) <= max(most, 3)


def tick_labels(scale, values):
    with theme.style():
        figure = theme.new_figure()
        axes = figure.add_subplot()
        scale(axes, "x", np.array(values, dtype=float))
        figure.draw_without_rendering()
        low, high = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        return [label.get_text().replace("\N{NO-BREAK SPACE}", " ") for at, label in ticks if low <= at <= high]


@pytest.mark.parametrize(
    ("scale", "values", "labels"),
    [
        (parameters, [2e4, 5e5], {"50 k", "200 k"}),
        (parameters, [22e6], {"10 M", "20 M", "50 M"}),
        (decades, [0.02, 40], {"0.1 %", "1 %", "10 %"}),
        (percents, [96.1, 99.2], {"97 %", "98 %", "99 %"}),
        (percents, [99.99999], {"100 %"}),
        (steps, [0, 1, 10, 5000], {"0", "1", "10", "100", "1,000"}),
        (steps, [100, 200, 300], {"100", "200", "300"}),
    ],
)
def test_ticks_are_round_each_once(scale, values, labels):
    found = tick_labels(scale, values)
    assert labels <= set(found)
    assert len(set(found)) == len(found)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_a_swarm_stays_in_its_strip_and_separates_points_of_a_bin(positions):
    offsets = strips.swarm(np.array(positions, dtype=float), bins=20, half_width=0.4)
    assert np.all(np.abs(offsets) <= 0.4 + 1e-12)
    slots = np.minimum((np.array(positions, dtype=float) * 20).astype(int), 19)
    for slot in set(slots.tolist()):
        members = offsets[slots == slot]
        assert len(set(members.tolist())) == len(members)
        assert members.sum() == pytest.approx(0, abs=1e-9)
