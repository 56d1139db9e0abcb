"""Ratios to the start and to the shuffled self, spread over seeds, and losses, against numbers known in advance."""

import math

import numpy as np
import pytest

from complexity_lab.statistics.trajectory import (
    TrajectoryTables,
    by_step,
    extremes,
    over_seeds,
    planes,
    smallest_loss,
)
from complexity_lab.trajectory.store import TrajectoryStore
from tests.synthetic_trajectory import one, row, rows, seeds, tables


def ratios(found, metric, column="ratio"):
    chosen = found.ratios.loc[found.ratios["metric"] == metric]
    return dict(zip(chosen["step"], chosen[column], strict=True))


def test_a_ratio_is_that_of_the_same_run_to_its_start():
    found = seeds(2, arms=("true",))
    chosen = found.ratios.loc[found.ratios["metric"] == "bdm"]
    for each in chosen.to_dict("records"):
        factor = 1 + each["seed"] / 10
        assert each["ratio"] == pytest.approx(1 - 0.01 * factor * math.log10(each["step"] + 1))
        assert each["reference"] == 0


def test_a_ratio_to_the_shuffled_self_is_of_one_step():
    found = one()
    for step, ratio in ratios(found, "bdm", "ratio_shuffled").items():
        value = 1000 * (1 - 0.01 * math.log10(step + 1))
        assert ratio == pytest.approx(value / (value + 10))
    assert all(np.isnan(value) for value in ratios(found, "gzip", "ratio_shuffled").values())
    assert set(found.metrics) == {"bdm", "gzip", "qubd", "qubd_plane0", "qubd_plane1", "qubd_plane2"}


def test_compressors_are_compared_by_compressed_size():
    """A rate of 2 that becomes 3 is a file two thirds as long: less is simpler, as everywhere."""
    assert ratios(one(), "gzip")[1000] == pytest.approx(2 / (2 + math.log10(1001)))


def test_the_reference_is_named_or_zero_or_the_first():
    late = tables(rows("a", steps=(5, 50)), [row("a")])
    assert ratios(late, "bdm")[5] == 1
    named = tables(rows("a", steps=(5, 50)), [row("a", reference=50)])
    assert ratios(named, "bdm")[50] == 1
    missing = tables(rows("a", steps=(5, 50)), [row("a", reference=0)])
    assert set(missing.ratios["reference"]) == {0}
    assert missing.ratios["ratio"].isna().all()
    assert missing.ratios["ratio_shuffled"].notna().any()


def test_what_is_zero_at_the_start_has_no_ratio():
    given = rows("a", steps=(0, 10), planes=0, shuffled=False)
    for each in given:
        each["value"] = 0.0 if each["step"] == 0 else 1.0
    found = tables(given, [row("a")])
    assert found.ratios["ratio"].isna().all()


def test_what_failed_is_told_and_in_no_ratio():
    given = rows("a")
    for each in given:
        if each["step"] == 10 and not each["metric"].startswith("bdm"):
            each |= {"status": "failed", "value": None, "reason": f"no {each['metric']}"}
    found = tables(given, [row("a")])
    assert found.failures.to_dict("records") == [
        {"run": "a", "step": 10, "source": "step-10", "reason": "no qubd_plane0"}
    ]
    assert 10 not in ratios(found, "qubd")
    assert 10 in ratios(found, "bdm")
    table = by_step(found, ["bdm", "qubd"])
    assert table["step"].tolist() == [0, 10, 1000]
    assert table["reason"].notna().tolist() == [False, True, False]
    assert table["qubd_ratio"].isna().tolist() == [False, True, False]
    assert table["bdm_shuffled"].notna().all()


def test_rows_of_tensors_are_not_rows_of_networks():
    given = rows("a")
    tensor = [each | {"scope": "tensor", "tensor": "w", "value": 7.0} for each in given]
    assert tables(given + tensor, [row("a")]).ratios.equals(tables(given, [row("a")]).ratios)


def test_means_and_spread_over_seeds():
    found = over_seeds(seeds(3).ratios, ["ratio", "ratio_shuffled"])
    decades = math.log10(1001)
    for group in ("net true", "net random"):
        (last,) = found.loc[(found["group"] == group) & (found["step"] == 1000) & (found["metric"] == "bdm")].to_dict(
            "records"
        )
        values = [1 - 0.01 * (1 + seed / 10) * decades for seed in range(3)]
        assert last["ratio"] == pytest.approx(np.mean(values))
        assert last["ratio_sd"] == pytest.approx(np.std(values, ddof=1))
        assert last["ratio_runs"] == 3
    assert over_seeds(one().ratios, ["ratio"])["ratio_sd"].isna().all()


def test_the_step_of_the_smallest_loss():
    """2 - d + 0.3 d^2 is smallest at 5/3 decades, 10 steps of those measured."""
    (best,) = smallest_loss(one()).to_dict("records")
    assert (best["run"], best["step"]) == ("a", 10)
    assert best["loss"] == pytest.approx(2 - math.log10(11) + 0.3 * math.log10(11) ** 2)
    (best,) = smallest_loss(one(), "train_loss").to_dict("records")
    assert best["step"] == 1000
    assert smallest_loss(one(losses=False)).empty
    assert one(losses=False).losses.empty
    equal = rows("a")
    for each in equal:
        each["validation_loss"] = 1.0
    assert smallest_loss(tables(equal, [row("a")]))["step"].tolist() == [0]


def test_planes_have_their_number():
    found = planes(one())
    assert set(found["plane"]) == {0, 1, 2}
    assert set(found.loc[found["plane"] == 2, "metric"]) == {"qubd_plane2"}
    assert planes(one(planes=0)).empty


def test_where_a_run_ends_and_where_it_was_lowest():
    given = rows("a", planes=0)
    for each in given:
        if each["metric"] == "bdm" and each["step"] == 10:
            each["value"] = 500.0
    (found,) = [each for each in extremes(tables(given, [row("a")])).to_dict("records") if each["metric"] == "bdm"]
    assert (found["lowest_step"], found["lowest_ratio"], found["last_step"]) == (10, 0.5, 1000)
    assert found["last_ratio"] == pytest.approx(1 - 0.01 * math.log10(1001))
    assert found["last"] == pytest.approx(1000 * found["last_ratio"])


def test_tables_are_read_from_a_directory(tmp_path):
    store = TrajectoryStore(tmp_path / "out")
    metadata = store.prepare({"name": "x"})
    store.write(row("a"), rows("a"), metadata)
    found = TrajectoryTables.read(tmp_path / "out")
    assert found.ratios.equals(one().ratios)


def test_nothing_measured_is_no_error():
    found = tables([], [row("a", status="failed")])
    assert found.ratios.empty
    assert found.failures.empty
    assert extremes(found).empty
    assert by_step(found, []).empty
