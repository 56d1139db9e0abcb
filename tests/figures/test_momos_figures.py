"""Figures of MoMos experiments: prepared numbers, shared axes, legends that name what is drawn."""

from dataclasses import replace

import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.figures.drawing import draw, not_drawn, paint
from complexity_lab.figures.registry import figures_of
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c
from complexity_lab.tables.rows import Run
from tests.synthetic_training import experiment, experiment_study

NAMES = ["capacity", "trade_off", "distortion"]


@pytest.fixture(scope="module")
def results():
    return experiment()


def prepared(name, results):
    return figures_of("training")[name].prepare(results)


def caption(name, results):
    return figures_of("training")[name].caption(prepared(name, results))


def legend(drawing):
    return [text.get_text() for text in drawing.canvas.legends[0].get_texts()]


@pytest.mark.parametrize("choices", [{}, {"seeds": (0,)}, {"models": ("mlp",), "failed": ("mlp-momos-s2-c0.1-0",)}])
def test_every_figure_is_drawn(choices):
    drawings = draw(experiment(**choices))
    assert [drawing.name for drawing in drawings] == NAMES
    assert not [drawing.name for drawing in drawings if "nan" in drawing.caption.split()]


def test_equal_tables_give_equal_pictures(results):
    first, second = (paint(figures_of("training")["capacity"], prepared("capacity", results)).svg() for _ in "ab")
    assert first == second


def test_distortion_is_per_epoch_and_method(results):
    table = prepared("distortion", results)
    rows = table.loc[(table["quantity"] == "distortion") & (table[c.ARCHITECTURE] == "mlp") & (table[c.EPOCH] == 2)]
    assert len(rows) == 8
    assert set(rows[d.MEAN]) == {50.0}
    assert "the distortion fell in 24 of 24 mosaics" in caption("distortion", results)


def test_no_panel_of_distortion_has_more_lines_than_capacities(results):
    (drawing,) = draw(results, ["distortion"])
    assert len(drawing.canvas.axes) == 2 * 3 * 2
    assert {len(axes.get_lines()) for axes in drawing.canvas.axes} == {4}


def test_capacity_has_a_row_per_mosaic_and_the_baseline(results):
    table = prepared("capacity", results)
    assert table.groupby(c.METHOD_KIND).size().to_dict() == {"baseline": 3, "momos": 24}
    assert "MLP is lowest at s = 4, 0.5 % (85.9 %)" in caption("capacity", results)


@pytest.mark.parametrize("name", ["capacity", "trade_off"])
def test_accuracies_of_all_networks_are_on_one_axis_from_zero(results, name):
    (drawing,) = draw(results, [name])
    assert {axes.get_ylim() for axes in drawing.canvas.axes} == {(0, 103)}


def test_a_legend_names_what_is_drawn_and_nothing_else(results):
    table = prepared("capacity", results)
    figure = figures_of("training")["capacity"]
    assert legend(paint(figure, table)) == ["s = 2", "s = 4", "baseline", "guessing"]
    without = table.loc[table[c.METHOD_KIND] != "baseline"]
    assert legend(paint(figure, without)) == ["s = 2", "s = 4", "guessing"]


def test_how_often_weights_are_projected_is_told_apart():
    study = experiment_study(models=("mlp",), seeds=(0,))
    both = [
        replace(row, model=f"{row.model}-{every}", every=every)
        for row in study.rows
        if isinstance(row, Run) and row.method_kind == "momos"
        for every in ("step", "epoch")
    ]
    (drawing,) = draw(replace(study, rows=both).results, ["capacity"])
    assert {"projected every epoch", "projected every step"} <= set(legend(drawing))
    assert "Weights are projected every epoch and projected every step." in drawing.caption


def test_trade_off_names_the_cheapest_near_the_baseline(results):
    assert "MLP: RAC 4.0 (qat-8)" in caption("trade_off", results)


def test_what_does_not_apply_is_said():
    nothing = experiment(models=())
    assert set(not_drawn(nothing)) == set(figures_of("training"))
    with pytest.raises(InputError, match="figure distortion: no run trained with motifs"):
        draw(nothing, ["distortion"])
    with pytest.raises(UnknownNameError, match="no figure 'capacities'"):
        draw(nothing, ["capacities"])
