import numpy as np
import pytest

from complexity_lab.figures.numbers import GLUE
from complexity_lab.report.associations import HELD, about_accuracy, association_section, estimate_text
from complexity_lab.statistics import Association, Interval
from tests.synthetic import make_survey

NAN = float("nan")


def found(quantity, rho, q, reason=""):
    statistic = "partial rho" if quantity == HELD else "rho"
    interval = Interval(rho, rho - 0.2, rho + 0.2)
    return Association("bdm", quantity, statistic, interval, q, q, 40, reason=reason)


def plain(entries):
    return " ".join(about_accuracy(entries)).replace(GLUE, " ")


def test_an_association_has_a_direction_only_if_detected():
    falling = plain([found("accuracy", -0.6, 0.001), found(HELD, -0.1, 0.5)])
    assert "models with lower ratios are more accurate (Spearman ρ = −0.60" in falling
    assert "with parameters and family held fixed, no association is detected (partial ρ = −0.10" in falling
    assert "is no cause" in falling
    assert "are less accurate" in plain([found("accuracy", 0.6, 0.001)])
    unclear = plain([found("accuracy", -0.2, 0.3), found(HELD, -0.1, 0.5)])
    assert "accurate" not in unclear
    assert "no cause" not in unclear


def test_what_cannot_be_told_says_why():
    text = plain([found("accuracy", -0.2, 0.3), found(HELD, NAN, NAN, "9 models leave 0 degrees of freedom")])
    assert "it cannot be told (9 models leave 0 degrees of freedom)" in text
    assert "nan" not in text
    assert about_accuracy([found("accuracy", NAN, NAN, "no accuracy is known")]) == []
    assert about_accuracy([]) == []


@pytest.mark.parametrize(("estimate", "text"), [(NAN, "–"), (0.5, "0.50 (95 % interval 0.30 to 0.70)")])
def test_estimates_as_text(estimate, text):
    assert estimate_text(found("accuracy", estimate, 0.1)).replace(GLUE, " ") == text
    assert "to 1.0" in estimate_text(found("accuracy", 0.95, 0.1))  # rounding of a bootstrap passes one


def test_a_survey_with_accuracies_has_a_section_and_an_empty_one_has_none():
    rng = np.random.default_rng(0)
    section = association_section(make_survey(n_models=12, accuracy=True, zoo="timm").tables, rng)
    assert len(section.findings) >= 2
    assert {each.quantity for each in section.entries} >= {"parameters", "accuracy", "family"}
    assert association_section(make_survey(n_models=2).tables, rng) is None
    assert association_section(make_survey(n_models=0).tables, rng) is None
