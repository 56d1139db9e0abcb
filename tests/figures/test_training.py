import pandas as pd
import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.figures import capacity, distortion, trade_off
from complexity_lab.figures.training import TRAINING_FIGURES, render_training
from complexity_lab.statistics.training import TrainingTables
from tests.synthetic_training import write_experiment


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_experiment(tmp_path_factory.mktemp("experiment") / "table1")


@pytest.fixture(scope="module")
def tables(directory):
    return TrainingTables.read(directory)


def test_every_figure_is_written_with_its_table(directory, tmp_path):
    rendered = render_training(directory, tmp_path / "figures")
    assert [figure.name for figure in rendered] == list(TRAINING_FIGURES)
    for figure in rendered:
        assert figure.pdf.stat().st_size > 1000
        assert figure.png.stat().st_size > 1000
        assert len(pd.read_csv(figure.table))


def test_figures_are_identical_for_identical_tables(directory, tmp_path):
    first = render_training(directory, tmp_path / "a", ["capacity"])[0]
    second = render_training(directory, tmp_path / "b", ["capacity"])[0]
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.pdf.read_bytes() == second.pdf.read_bytes()


def test_distortion_is_per_epoch_and_method(tables):
    table = distortion.prepare(tables)
    rows = table.loc[(table["quantity"] == "distortion") & (table["model"] == "mlp") & (table["epoch"] == 2)]
    assert len(rows) == 8
    assert set(rows["mean"]) == {50.0}
    assert "the distortion fell in 24 of 24 mosaics" in distortion.caption(table)


def test_capacity_has_a_row_per_mosaic_and_the_baseline(tables):
    table = capacity.prepare(tables)
    assert table.groupby("kind").size().to_dict() == {"baseline": 3, "momos": 24}
    assert "MLP is lowest at s = 4, 0.5 % (85.9 %)" in capacity.caption(table)


def test_trade_off_names_the_cheapest_near_the_baseline(tables):
    assert "MLP: RAC 4.0 (qat-8)" in trade_off.caption(trade_off.prepare(tables))


def test_what_does_not_apply_is_said(tmp_path):
    directory = write_experiment(tmp_path / "empty", models=())
    with pytest.raises(InputError, match="figure distortion: no run trained with motifs"):
        render_training(directory, names=["distortion"])
    with pytest.raises(UnknownNameError, match="no figure 'capacities'"):
        render_training(directory, names=["capacities"])
