"""Figures of networks that learn: the numbers that are drawn, what decides their looks, and that each can be drawn."""

import pytest
from matplotlib.text import Text

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.figures.drawing import draw, not_drawn, paint
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.numbers import NBSP
from complexity_lab.figures.registry import figures_of
from complexity_lab.figures.steps import conditions
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c
from tests.synthetic_study import study
from tests.synthetic_trajectory import one, results_of, rows, run_row, seeds

LONG_SERIES = ["trajectory", "trajectory_planes"]
DRAWN = {
    "learning": ["learning", "parts", *LONG_SERIES],
    "overfitting": ["overfitting", "memory", *LONG_SERIES],
    "grokking": ["grokking", "parts", *LONG_SERIES],
}
GROKKING = [f"addition-8-n24-{arm}-s{seed}" for arm in ("true-wd1", "true-wd0", "random-wd1") for seed in range(3)]


@pytest.fixture(scope="module")
def studies():
    return {name: study(name) for name in DRAWN}


def prepared(name, results):
    return figures_of("trajectory")[name].prepare(results)


def caption(name, results):
    return figures_of("trajectory")[name].caption(prepared(name, results)).replace(NBSP, " ")


def texts(canvas):
    """Return every text of a painted figure, legends and tick labels among them."""
    return {text.get_text().replace(NBSP, " ") for text in canvas.findobj(Text) if text.get_visible()}


def said(results):
    """Draw what applies; return captions, having looked for numbers that are none."""
    found = {}
    for drawing in draw(results):
        found[drawing.name] = drawing.caption
        assert drawing.caption.endswith(".")
        assert "nan" not in drawing.caption.lower().split()
        assert not [each for each in texts(drawing.canvas) if "$" in each or "nan" in each.lower().split()]
    return found


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_that_applies_is_drawn(studies, name):
    assert list(said(studies[name])) == DRAWN[name]
    assert set(not_drawn(studies[name])) == set(figures_of("trajectory")) - set(DRAWN[name])


@pytest.mark.parametrize("name", ["learning", "grokking", pytest.param("overfitting", marks=pytest.mark.slow)])
def test_one_seed_and_failed_runs_are_drawn(name):
    first = study(name).runs[c.MODEL].iloc[0]
    assert list(said(study(name, seeds=1))) == DRAWN[name]
    assert list(said(study(name, seeds=2, failed=(first,)))) == DRAWN[name]


def test_lines_are_means_and_ranges_over_seeds(studies):
    table = prepared("learning", studies["learning"])
    last = table.loc[(table["quantity"] == d.RATIO_SHUFFLED) & (table[c.METRIC] == "qubd") & (table[c.STEP] == 1000)]
    decayed = last.loc[last[c.WEIGHT_DECAY] > 0]
    assert decayed[d.MEAN].tolist() == pytest.approx([79.9, 79.9])
    assert decayed[d.LOW].tolist() == pytest.approx([79.8, 79.8])
    assert set(decayed[d.SEEDS]) == {3}
    assert set(table.loc[table["quantity"] == d.BEST, c.STEP]) == {1000}
    assert "no weight decay: 100.0 %; weight decay 0.01: 79.9 %" in caption("learning", studies["learning"])


def test_grokking_gives_the_order_of_events(studies):
    assert (
        "true labels, weight decay 1: memorized at step 100, generalized at step 1,000, QuBD fell at step 100; "
        "true labels, no weight decay: memorized at step 100, never generalized, QuBD never fell"
    ) in caption("grokking", studies["grokking"])


def test_overfitting_counts_the_lines_that_turn_up(studies):
    assert "In 6 of 12 lines" in caption("overfitting", studies["overfitting"])


def test_memory_has_a_row_per_training_set_and_condition(studies):
    table = prepared("memory", studies["overfitting"])
    qubd = table.loc[(table["quantity"] == d.RATIO_SHUFFLED) & (table[c.METRIC] == "qubd")]
    assert len(qubd) == 3 * 4
    assert "79.9 % of its shuffled self, with 20 examples (true labels, weight decay 0.01)" in caption(
        "memory", studies["overfitting"]
    )


def test_parts_are_layers_and_planes_on_shared_axes(studies):
    table = prepared("parts", studies["learning"])
    assert set(table[c.WEIGHT_DECAY]) == {0.01}
    assert table.groupby("quantity")["line"].nunique().to_dict() == {"layer": 2, "plane": 4}
    assert prepared("parts", studies["grokking"])[c.GROUP].nunique() == 3
    axes = paint(figures_of("trajectory")["parts"], table).canvas.axes
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert axes[2].get_ylim() == axes[3].get_ylim()


