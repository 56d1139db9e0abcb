"""The page of a series: what was measured, the table of steps, figures, and what failed; no number is a hole."""

import pytest

from complexity_lab.errors import InputError
from complexity_lab.figures.trajectory import render_trajectory
from complexity_lab.report.series_page import step_table, write_series_page
from complexity_lab.trajectory.store import TrajectoryStore
from tests.synthetic_trajectory import one, row, rows

PLAN = {"source": "/here", "name": "a", "rules": {"bits": 3}, "preset": "fixed", "shuffles": 5, "seed": 0}


def write(tmp_path, steps, **plan):
    store = TrajectoryStore(tmp_path / "out")
    store.write(row("a", parameters=1234, reference=0), steps, store.prepare(PLAN | plan))
    return tmp_path / "out"


def test_the_page_says_what_was_measured(tmp_path):
    directory = write(tmp_path, rows("a"))
    page = write_series_page(directory, render_trajectory(directory)).read_text(encoding="utf-8")
    assert page.startswith("# a: complexity over training\n\n3 checkpoints of 1.2")
    assert "steps 0 to 1,000. Ratios are relative to step 0. Bit planes: 3, by the rules fixed." in page
    assert "5 permutations" in page
    assert "![Complexity over training](figures/trajectory.png)" in page
    assert "- The validation loss is smallest at step 10: 1.284." in page
    assert "| 1,000 |" in page
    assert "nan" not in page.lower()
    assert "What failed" not in page


def test_what_failed_is_listed(tmp_path):
    steps = rows("a")
    for each in steps:
        if each["step"] == 10:
            each |= {"status": "failed", "value": None, "reason": "it is | truncated"}
    page = write_series_page(write(tmp_path, steps)).read_text(encoding="utf-8")
    assert "- step 10 (step-10): it is | truncated" in page
    assert "nan" not in page.lower()


@pytest.mark.parametrize("given", [{"losses": False}, {"shuffled": False}, {"planes": 0}, {"steps": (7,)}])
def test_what_was_not_measured_has_no_column(tmp_path, given):
    page = write_series_page(write(tmp_path, rows("a", **given))).read_text(encoding="utf-8")
    assert "nan" not in page.lower()
    assert ("loss" in page) == (given != {"losses": False})
    assert ("shuffled self" in page) == (given != {"shuffled": False})
    assert ("QuBD" in page) == (given != {"planes": 0})


def test_the_table_of_steps():
    head, *body = step_table(one())
    assert head[:3] == ["step", "training loss", "validation loss"]
    assert head[3:] == [
        "BDM, % of start",
        "BDM, % of shuffled self",
        "QuBD, % of start",
        "QuBD, % of shuffled self",
        "gzip, % of start",
    ]
    assert [line[0] for line in body] == ["0", "10", "1,000"]
    assert body[0][3] == "100.0"
    assert body[2][3] == "97.0"


def test_a_series_that_is_not_finished(tmp_path):
    store = TrajectoryStore(tmp_path / "out")
    store.prepare(PLAN)
    (tmp_path / "out" / "series").mkdir()
    with pytest.raises(InputError, match="no finished series"):
        write_series_page(tmp_path / "out")
