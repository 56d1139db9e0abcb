import math

import pytest

from complexity_lab.errors import InputError
from complexity_lab.statistics.accuracy import NO_SOURCE, NOT_IN_FILE, model_accuracy, read_accuracy
from complexity_lab.statistics.results import open_results
from tests.synthetic import model_row, survey_study, tables

HEAD = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"


def line(model, top1, size=224, top5=99.0, parameters="25.56"):
    return (
        f'{model},{size},{top1},{100 - top1 if isinstance(top1, float) else ""},{top5},1.0,"{parameters}",1.0,bicubic\n'
    )


@pytest.fixture
def published(tmp_path):
    def write(*lines, head=HEAD):
        path = tmp_path / "accuracy.csv"
        path.write_text(head + "".join(lines))
        return read_accuracy(path)

    return write


def matched(models, published=None):
    return model_accuracy(tables(models, [])[0], published).set_index("model")


def test_percent_become_fractions_and_commas_go(published):
    found = published(line("vit_giant.in22k", 88.5, parameters="1,014.45")).iloc[0]
    assert (found["name"], found["architecture"]) == ("vit_giant.in22k", "vit_giant")
    assert found["top1"] == pytest.approx(0.885)
    assert found["top5"] == pytest.approx(0.99)
    assert found["parameters"] == pytest.approx(1.01445e9)


def test_model_and_top1_are_enough(published):
    found = published("a,50\n", head="model,top1\n").iloc[0]
    assert found["top1"] == 0.5
    assert math.isnan(found["top5"])
    assert math.isnan(found["img_size"])


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        ("", ["\x00\x01"], "wanted also model, top1"),
        ("model,top5\n", ["a,50\n"], "wanted also top1"),
        (HEAD, ["a,224\n"], "top1 of a is '', wanted a number"),
        (HEAD, [line("a", "best")], "top1 of a is 'best', wanted a number"),
        (HEAD, [line("a", 101.0)], "top1 of a is 101, wanted 0 to 100 percent"),
        (HEAD, [line("b", 50.0), line("a", -0.5)], "top1 of a is -0.5"),
        (HEAD, [line("a", "nan")], "top1 of a is 'nan'"),
        (HEAD, [line("a", "inf")], "top1 of a is 'inf'"),
        (HEAD, [line("a", 50.0, top5=101)], "top5 of a is 101"),
        (HEAD, [line("a", 50.0, parameters="many")], "param_count of a is 'many'"),
        (HEAD, [line("a", 50.0), line("b", 50.0).strip() + ",1,2,3\n"], "cannot be read as CSV"),
        ("model,top1\n", ["a,50,60\n"], "more fields than its header"),
        (HEAD, [line("", 50.0)], "row 1 names no model"),
        ("", [""], "cannot be read as CSV"),
    ],
)
def test_what_is_no_file_of_accuracies_says_so_in_one_sentence(published, head, lines, message):
    with pytest.raises(InputError, match=message) as raised:
        published(*lines, head=head)
    assert "\n" not in str(raised.value).strip()


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_accuracy(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read"):
        read_accuracy(tmp_path / "binary.csv")


def test_the_id_goes_before_the_own_accuracy_and_this_before_the_architecture(published):
    file = published(line("r.a", 80.0), line("s.b", 70.0), line("t.c", 60.0))
    models = [
        model_row("r.a", architecture="r", test_accuracy=0.5),
        model_row("s.x", architecture="s", test_accuracy=0.4),
        model_row("t.x", architecture="t"),
        model_row("u.x", architecture="u"),
    ]
    found = matched(models, file)
    assert found["accuracy"].iloc[:3].tolist() == pytest.approx([0.8, 0.4, 0.6])
    assert found["origin"].tolist() == ["file", "survey", "file", ""]
    assert found["matched"].tolist() == ["r.a", "", "t.c", ""]
    assert found.loc["u.x", "reason"] == NOT_IN_FILE
    assert matched(models)["reason"].tolist() == ["", "", NO_SOURCE, NO_SOURCE]


def test_an_architecture_with_several_tags_is_ambiguous(published):
    file = published(line("r.a", 80.0), line("r.b", 81.0))
    found = matched([model_row("r", architecture="r")], file).iloc[0]
    assert math.isnan(found["accuracy"])
    assert found["reason"] == "2 models of this architecture in the file: r.a, r.b"


def test_of_several_sizes_the_smallest_counts_unless_its_rows_disagree(published):
    models = [model_row("r.a", architecture="r")]
    rows = [line("r.a", 82.0, size=288), line("r.a", 80.0), line("r.a", 80.0)]
    assert matched(models, published(*rows)).loc["r.a", "accuracy"] == 0.8
    found = matched(models, published(*rows, line("r.a", 80.5))).iloc[0]
    assert found["reason"] == "r.a is in the file 3 times with different top1: 80, 80.5"


def test_a_survey_reads_the_file_next_to_its_tables(tmp_path):
    survey = survey_study(n_models=10, zoo="timm", accuracy=True, tensors=1, metrics=("bdm",))
    found = open_results(survey.write(tmp_path / "run"))
    assert len(found.published) == 9
    assert (found.accuracies["origin"] == "file").sum() == 9
    (tmp_path / "run" / "accuracy.csv").write_text("nothing\n")
    with pytest.raises(InputError, match=r"accuracy\.csv"):
        _ = open_results(tmp_path / "run").accuracies
    (tmp_path / "run" / "accuracy.csv").unlink()
    assert open_results(tmp_path / "run").published is None


def test_no_models():
    assert len(model_accuracy(tables([], [])[0], None)) == 0
