import numpy as np
import pandas as pd
import pytest

from complexity_lab.figures.numbers import GLUE
from complexity_lab.report.controls import about_parts, about_resolution, about_shuffles, control_section
from complexity_lab.statistics import decompose, resolution_table
from tests.synthetic import Survey, make_survey, model_row, row, tables

ALL = ("shuffle", "gaussian", "permutation")


def plain(sentences):
    return " ".join(sentences).replace(GLUE, " ")


def shuffled(*pairs):
    """Trained values in percent of a shuffle mean of 1000 bits, and z."""
    return pd.DataFrame(
        {
            "z_shuffle": [z for _, z in pairs],
            "trained_mean": [10.0 * percent for percent, _ in pairs],
            "shuffle_mean": 1000.0,
        }
    )


def test_models_below_their_shuffles_are_counted_by_distance_and_by_size():
    found = plain(about_shuffles(shuffled((95, -50), (99.9, -3), (90, -1.9), (101, 4), (99, np.nan)), "bdm"))
    assert "BDM: 2 of 4 models are below shuffles of their own values by more than two standard deviations" in found
    assert "1 of them also by more than 1 %" in found
    assert about_shuffles(shuffled((99, np.nan)), "bdm") == []


def test_few_models_below_may_be_chance():
    many = [(100, 0.1)] * 20
    assert "by chance" in plain(about_shuffles(shuffled((99.9, -2.5), *many), "qubd"))
    assert "by chance" not in plain(about_shuffles(shuffled(*[(95, -20)] * 9), "qubd"))
    assert "by chance" not in plain(about_shuffles(shuffled(*many), "qubd"))


@pytest.mark.parametrize(
    ("pair", "words"),
    [((95, -50), "50.0 standard deviations below"), ((100.1, 3), "3.0 standard deviations above")],
)
def test_one_model(pair, words):
    found = plain(about_shuffles(shuffled(pair), "bdm"))
    assert words in found
    assert ("more than 1 %" in found) == (pair[0] == 95)


def test_parts_are_of_models_with_all_three_that_dropped():
    survey = make_survey(n_models=12, planes=2, nulls=ALL)
    parts = decompose(survey.tables.ratios)
    found = plain(about_parts(parts.loc[parts["metric"] == "bdm"], "bdm"))
    dropped = int((parts.loc[parts["metric"] == "bdm", "drop"] > 0).sum())
    assert f"BDM: {dropped} models dropped" in found
    assert "sign bias" in found
    assert "location and scale" in plain(about_parts(parts.loc[parts["metric"] == "qubd"], "qubd"))
    two = decompose(make_survey(n_models=5).tables.ratios)
    assert about_parts(two.loc[two["metric"] == "bdm"], "bdm") == []


def test_the_resolution_names_what_sets_it():
    table = resolution_table(make_survey(n_models=12).tables.ratios)
    bdm = table.loc[table["metric"] == "bdm"]
    found = plain(about_resolution(bdm, "bdm"))
    assert f"in {int(bdm['resolved'].sum())} of 12 models" in found
    assert about_resolution(bdm.assign(limit=np.nan), "bdm") == []


def test_the_table_holds_parts_that_add_up():
    section = control_section(make_survey(n_models=6, planes=2, nulls=ALL).tables)
    keys = [column.key for column in section.table.columns]
    for each in section.table.rows:
        cells = {key: cell.key for key, cell in zip(keys, each.cells, strict=True)}
        first = cells["location_scale_part"] if cells["metric_name"] == "QuBD" else cells["sign_bias_part"]
        total = first + cells["distribution_part"] + cells["arrangement_part"]
        assert total == pytest.approx(cells["drop_share"], abs=1e-12)
        assert cells["verdict"] in ("yes", "no")
    assert [choice.chosen for choice in section.table.choices if choice.tag == "metric-name"] == ["BDM"]
    assert [name for name, _ in section.nulls] == ["iid", *ALL]


def test_null_models_that_could_not_be_made_say_why():
    rows = [
        row("a", state, seed, "bdm", value)
        for state, value in (("initial", 100.0), ("trained", 90.0))
        for seed in (0, 1)
    ]
    rows += [row("a", state, 0, "bdm_iid_mean", 95.0) for state in ("initial", "trained")]
    why = {"status": "skipped", "reason": "needs a module"}
    rows += [row("a", "trained", 0, f"{m}_permutation_mean", None, **why) for m in ("bdm", "qubd", "qubd_plane1")]
    survey = Survey(*tables([model_row("a")], rows), make_survey(n_models=0).manifest)
    (found,) = control_section(survey.tables).missing
    assert found.replace(GLUE, " ") == (
        "neurons in another order, the function kept: BDM, bit planes of 1 model, because needs a module"
    )


def test_no_null_no_section():
    assert control_section(make_survey(n_models=3, metrics=("gzip",)).tables) is None
    assert control_section(make_survey(n_models=3, trained_seeds=0).tables) is None
    assert control_section(make_survey(n_models=0).tables) is None
