"""Figures and page of a study: they are written, and their words follow the numbers."""

import re

import numpy as np
import pytest

from complexity_lab.errors import InputError
from complexity_lab.figures.quantization import QUANTIZATION_FIGURES, render_quantization
from complexity_lab.report.quantization_page import build_page, write_quantization_page
from complexity_lab.report.quantization_sentences import _judged, _verdict, failures, findings
from complexity_lab.statistics.quantization import QuantizationTables
from complexity_lab.tables.store import read_manifest
from tests.quantization.synthetic import write_study


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study") / "out", failed=("vit_d96x4-seed1",))


@pytest.mark.parametrize("name", QUANTIZATION_FIGURES)
def test_captions_have_all_their_numbers(directory, name):
    figure, tables = QUANTIZATION_FIGURES[name], QuantizationTables.read(directory)
    assert figure.applies(tables) is None
    caption = figure.caption(figure.prepare(tables))
    assert "nan" not in caption
    assert not re.search(r"[{}]", caption)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUANTIZATION_FIGURES)
def test_every_figure_is_drawn_with_its_table(directory, tmp_path, name):
    (rendered,) = render_quantization(directory, tmp_path, [name])
    assert rendered.png.stat().st_size > 10_000
    assert rendered.table.read_text().count("\n") > 4


def test_the_strip_stands_over_the_bit_that_adds_its_plane(directory):
    table = QUANTIZATION_FIGURES["quantized_accuracy"].prepare(QuantizationTables.read(directory))
    planes = table.loc[(table["what"] == "plane") & (table["model"] == "mlp_12") & (table["reference"] == "shuffle")]
    assert planes.set_index("x")["value"].loc[[1, 2]].tolist() == [80.0, 80.0]
    assert planes.set_index("x")["value"].loc[3] == 100.0
    assert planes.set_index("x")["plane"].loc[1] == 7


@pytest.mark.slow
def test_a_study_of_one_model_leaves_out_what_needs_more(tmp_path):
    one = write_study(tmp_path / "one", models=("mlp_12",), seeds=(0,))
    page = write_quantization_page(one).read_text()
    assert "suggested_bits.png" not in page
    assert (one / "figures" / "quantized_layers.pdf").exists()
    assert "quantized_accuracy.png" in page


def test_the_page_says_what_the_numbers_say(directory):
    page = build_page(QuantizationTables.read(directory), read_manifest(directory), {"suggested_bits": "Words."})
    assert page.startswith("# Title\n\nQuestion?")
    assert "nan" not in page.replace("the loss is nan", "")
    assert (
        "| resnet8_w6 | 11 k | 95.0 | 40.0 | 30.0 | 20.0 | 10.0 | 0.0 | 5.0 | 3.00 | 20.0 | 3.00 | 20.0 | 15.0 |"
        in (page.replace("\N{NO-BREAK SPACE}", " "))
    )
    assert "Failed: vit_d96x4-seed1: the loss is nan." in page
    assert "Command: `complexity-lab study run x.toml`" in page
    assert "](figures/suggested_bits.png)\n\nWords." in page


def test_failures_name_models_with_too_few_and_with_too_many_bits(directory):
    few, many, layers, worst = failures(QuantizationTables.read(directory))
    assert few.startswith("Too few bits: with margin 2, 2 of 4 models lose more: resnet8_w6 20.00 points at 3.00 bits")
    assert many == (
        "Too many bits: 2 of 4 models get at least one bit more than they need: mlp_12 4.00 bits, needs 3.0; "
        "vit_d96x4 3.00 bits, needs 2.0."
    )
    assert "margin 0: " in layers
    assert "3.weight" in worst


def test_findings_compare_with_what_needs_no_planes(directory):
    text = " ".join(findings(QuantizationTables.read(directory)))
    assert "3 of 4\N{NO-BREAK SPACE}models lose at most 1 point of test accuracy from 4 bits on" in text
    assert "resnet8_w6 needs most, 5.0" in text
    assert "margin 0: −2.50 points and 0.25 bits" in text


def test_judgements_need_more_than_a_few_models():
    assert _judged(np.array([-1.0, -2.0, -3.0])) == "neither"
    assert _judged(-np.arange(1.0, 9.0)) == "less"
    assert _judged(np.arange(1.0, 9.0)) == "more"
    assert _judged(np.zeros(9)) == "neither"
    assert "cannot be said that" in _verdict(-0.1, 0.5)
    assert "tell something" in _verdict(0.1, 0.5)
    assert "wrong way" in _verdict(-0.5, -0.1)
    assert "cannot be said." in _verdict(float("nan"), 0.5)


def test_an_empty_study_has_no_page(tmp_path):
    empty = write_study(tmp_path / "empty", models=())
    with pytest.raises(InputError, match="no network"):
        write_quantization_page(empty)
