"""Figures of studies of rounding: prepared numbers, and that each can be drawn."""

import re

import pytest

from complexity_lab.figures.drawing import draw, not_drawn
from complexity_lab.figures.registry import figures_of
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c
from tests.synthetic_rounding import rounding

NAMES = ["quantized_accuracy", "suggested_bits", "quantized_methods", "quantized_layers"]


@pytest.fixture(scope="module")
def results():
    return rounding(failed=("vit_d96x4-seed1",))


def test_every_figure_is_drawn_and_has_its_numbers(results):
    drawings = draw(results)
    assert [drawing.name for drawing in drawings] == NAMES
    for drawing in drawings:
        assert "nan" not in drawing.caption
        assert not re.search(r"[{}]", drawing.caption)
        assert len(drawing.table) > 4


def test_the_strip_stands_over_the_bit_that_adds_its_plane(results):
    table = figures_of("rounding")["quantized_accuracy"].prepare(results)
    strip = (table["what"] == "plane") & (table[c.ARCHITECTURE] == "mlp_12") & (table[c.REFERENCE] == "shuffle")
    planes = table.loc[strip].set_index("kept_bits")
    assert planes[c.VALUE].loc[[1, 2]].tolist() == [80.0, 80.0]
    assert planes[c.VALUE].loc[3] == 100.0
    assert planes[c.PLANE].loc[1] == 7


def test_every_network_has_a_row_of_its_own(results):
    table = figures_of("rounding")["suggested_bits"].prepare(results)
    assert table.groupby(c.REFERENCE)[c.ARCHITECTURE].nunique().to_dict() == {"random": 4, "shuffle": 4}
    assert table[d.NEED].iloc[:4].tolist() == [5.0, 4.0, 3.0, 2.0]
    (drawing,) = draw(results, ["suggested_bits"])
    labels = [label.get_text() for label in drawing.canvas.axes[0].get_yticklabels()]
    assert labels == ["resnet8_w6", "tinynet_e", "mlp_12", "vit_d96x4"]


def test_every_row_of_cells_has_bits_below(results):
    (drawing,) = draw(results, ["quantized_accuracy"])
    curves = [axes for axes in drawing.canvas.axes if axes.get_ylim() == (0, 104)]
    assert len(curves) == 4
    assert all(axes.xaxis.get_tick_params()["labelbottom"] for axes in curves)


def test_a_study_of_one_network_leaves_out_what_needs_more():
    one = rounding(models=("mlp_12",), seeds=(0,))
    assert [drawing.name for drawing in draw(one)] == [name for name in NAMES if name != "suggested_bits"]
    assert not_drawn(one) == {"suggested_bits": "fewer than two models have been rounded"}


def test_an_empty_study_has_no_figures():
    assert set(not_drawn(rounding(models=()))) == set(NAMES)
