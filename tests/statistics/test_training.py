import numpy as np
import pandas as pd
import pytest

from complexity_lab.errors import InputError
from complexity_lab.momos.recipes import RECIPES
from complexity_lab.statistics.findings import findings
from complexity_lab.statistics.training import (
    PAPER_RECIPE,
    TrainingTables,
    beside_published,
    means_over_seeds,
    published,
    same_when_printed,
)
from tests.synthetic_training import METHODS, accuracy, write_experiment


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiment") / "table1"
    return TrainingTables.read(write_experiment(directory, failed=("mlp-qat-4-1",)))


def test_means_are_over_the_seeds_that_ended_well(tables):
    table = means_over_seeds(tables.runs).set_index(["model", "method"])
    assert len(table) == 3 * len(METHODS)
    values = [100 * accuracy(METHODS[0], seed) for seed in range(3)]
    assert table.loc[("mlp", "baseline"), "accuracy"] == pytest.approx(np.mean(values))
    assert table.loc[("mlp", "baseline"), "accuracy_sd"] == pytest.approx(np.std(values, ddof=1))
    assert tuple(table.loc[("mlp", "qat-4"), ["seeds", "failed"]]) == (2, 1)


def test_methods_stand_in_the_order_of_the_paper(tables):
    table = means_over_seeds(tables.runs.sample(frac=1, random_state=0))
    assert list(dict.fromkeys(table["model"])) == ["mlp", "resnet20", "tiny_vit_5m"]
    assert list(table.loc[table["model"] == "mlp", "method"]) == [method["method"] for method in METHODS]


def test_every_row_of_table_1_meets_its_printed_one(tables):
    table = beside_published(means_over_seeds(tables.runs))
    assert table["rac_printed"].notna().all()
    row = table.set_index(["model", "method"]).loc[("tiny_vit_5m", "momos-s4-c0.01")]
    assert (row["accuracy_printed"], row["accuracy_sd_printed"], row["rac_printed"]) == (83.11, 0.51, 8.4)


def test_printed_rac_follows_from_the_formula_where_it_does(tables):
    """ALGORITHMS 2.6: all of ResNet20, all but one of Tiny-ViT, none of the MLP."""
    table = beside_published(means_over_seeds(tables.runs))
    momos = table.loc[table["kind"] == "momos"]
    follows = [same_when_printed(row.rac_formula, row.rac_printed, 1) for row in momos.itertuples()]
    assert pd.Series(follows, index=momos["model"]).groupby(level=0).sum().to_dict() == {
        "mlp": 0,
        "resnet20": 8,
        "tiny_vit_5m": 7,
    }


def test_published_tables_are_complete():
    assert published().groupby("table").size().to_dict() == {"table1": 36, "table2": 12}


def test_orderings_that_are_there_are_found(tables):
    found = findings(means_over_seeds(tables.runs))
    assert {finding.verdict for finding in found} == {"found"}
    assert len(found) == 3 * 4
    assert found[0].sentence.startswith("mlp: accuracy falls as capacity falls at s = 2: found (10 %: 93.10")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"accuracy": lambda table: 190 - table["accuracy"]}, "not found"),
        ({"accuracy_sd": lambda table: 0 * table["accuracy"] + 50.0}, "too close to tell"),
        ({"seeds": lambda table: 0 * table["seeds"] + 1}, "too close to tell"),
    ],
)
def test_orderings_that_are_not_there_are_not_found(tables, change, verdict):
    table = means_over_seeds(tables.runs).assign(**change)
    assert {finding.verdict for finding in findings(table)} == {verdict}


def test_networks_that_do_not_learn_are_not_compared(tables):
    table = means_over_seeds(tables.runs).assign(accuracy=lambda table: table["accuracy"] / 4)
    assert {finding.verdict for finding in findings(table)} == {"neither learns"}


def test_a_fall_between_the_ends_alone_is_called_so(tables):
    table = means_over_seeds(tables.runs)
    level = (table["model"] == "mlp") & (table["method"] == "momos-s2-c0.05")
    other = (table["model"] == "mlp") & (table["method"] == "momos-s2-c0.1")
    table.loc[level, "accuracy"] = table.loc[other, "accuracy"].item()
    said = {(finding.model, finding.expected): finding.verdict for finding in findings(table)}
    assert said["mlp", "accuracy falls as capacity falls at s = 2"] == "found between the ends"


def test_a_rise_between_capacities_is_not_a_fall(tables):
    table = means_over_seeds(tables.runs)
    dip = (table["model"] == "mlp") & (table["method"] == "momos-s2-c0.05")
    table.loc[dip, "accuracy"] = 60.0
    said = {(finding.model, finding.expected): finding.verdict for finding in findings(table)}
    assert said["mlp", "accuracy falls as capacity falls at s = 2"] == "not found"
    assert said["resnet20", "accuracy falls as capacity falls at s = 2"] == "found"


def test_no_experiment(tmp_path):
    with pytest.raises(InputError, match="holds no manifest"):
        TrainingTables.read(tmp_path)


@pytest.mark.parametrize(
    ("ours", "printed", "decimals", "same"),
    [(4.04, 4.0, 1, True), (4.06, 4.0, 1, False), (11.348, 11.3, 1, True), (0.745, 0.75, 2, True)],
)
def test_rounding_to_printed_digits(ours, printed, decimals, same):
    assert same_when_printed(ours, printed, decimals) is same


def test_the_paper_trains_as_our_recipes_of_that_name():
    for column, values in PAPER_RECIPE.items():
        name = column.removesuffix("_planned")
        assert values == {model: getattr(RECIPES[model], name) for model in values}