def test_a_condition_has_the_same_colour_in_sibling_studies(studies):
    both = prepared("overfitting", studies["overfitting"])
    colours = conditions.line_colours(both)
    decay = both.loc[both[c.WEIGHT_DECAY] > 0]
    none = both.loc[both[c.WEIGHT_DECAY] == 0]
    assert conditions.line_colours(decay) == conditions.line_colours(none)
    assert conditions.line_colours(decay)["true labels"] == colours["true labels, weight decay 0.01"]
    assert len(set(colours.values())) == 4


def test_one_series_has_a_line_per_metric():
    table = prepared("trajectory", one())
    lines = table.groupby(["quantity", c.METRIC]).size().to_dict()
    assert lines == {
        **{("ratio", metric): 3 for metric in ("bdm", "gzip", "qubd")},
        **{("ratio_shuffled", metric): 3 for metric in ("bdm", "qubd")},
        **{(loss, ""): 3 for loss in ("train_loss", "validation_loss")},
    }
    assert set(table.loc[(table["quantity"] == d.RATIO) & (table[c.STEP] == 0), d.MEAN]) == {100.0}
    assert "After 1,000 steps the lines end between 40.0 % and 97.0 % of the start." in caption("trajectory", one())


def test_a_study_has_a_line_per_condition_of_one_metric():
    found = seeds(3, networks=("small", "large"))
    table = prepared("trajectory", found)
    ratio = table.loc[table["quantity"] == d.RATIO]
    assert set(ratio[c.METRIC]) == {"qubd"}
    assert set(ratio["line"]) == {"true labels", "random labels"}
    (last,) = ratio.loc[(ratio[c.GROUP] == "small true") & (ratio[c.STEP] == 1000)].to_dict("records")
    whole = conditions.whole(found.ratios, "qubd")
    values = whole.loc[(whole[c.GROUP] == "small true") & (whole[c.STEP] == 1000), d.RATIO]
    assert (last["mean"], last["sd"], last["runs"]) == pytest.approx((100 * values.mean(), 100 * values.std(ddof=1), 3))


@pytest.mark.parametrize("count", [1, 4, 7])
def test_every_network_has_its_panels_up_to_six(count):
    found = seeds(1, networks=[f"n{index}" for index in range(count)])
    (drawing,) = draw(found, ["trajectory"])
    assert len([axes for axes in drawing.canvas.axes if axes.axison]) == 2 * min(6, count)


def test_without_losses_there_is_no_panel_of_them():
    (drawing,) = draw(one(losses=False), ["trajectory"])
    assert len(drawing.canvas.axes) == 1
    assert "loss" not in drawing.caption


def test_planes_are_relative_to_the_shuffled_self_where_there_is_one():
    table = prepared("trajectory_planes", one())
    assert set(table["quantity"]) == {d.RATIO_SHUFFLED}
    assert len(table) == 9
    (lowest,) = table.loc[(table[c.PLANE] == 2) & (table[c.STEP] == 1000), d.MEAN]
    ratios = one().ratios
    expected = ratios.loc[(ratios[c.PLANE] == 2) & (ratios[c.STEP] == 1000), d.RATIO_SHUFFLED].item()
    assert lowest == pytest.approx(100 * expected)
    assert set(prepared("trajectory_planes", one(shuffled=False))["quantity"]) == {d.RATIO}


def test_the_most_significant_plane_is_on_top():
    (drawing,) = draw(one(), ["trajectory_planes"])
    axes = drawing.canvas.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "1", "0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "10", "1,000"]
    assert axes.get_ylim() == (3, 0)
    assert "The lowest is plane 2 at step 1,000, with 97.8 %." in drawing.caption.replace(NBSP, " ")


@pytest.mark.parametrize(
    "found",
    [
        one(steps=(0,)),
        one(steps=(0, 5, 10, 15)),
        one(shuffled=False, losses=False),
        one(planes=8, steps=(0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 143000)),
        seeds(2),
        results_of([*rows("a", steps=(3, 30)), run_row("a", reference=0)]),
    ],
)
def test_series_of_every_shape_can_be_drawn(found):
    assert list(said(found)) == LONG_SERIES


def test_what_does_not_apply_is_said(studies):
    with pytest.raises(InputError, match="figure grokking: this is a study of learning, the figure is of grokking"):
        draw(studies["learning"], ["grokking"])
    with pytest.raises(UnknownNameError, match="no figure 'groking'"):
        draw(studies["learning"], ["groking"])
    with pytest.raises(InputError, match="no run has ended well"):
        draw(study("grokking", failed=tuple(GROKKING)), ["grokking"])
    with pytest.raises(InputError, match="no bit planes were measured"):
        draw(one(planes=0), ["trajectory_planes"])
    assert "no step has a number" in not_drawn(results_of([run_row("a", status="failed")]))["trajectory"]
    assert metric_label("qubd") == "QuBD"
