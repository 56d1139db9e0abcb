"""Results to files: complete, the same for the same tables, and refused with a reason."""

import hashlib

import pandas as pd
import pytest
from PIL import Image

from complexity_lab.errors import InputError, OutputError, UnknownNameError
from complexity_lab.figures.drawing import FORMATS, draw, not_drawn, paint, save
from complexity_lab.figures.registry import figures_of
from complexity_lab.statistics.results import open_results
from tests.synthetic import Study, make_survey, model_row, null_row, row, survey_study

FIGURES = figures_of("survey")
NULLS = ("shuffle", "gaussian", "permutation")
SHORT = ["bdm_ratio", "ranked_planes", "controls"]
SHAPES = {
    "some models": {"n_models": 3, "tensors": 2, "planes": 2, "nulls": NULLS, "accuracy": True},
    "one model": {"n_models": 1, "tensors": 1, "planes": 1, "nulls": NULLS, "accuracy": True},
    "one model without a spread": {
        **{"n_models": 1, "initial_seeds": 1, "trained_seeds": 1},
        **{"planes": 1, "nulls": ("shuffle",), "tensors": 1, "accuracy": True},
    },
    "many models": {
        **{"n_models": 45, "zoo": "timm", "trained_seeds": 1, "metrics": ("bdm",)},
        **{"tensors": 2, "planes": 2, "nulls": ("shuffle", "permutation"), "accuracy": True},
    },
}


@pytest.fixture(scope="module")
def results():
    return make_survey(**SHAPES["some models"])


@pytest.fixture(scope="module")
def surveys():
    return {name: make_survey(**shape) for name, shape in SHAPES.items()}


def assert_inside(drawing):
    """No text leaves the page: long names were cut while the layout was made at another resolution than the file."""
    box, (width, height) = drawing.canvas.get_tightbbox(), drawing.canvas.get_size_inches()
    assert min(box.x0, box.y0) > -0.02
    assert box.x1 < width + 0.02
    assert box.y1 < height + 0.02


QUICK = {"one model without a spread", "some models"}
TALL = ("decomposition", "layers", "plane_profiles", "ranked_planes", "controls")  # of many models laid out otherwise
EVERY = [(name, shape) for name in FIGURES for shape in SHAPES]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(
            *case, marks=() if case[1] in QUICK or (case[1] == "many models" and case[0] in TALL) else pytest.mark.slow
        )
        for case in EVERY
    ],
)
def test_every_figure_draws_on_one_model_on_some_and_on_many(surveys, name, shape):
    figure = FIGURES[name]
    if figure.applies(surveys[shape]) is None:
        drawing = paint(figure, figure.prepare(surveys[shape]))
        assert_inside(drawing)
        assert len(drawing.svg()) > 1000


def test_files_hold_the_table_that_was_drawn(results, tmp_path):
    drawings = draw(results, SHORT)
    assert [drawing.name for drawing in drawings] == SHORT
    files = save(drawings, tmp_path / "new" / "figures")
    assert {file.name for file in files} == {f"{name}.{kind}" for name in SHORT for kind in FORMATS}
    for drawing in drawings:
        path = tmp_path / "new" / "figures" / drawing.name
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        with Image.open(path.with_suffix(".png")) as image:
            assert image.size[0] == 1540
        pd.testing.assert_frame_equal(pd.read_parquet(path.with_suffix(".parquet")), drawing.table, check_dtype=False)
        assert len(pd.read_csv(path.with_suffix(".csv"))) == len(drawing.table)


def test_equal_tables_give_equal_files(results, tmp_path):
    formats = (*FORMATS, "svg")
    digests = [
        [hashlib.sha256(file.read_bytes()).hexdigest() for file in save(draw(results, SHORT), tmp_path / each, formats)]
        for each in ("first", "second")
    ]
    assert digests[0] == digests[1]
    assert b"<dc:date>" not in (tmp_path / "first" / "controls.svg").read_bytes()


def test_a_directory_gives_what_its_tables_give(tmp_path):
    shape = {"n_models": 2, "tensors": 1}
    stored = open_results(survey_study(**shape).write(tmp_path / "run"))
    stored = draw(stored, ["bdm_ratio"])[0].table
    expected = FIGURES["bdm_ratio"].prepare(make_survey(**shape))
    pd.testing.assert_frame_equal(stored, expected)


def test_unknown_names_suggest_and_figures_that_do_not_apply_say_why(results):
    with pytest.raises(UnknownNameError, match="bdm_ratio"):
        draw(results, ["bdm_ratios"])
    initial = make_survey(n_models=2, trained_seeds=0)
    with pytest.raises(InputError, match="initial and trained"):
        draw(initial, ["initial_spread", "bdm_ratio"])
    assert [drawing.name for drawing in draw(initial)] == ["initial_spread"]
    assert set(not_drawn(initial)) == set(FIGURES) - {"initial_spread"}


def test_what_cannot_be_written_is_refused(results, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError):
        save([], tmp_path / "taken")
    with pytest.raises(InputError, match="bmp"):
        save(draw(results, ["bdm_ratio"]), tmp_path, ("bmp",))


HARD = {
    "one model without seeds": [("a", [100.0], 90.0)],
    "no change at all": [("a", [100.0, 100.0], 100.0), ("b", [100.0, 100.0], 100.0)],
    "one model far above": [("a", [100.0, 101.0], 90.0), ("b", [100.0, 101.0], 400.0)],
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", ["bdm_ratio", "effect_size", "resolution", "controls"])
def test_hard_tables_are_drawn(case, name):
    rows = []
    for model, initial, trained in HARD[case]:
        rows += [row(model, "initial", seed, "bdm", value) for seed, value in enumerate(initial)]
        rows.append(row(model, "trained", None, "bdm", trained))
        rows += null_row(rows[-1], "iid", trained, 0.0)
    models = [model_row(model, family="a $ & <b>") for model, _, _ in HARD[case]]
    results = Study(kind="survey", rows=[*models, *rows], plan={}).results
    drawing = paint(FIGURES[name], FIGURES[name].prepare(results))
    assert_inside(drawing)
    assert len(drawing.svg()) > 1000


def test_numbers_that_are_not_there_are_drawn_as_such(results):
    """Every number that may be unknown is: only those that make a row are kept."""
    for name in ("bdm_ratio", "effect_size", "resolution", "layers", "layer_planes", "controls", "ranked_planes"):
        table = FIGURES[name].prepare(results)
        unknown = [column for column in table if "sd" in column or "noise_percent" in column or "iid" in column]
        table = table.assign(**dict.fromkeys(unknown, float("nan")))
        assert len(paint(FIGURES[name], table).svg()) > 1000
        assert "nan" not in FIGURES[name].caption(table)
