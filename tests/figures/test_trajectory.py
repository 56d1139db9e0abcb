"""Figures of complexity over training: the numbers that are drawn, captions, axes of steps, and files."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.figures import course, paint, plane_course, theme
from complexity_lab.figures.numbers import GLUE
from complexity_lab.figures.step_axis import step_axis
from complexity_lab.figures.trajectory import TRAJECTORY_FIGURES, render_trajectory
from complexity_lab.statistics.trajectory import planes
from complexity_lab.trajectory.store import TrajectoryStore
from tests.synthetic_trajectory import one, row, rows, seeds, tables


def caption(figure, found):
    return figure.FIGURE.caption(figure.FIGURE.prepare(found)).replace(GLUE, " ")


def texts(canvas):
    """Return every text of a painted figure, legends and tick labels among them."""
    from matplotlib.text import Text

    return {text.get_text().replace(GLUE, " ") for text in canvas.findobj(Text) if text.get_visible()}


def test_one_series_has_a_line_per_metric():
    table = course.prepare(one())
    lines = table.groupby(["quantity", "metric"]).size().to_dict()
    assert lines == {
        ("ratio", "bdm"): 3,
        ("ratio", "gzip"): 3,
        ("ratio", "qubd"): 3,
        ("ratio_shuffled", "bdm"): 3,
        ("ratio_shuffled", "qubd"): 3,
        ("train_loss", ""): 3,
        ("validation_loss", ""): 3,
    }
    start = table.loc[(table["quantity"] == "ratio") & (table["step"] == 0), "mean"]
    assert set(start) == {100.0}
    assert {"BDM", "QuBD", "gzip", "% of its shuffled self", "training loss"} <= texts(paint(course.FIGURE, table))


def test_a_study_has_a_line_per_arm_of_one_metric():
    found = seeds(3, networks=("small", "large"))
    table = course.prepare(found)
    ratio = table.loc[table["quantity"] == "ratio"]
    assert set(ratio["metric"]) == {"qubd"}
    assert set(ratio["line"]) == {"true", "random"}
    assert set(ratio["runs"]) == {3}
    (last,) = ratio.loc[(ratio["group"] == "small true") & (ratio["step"] == 1000)].to_dict("records")
    values = found.ratios.loc[
        (found.ratios["group"] == "small true") & (found.ratios["metric"] == "qubd") & (found.ratios["step"] == 1000)
    ]["ratio"]
    assert last["mean"] == pytest.approx(100 * values.mean())
    assert last["sd"] == pytest.approx(100 * values.std(ddof=1))
    shown = texts(paint(course.FIGURE, table))
    assert {"small", "large", "true", "random"} <= shown


@pytest.mark.parametrize("count", [1, 4, 7])
def test_every_network_has_its_panels_up_to_six(count):
    networks = [f"n{place}" for place in range(count)]
    canvas = paint(course.FIGURE, course.prepare(seeds(1, networks=networks)))
    assert len(canvas.axes) == 2 * min(6, count)
    canvas = paint(plane_course.FIGURE, plane_course.prepare(seeds(1, networks=networks)))
    assert canvas.axes


def test_without_losses_there_is_no_panel_of_them():
    canvas = paint(course.FIGURE, course.prepare(one(losses=False)))
    assert len(canvas.axes) == 1
    assert "loss" not in caption(course, one(losses=False))


def test_planes_are_relative_to_the_shuffled_self_where_there_is_one():
    table = plane_course.prepare(one())
    assert set(table["reference"]) == {"ratio_shuffled"}
    assert len(table) == 9
    (lowest,) = table.loc[(table["plane"] == 2) & (table["step"] == 1000)].to_dict("records")
    found = planes(one())
    expected = found.loc[(found["plane"] == 2) & (found["step"] == 1000), "ratio_shuffled"].item()
    assert lowest["mean"] == pytest.approx(100 * expected)
    assert set(plane_course.prepare(one(shuffled=False))["reference"]) == {"ratio"}


def test_the_most_significant_plane_is_on_top():
    canvas = paint(plane_course.FIGURE, plane_course.prepare(one()))
    axes = canvas.axes[0]
    (image,) = axes.get_images()
    assert image.origin == "lower"
    drawn = np.asarray(image.get_array())
    assert drawn[2, 2] == drawn.min()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "10", "1,000"]


@pytest.mark.parametrize(
    "found",
    [
        one(),
        one(steps=(0,)),
        one(steps=(0, 5, 10, 15)),
        one(steps=range(0, 4000, 25)),
        one(shuffled=False, losses=False),
        one(planes=0),
        one(planes=8, steps=(0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 143000)),
        seeds(2),
        tables(rows("a", steps=(3, 30)), [row("a", reference=0)]),
    ],
)
def test_captions_are_sentences_and_every_figure_can_be_drawn(found):
    for figure in TRAJECTORY_FIGURES.values():
        if figure.applies(found) is None:
            table = figure.prepare(found)
            text = figure.caption(table)
            assert text.endswith(".")
            assert "nan" not in text
            assert "  " not in text
            assert not [each for each in texts(paint(figure, table)) if "$" in each or "nan" in each.lower()]


def test_captions_say_the_numbers():
    text = caption(course, one())
    assert text.startswith("BDM, QuBD and gzip of the weights over training")
    assert "After 1,000 steps the lines end between 40.0 % and 97.0 % of the start." in text
    assert "Lines are means over 3 runs" in caption(course, seeds(3))
    assert "The lowest is plane 2 at step 1,000, with 97.8 %." in caption(plane_course, one())


@pytest.mark.parametrize(
    ("steps", "scale", "labels"),
    [
        ([0, 1, 10, 1000], "symlog", ["0", "1", "10", "100", "1,000"]),
        ([100, 10_000, 143_000], "symlog", ["100", "1,000", "10 k", "100 k"]),
        ([0, 100, 200, 300], "linear", None),
        ([0], "linear", None),
        ([0, 1, 10_000_000], "symlog", ["0", "10", "1,000", "100 k", "10 M"]),
    ],
)
def test_steps_are_logarithmic_where_they_span_decades(steps, scale, labels):
    with theme.style():
        axes = Canvas().subplots()
        axes.plot(steps, steps)
        step_axis(axes, np.array(steps, dtype=float))
        axes.figure.canvas.draw()
    assert axes.get_xscale() == scale
    if labels:
        low, high = axes.get_xlim()
        shown = [
            label.get_text().replace(GLUE, " ")
            for label, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
            if low <= place <= high
        ]
        assert shown == labels


def test_figures_are_written_and_identical_for_identical_tables(tmp_path):
    store = TrajectoryStore(tmp_path / "out")
    store.write(row("a"), rows("a"), store.prepare({"name": "x"}))
    first = render_trajectory(tmp_path / "out")
    assert [figure.name for figure in first] == list(TRAJECTORY_FIGURES) == ["trajectory", "trajectory_planes"]
    assert all(len(pd.read_csv(figure.table)) for figure in first)
    second = render_trajectory(tmp_path / "out", tmp_path / "again")
    assert [figure.png.read_bytes() for figure in first] == [figure.png.read_bytes() for figure in second]
    assert [figure.pdf.read_bytes() for figure in first] == [figure.pdf.read_bytes() for figure in second]


def test_what_does_not_apply_is_said(tmp_path):
    store = TrajectoryStore(tmp_path / "out")
    store.write(row("a"), rows("a", planes=0), store.prepare({"name": "x"}))
    assert [figure.name for figure in render_trajectory(tmp_path / "out")] == ["trajectory"]
    with pytest.raises(InputError, match="no bit planes were measured"):
        render_trajectory(tmp_path / "out", names=["trajectory_planes"])
    with pytest.raises(UnknownNameError, match="no figure 'plane'"):
        render_trajectory(tmp_path / "out", names=["plane"])
    assert course.FIGURE.applies(tables([], [row("a", status="failed")])) == "no step has a number to compare"
