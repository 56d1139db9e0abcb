import csv

import pytest

from complexity_lab.errors import InputError
from complexity_lab.report.training_table import write_training_table
from tests.synthetic_training import METHODS, write_experiment


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiment") / "table1"
    write_experiment(directory, failed=("mlp-qat-4-1",))
    return write_training_table(directory, "table1", "A <title> & 50 %")


def test_markdown_has_every_row_beside_the_printed_one(written):
    text = written["md"].read_text(encoding="utf-8")
    assert "| QAT, 4 bits | 93.10 ± 0.14 | 44.35 ± 1.05 | 8.00 | 8.0 |" in text
    assert "| MoMos, s = 4, 1 % | 87.10 ± 0.10 | 83.11 ± 0.51 | 8.38 | 8.4 |" in text
    assert text.count("| MoMos, ") == 3 * 8
    assert "2 (1 failed)" in text
    assert "- mlp-qat-4-1: the loss is nan" in text


def test_differences_are_explained(written):
    text = written["md"].read_text(encoding="utf-8")
    assert "MLP: 8 of 8 printed RAC values do not follow from the paper's formula" in text
    assert "MLP: the printed RAC is 14.3 at both 1 % and 0.5 %" in text
    assert "ResNet20: all 8 printed RAC values follow" in text
    assert "cannot be compared with those on digits" in text
    assert "MLP: QAT 4 below QAT 8: found" in text


def test_latex_is_escaped_and_balanced(written):
    text = written["tex"].read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("MoMos")]
    assert len(rows) == 3 * 8
    assert all(line.count("&") == 6 and line.endswith(r"\\") for line in rows)
    assert r"s = 4, 1 \%" in text
    assert r"A <title> \& 50 \%" in text
    assert text.count("{") == text.count("}")


def test_html_is_self_contained_and_escaped(written):
    text = written["html"].read_text(encoding="utf-8")
    assert "A &lt;title&gt; &amp; 50 %" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count("data:image/svg+xml;base64,") == 3


def test_the_numbers_behind_it(written):
    with written["csv"].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(METHODS)
    assert float(rows[0]["accuracy"]) == pytest.approx(95.1)


def test_nothing_finished(tmp_path):
    write_experiment(tmp_path / "empty", models=())
    with pytest.raises(InputError, match=r"no run of .* has ended well yet"):
        write_training_table(tmp_path / "empty")
