import hashlib
import io

import pandas as pd
import pytest
from PIL import Image

from complexity_lab.errors import InputError, OutputError, UnknownNameError
from complexity_lab.figures import FIGURES, paint, render, svg_bytes
from complexity_lab.figures.figure import GROUPS
from complexity_lab.statistics import SurveyTables
from tests.synthetic import make_survey, model_row, row, tables


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    nulls = ("shuffle", "gaussian", "permutation")
    survey = make_survey(n_models=3, tensors=2, planes=2, nulls=nulls, accuracy=True)
    return survey.write(tmp_path_factory.mktemp("survey") / "run")


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "names", [["bdm_ratio", "ranked_planes", "controls"], pytest.param(list(FIGURES), marks=pytest.mark.slow)]
)
def test_every_figure_comes_with_its_table(survey, names):
    found = render(survey, names=names)
    assert [figure.name for figure in found] == names
    expected = SurveyTables.read(survey)
    for figure in found:
        assert figure.pdf.read_bytes().startswith(b"%PDF")
        with Image.open(figure.png) as image:
            assert image.size[0] >= 7 * 200
        table = pd.read_csv(figure.table)
        assert len(table) == len(FIGURES[figure.name].prepare(expected))
        pd.testing.assert_frame_equal(
            pd.read_parquet(figure.table.with_suffix(".parquet")), FIGURES[figure.name].prepare(expected)
        )
    assert {path.parent for path in (found[0].pdf, found[0].png)} == {survey / "figures"}


def test_equal_tables_give_equal_files(survey, tmp_path):
    for name in ("first", "second"):
        render(survey, tmp_path / name, ["layers"])
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert len(digests(tmp_path / "first")) == 4


def test_svg_is_deterministic_and_undated(survey):
    figure, tables = FIGURES["bdm_ratio"], SurveyTables.read(survey)
    first, second = (svg_bytes(paint(figure, figure.prepare(tables))) for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first


def test_unknown_names_suggest(survey, tmp_path):
    with pytest.raises(UnknownNameError, match="bdm_ratio"):
        render(survey, tmp_path, ["bdm_ratios"])


def test_a_figure_asked_for_that_does_not_apply_says_why(tmp_path):
    survey = make_survey(n_models=2, trained_seeds=0).write(tmp_path / "run")
    with pytest.raises(InputError, match="initial and trained"):
        render(survey, names=["bdm_ratio"])
    assert [figure.name for figure in render(survey)] == ["initial_spread"]


def test_an_output_that_is_a_file_is_refused(survey, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError):
        render(survey, tmp_path / "taken")


HARD = {
    "one model without seeds": [("a", [100.0], [90.0])],
    "no change at all": [("a", [100.0, 100.0], [100.0]), ("b", [100.0, 100.0], [100.0])],
    "one model far above": [("a", [100.0, 101.0], [90.0]), ("b", [100.0, 101.0], [400.0])],
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", ["bdm_ratio", "effect_size"])
def test_hard_tables_are_drawn(case, name):
    rows = []
    for model, initial, trained in HARD[case]:
        rows += [row(model, "initial", seed, "bdm", value) for seed, value in enumerate(initial)]
        rows += [row(model, "trained", None, metric, trained[0]) for metric in ("bdm", "bdm_iid_mean")]
    models = [model_row(f"{model}", family="a $ & <b>") for model, _, _ in HARD[case]]
    table = FIGURES[name].prepare(SurveyTables(*tables(models, rows)))
    assert len(svg_bytes(paint(FIGURES[name], table))) > 1000


@pytest.fixture(scope="module")
def many():
    nulls = ("shuffle", "permutation")
    more = {"planes": 2, "nulls": nulls, "accuracy": True}
    return make_survey(n_models=45, zoo="timm", trained_seeds=1, metrics=("bdm",), tensors=2, **more).tables


@pytest.mark.parametrize("name", ["decomposition", "layers", "plane_profiles"])
def test_many_models_are_drawn(many, name):
    table = FIGURES[name].prepare(many)
    assert len(svg_bytes(paint(FIGURES[name], table))) > 1000


def test_every_figure_has_a_group_of_the_report():
    assert {figure.group for figure in FIGURES.values()} == set(GROUPS)
    assert list(dict.fromkeys(figure.group for figure in FIGURES.values())) == list(GROUPS)  # together, in order


def test_every_table_survives_its_file(survey):
    tables = SurveyTables.read(survey)
    for figure in FIGURES.values():
        table = figure.prepare(tables)
        file = io.BytesIO()
        table.to_parquet(file, index=False)
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(file.getvalue())), table)


@pytest.mark.parametrize("name", [name for name, figure in FIGURES.items() if figure.group != "zoo"])
def test_one_model_without_a_spread_is_drawn(name):
    survey = make_survey(n_models=1, initial_seeds=1, trained_seeds=1, planes=1, nulls=("shuffle",), tensors=1)
    found = FIGURES[name].prepare(survey.tables)
    assert len(svg_bytes(paint(FIGURES[name], found))) > 1000


def test_no_text_leaves_the_page(many):
    """Names of many models are small, and were cut while the layout was made at another resolution than the file."""
    for name in ("ranked_planes", "controls"):
        canvas = paint(FIGURES[name], FIGURES[name].prepare(many))
        box = canvas.get_tightbbox()
        width, height = canvas.get_size_inches()
        assert box.x0 > -0.02
        assert box.y0 > -0.02
        assert box.x1 < width + 0.02
        assert box.y1 < height + 0.02
