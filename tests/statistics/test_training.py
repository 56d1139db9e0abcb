import numpy as np
import pandas as pd
import pytest

from complexity_lab.statistics.training import means_over_seeds, published, same_when_printed
from tests.synthetic_training import BDM, METHODS, accuracy, experiment


@pytest.fixture(scope="module")
def results():
    return experiment(failed=("mlp-qat-4-1",))


def test_means_are_over_the_seeds_that_ended_well(results):
    table = results.means_over_seeds.set_index(["architecture", "method"])
    assert len(table) == 3 * len(METHODS)
    values = [100 * accuracy(METHODS[0], seed) for seed in range(3)]
    baseline = table.loc[("mlp", "baseline")]
    assert baseline["accuracy"] == pytest.approx(np.mean(values))
    assert baseline["accuracy_sd"] == pytest.approx(np.std(values, ddof=1))
    assert (baseline["accuracy_low"], baseline["accuracy_high"]) == pytest.approx((min(values), max(values)))
    assert baseline["bdm_ratio"] == BDM[-1] / BDM[0]
    assert tuple(table.loc[("mlp", "qat-4"), ["seeds", "failed"]]) == (2, 1)
    assert results.failures["model"].tolist() == ["mlp-qat-4-1"]


def test_methods_stand_in_the_order_of_the_paper(results):
    table = means_over_seeds(results.runs.sample(frac=1, random_state=0), results.ratios)
    assert list(dict.fromkeys(table["architecture"])) == ["mlp", "resnet20", "tiny_vit_5m"]
    assert list(table.loc[table["architecture"] == "mlp", "method"]) == [method["method"] for method in METHODS]


def test_curves_know_their_method(results):
    curves = results.method_curves
    assert len(curves) == 4 * len(results.ok)
    last = curves.loc[(curves["method"] == "momos-s2-c0.1") & (curves["epoch"] == 3)]
    assert last["distortion"].to_numpy(float) == pytest.approx(100 / 3)


def test_every_row_of_table_1_meets_its_printed_one(results):
    table = results.with_published
    assert table["rac_printed"].notna().all()
    row = table.set_index(["architecture", "method"]).loc[("tiny_vit_5m", "momos-s4-c0.01")]
    assert (row["accuracy_printed"], row["accuracy_sd_printed"], row["rac_printed"]) == (83.11, 0.51, 8.4)


def test_printed_rac_follows_from_the_formula_where_it_does(results):
    """ALGORITHMS 2.6: all of ResNet20, all but one of Tiny-ViT, none of the MLP."""
    momos = results.with_published.loc[lambda table: table["method_kind"] == "momos"]
    follows = [same_when_printed(row.rac_formula, row.rac_printed, 1) for row in momos.itertuples()]
    counts = pd.Series(follows, index=momos["architecture"]).groupby(level=0).sum()
    assert counts.to_dict() == {"mlp": 0, "resnet20": 8, "tiny_vit_5m": 7}


def test_published_tables_are_complete():
    assert published().groupby("table").size().to_dict() == {"table1": 36, "table2": 12}


def test_orderings_are_differences_with_their_standard_errors(results):
    table = results.orderings
    mlp = table.loc[table["architecture"] == "mlp"]
    assert mlp["ordering"].value_counts().to_dict() == {"capacity": 6, "capacity, ends": 2, "block size": 1, "bits": 1}
    qat = mlp.loc[mlp["ordering"] == "bits"].iloc[0]
    assert (qat["first"], qat["second"], qat["n"], qat["guessing"]) == ("qat-8", "qat-4", 2, 10)
    eight, four = ([100 * accuracy({"method_kind": "qat", "bits": b}, s) for s in seeds] for b, seeds in QAT)
    assert qat["difference"] == pytest.approx(np.mean(eight) - np.mean(four))
    spread = np.hypot(np.std(eight, ddof=1), np.std(four, ddof=1))
    assert qat["standard_error"] == pytest.approx(spread / np.sqrt(2))
    ends = mlp.loc[(mlp["ordering"] == "capacity, ends") & (mlp["s"] == 4)].iloc[0]
    assert ends["difference"] == pytest.approx(4 * np.log10(0.1 / 0.005))
    assert (ends["first"], ends["second"]) == ("momos-s4-c0.1", "momos-s4-c0.005")


QAT = ((8, (0, 1, 2)), (4, (0, 2)))


def test_one_seed_has_no_standard_error():
    table = experiment(models=("mlp",), seeds=(0,)).orderings
    assert len(table) == 10
    assert table["standard_error"].isna().all()


def test_no_run_at_all():
    empty = experiment(models=())
    assert all(table.empty for table in (empty.means_over_seeds, empty.with_published, empty.orderings, empty.failures))


@pytest.mark.parametrize(
    ("ours", "printed", "decimals", "same"),
    [(4.04, 4.0, 1, True), (4.06, 4.0, 1, False), (11.348, 11.3, 1, True), (0.745, 0.75, 2, True)],
)
def test_rounding_to_printed_digits(ours, printed, decimals, same):
    assert same_when_printed(ours, printed, decimals) is same
