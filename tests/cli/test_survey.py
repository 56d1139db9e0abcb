"""``survey``, and ``figures`` and ``report`` of what it wrote."""

import pytest

from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table


@pytest.fixture
def survey(run, pairs, tmp_path):
    """Run a survey of the pairs into ``out``."""

    def command(*options):
        folder = ("--weights", pairs, "--out", tmp_path / "out", "--jobs", 1)
        return run("survey", "--zoo", "checkpoints", *folder, "--metrics", "bdm,gzip", *options)

    return command


def test_a_survey_becomes_rows_figures_and_a_page_and_is_kept(survey, run, tmp_path):
    out = tmp_path / "out"
    code, shown, told = survey()
    assert code == 0, told
    assert "3 ok, 0 failed (3 models done now, 0 kept)." in shown
    assert "Survey: 3 models of checkpoints" in told
    rows = read_table(out, "measurements")
    assert set(rows[c.MODEL]) == {"a", "b", "c"}
    assert {"bdm", "gzip"} <= set(rows[c.METRIC])
    assert (out / "report.html").exists()
    assert {path.suffix for path in (out / "figures").glob("bdm_ratio.*")} == {".pdf", ".png", ".csv", ".parquet"}
    assert "(0 models done now, 3 kept)" in survey()[1]
    code, _, told = survey("--preset", "fixed")
    assert (code, "holds results of another plan" in told) == (2, True)
    code, shown, _ = run("figures", out, "--name", "bdm_ratio", "--out", tmp_path / "figures")
    assert (code, "1 figure, each as" in shown) == (0, True)
    assert len(list((tmp_path / "figures").iterdir())) == 4


def test_figures_that_cannot_be_drawn_say_why(survey, run, tmp_path):
    survey("--no-report")
    out = tmp_path / "out"
    assert not (out / "report.html").exists()
    for options, words in (
        (("--name", "bdm_ratoi"), "did you mean bdm_ratio"),
        (("--name", "accuracy"), "no accuracy is known"),
    ):
        code, _, err = run("figures", out, *options)
        assert (code, words in err) == (2, True), err
    assert not (out / "figures").exists()


def test_some_failed_is_code_3_and_they_are_listed_and_can_be_done_again(survey, pairs):
    broken = pairs / "b" / "trained.safetensors"
    content = broken.read_bytes()
    broken.write_bytes(b"broken")
    code, shown, _ = survey("--no-report")
    assert code == 3
    assert "failed: b: " in shown
    broken.write_bytes(content)
    code, shown, _ = survey("--no-report", "--retry-failed")
    assert (code, "3 ok, 0 failed" in shown) == (0, True)


def test_none_ok_is_code_1(survey, pairs):
    for file in pairs.rglob("*.safetensors"):
        file.write_bytes(b"broken")
    code, shown, _ = survey()
    assert (code, "0 ok, 3 failed" in shown) == (1, True)


def test_a_limit_does_the_first_and_projects_the_rest(survey):
    assert "1 ok, 0 failed (1 model done now, 0 kept)." in survey("--limit", 1, "--no-report")[1]
    shown = survey("--limit", 3, "--no-report")[1]
    assert "(2 models done now, 1 kept)" in shown
    assert "projected: all 3 models take" in shown


def test_accuracies_are_kept_with_the_tables(survey, run, tmp_path):
    (tmp_path / "top.csv").write_text("model,top1\na,90.0\nb,80.0\n")
    assert survey("--no-report")[0] == 0
    assert run("report", tmp_path / "out", "--accuracy", tmp_path / "top.csv", "--out", tmp_path / "page.html")[0] == 0
    assert (tmp_path / "page.html").read_text().startswith("<!")
    assert (tmp_path / "out" / "accuracy.csv").read_text().startswith("model,top1")
    tables = ("--tables", tmp_path / "t", "--out", tmp_path / "none.html")
    code, _, told = run("report", tmp_path / "out", *tables)
    assert code == 2 and "a survey has no table of the MoMos paper" in told
    assert not (tmp_path / "none.html").exists()


def test_an_unwritable_place_is_one_sentence(survey, tmp_path):
    (tmp_path / "out").write_text("")
    code, _, told = survey()
    assert code == 1
    assert told.splitlines()[-1].startswith("complexity-lab: cannot write")
