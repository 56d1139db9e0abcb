import dataclasses

import numpy as np
import pandas as pd
import pytest

from complexity_lab.figures.numbers import GLUE
from complexity_lab.report.planes import about_planes, about_shuffles, plane_lines, plane_section
from complexity_lab.statistics import Interval, MetricSummary, wilson
from tests.synthetic import make_survey


def plain(sentences):
    return " ".join(sentences).replace(GLUE, " ")


def section_of(**shape):
    return plane_section(make_survey(**{"planes": 4, **shape}).tables, np.random.default_rng(0))


def summary(plane, ratio, p, n=10):
    below = n if ratio < 1 else 0
    return MetricSummary(
        metric=f"qubd_plane{plane}",
        n_compared=n,
        n_below=below,
        below=wilson(below, n),
        median_ratio=Interval(ratio, ratio - 0.001, ratio + 0.001),
        wilcoxon_p=p,
        n_significant=3,
    )


def test_lines_come_from_the_most_significant_plane_down_and_are_tested_together():
    lines = plane_lines([summary(0, 1.0001, 0.5), summary(1, 0.99, 0.03), summary(2, 0.9, 0.001)])
    assert [line.plane for line in lines] == [2, 1, 0]
    assert [line.q_value for line in lines] == pytest.approx([0.003, 0.045, 0.5])
    assert [line.direction for line in lines] == [-1, -1, 0]
    assert lines[0].median_percent.estimate == pytest.approx(90)


def test_only_planes_that_pass_the_test_are_said_to_change():
    found = plain(about_planes(plane_lines([summary(0, 1.02, 1e-4), summary(1, 0.999, 0.9), summary(2, 0.9, 1e-4)])))
    assert "plane 2 fell and plane 0 rose" in found
    assert "for plane 1 no change is shown" in found
    assert "The largest change is that of plane 2, the most significant, which is at 90.0 %" in found
    none = plain(about_planes(plane_lines([summary(0, 0.999, 0.9), summary(1, 0.9, 0.06)])))
    assert "No plane changed in one direction" in none
    assert "fell" not in none


def test_a_plane_whose_test_is_undefined_is_not_said_to_change():
    (line,) = plane_lines([summary(0, 1.0, float("nan"))])
    assert line.direction == 0
    assert "nan" not in plain(about_planes([line]))


def test_few_models_show_no_plane_in_general():
    found = plain(about_planes(plane_lines([summary(0, 0.9, 0.001, n=3)])))
    assert "3 models cannot show which planes change" in found
    assert "Over the models" not in found
    one = dataclasses.replace(plane_lines([summary(0, 0.9, 0.5, n=1)])[0], median_percent=Interval(90, np.nan, np.nan))
    assert "90.0 % of the initial weights in the one model compared." in plain(about_planes([one]))
    assert about_planes([]) == []


def test_shuffles_are_counted_in_their_own_standard_deviations():
    table = pd.DataFrame({"percent": [95.0, 99.5, 99.99, 101.0, np.nan], "noise": [0.1, 0.1, 0.1, 0.1, 0.1]})
    found = plain(about_shuffles(table))
    assert "2 of 4 models are below them by more than two of their standard deviations" in found
    assert "1 of these by more than 1 %" in found
    assert about_shuffles(table.iloc[4:]) == []
    assert "is not clearly below" in plain(about_shuffles(table.iloc[2:3]))
    unknown = plain(about_shuffles(table.assign(noise=np.nan)))
    assert "0 of 4 models are below" in unknown


def test_every_model_has_a_row_per_reference_and_a_column_per_plane():
    section = section_of(n_models=7, nulls=("shuffle",))
    table = section.table
    labels = [column.label for column in table.columns]
    assert labels[6:] == ["plane 3", "plane 2", "plane 1", "plane 0"]
    assert len(table.rows) == 21
    assert [row.tags["reference"] for row in table.rows] == ["initial"] * 7 + ["own"] * 7 + ["shuffled"] * 7
    sums = [row.cells[4].key for row in table.rows[:7]]
    assert sums == sorted(sums)
    (_, reference) = table.choices
    assert reference.chosen == "initial"
    assert "QuBD, the sum over 4 bit planes, fell in" in plain(section.findings)


def test_rules_are_shown_as_they_were_recorded():
    survey = make_survey(n_models=2, planes=2)
    assert plane_section(survey.tables, np.random.default_rng(0)).rules == (("rules", "none by name"),)
    marked = survey.measurements.assign(preset="qubd-paper", departures="exact quantiles")
    survey = dataclasses.replace(survey, measurements=marked)
    assert plane_section(survey.tables, np.random.default_rng(0)).rules == (
        ("rules", "qubd-paper"),
        ("departures from the publication", "exact quantiles"),
    )


def test_there_is_no_section_without_planes_of_both_states():
    assert section_of(n_models=3, planes=0) is None
    assert section_of(n_models=3, trained_seeds=0) is None
    assert section_of(n_models=0) is None
    assert section_of(n_models=2, failed=2) is None
