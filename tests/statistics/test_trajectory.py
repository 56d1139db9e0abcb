"""Ratios to the start and to the shuffled self, spread over seeds, and losses, against numbers known in advance."""

import math
from dataclasses import replace

import numpy as np
import pytest

from complexity_lab.errors import InputError
from complexity_lab.statistics.results import open_results
from complexity_lab.statistics.trajectory import over_seeds
from complexity_lab.tables.rows import CurvePoint, Measurement
from tests.synthetic_trajectory import one, one_study, results_of, rows, run_row, seeds


def of_metric(results, metric):
    found = results.ratios
    return found.loc[(found["metric"] == metric) & found["plane"].isna()]


def ratios(results, metric, column="ratio"):
    chosen = of_metric(results, metric)
    return dict(zip(chosen["step"], chosen[column], strict=True))


def changed(given, change, *, metric=None, step=None):
    """Return rows with a change of the measurements of a metric and step."""
    return [
        replace(each, **change(each))
        if isinstance(each, Measurement) and metric in (None, each.metric) and step in (None, each.step)
        else each
        for each in given
    ]


def test_a_ratio_is_that_of_the_same_run_to_its_start():
    for each in of_metric(seeds(2, labels=("true",)), "bdm").to_dict("records"):
        factor = 1 + each["seed"] / 10
        assert each["ratio"] == pytest.approx(1 - 0.01 * factor * math.log10(each["step"] + 1))
        assert each["reference"] == 0


def test_a_ratio_to_the_shuffled_self_is_of_one_step():
    found = one()
    for step, ratio in ratios(found, "bdm", "ratio_shuffled").items():
        value = 1000 * (1 - 0.01 * math.log10(step + 1))
        assert ratio == pytest.approx(value / (value + 10))
    assert ratios(found, "bdm", "z_shuffled") == pytest.approx(dict.fromkeys((0, 10, 1000), -5.0))
    assert np.isnan(list(ratios(found, "gzip", "ratio_shuffled").values())).all()
    assert found.metrics == ["bdm", "gzip", "qubd"]
    assert found.ratios["plane"].dropna().unique().tolist() == [0, 1, 2]


def test_compressors_are_compared_by_compressed_size():
    """A rate of 2 that becomes 3 is a file two thirds as long: less is simpler, as everywhere."""
    assert ratios(one(), "gzip")[1000] == pytest.approx(2 / (2 + math.log10(1001)))


def test_the_reference_is_named_or_zero_or_the_first():
    late = results_of([*rows("a", steps=(5, 50)), run_row("a")])
    assert ratios(late, "bdm")[5] == 1
    named = results_of([*rows("a", steps=(5, 50)), run_row("a", reference=50)])
    assert ratios(named, "bdm")[50] == 1
    missing = results_of([*rows("a", steps=(5, 50)), run_row("a", reference=0)]).ratios
    assert set(missing["reference"]) == {0}
    assert missing["ratio"].isna().all()
    assert missing["ratio_shuffled"].notna().any()


def test_what_is_zero_at_the_start_has_no_ratio():
    given = changed(rows("a", steps=(0, 10), planes=0, shuffled=False), lambda each: {"value": float(each.step > 0)})
    assert results_of([*given, run_row("a")]).ratios["ratio"].isna().all()


def test_what_failed_has_a_reason_and_no_ratio():
    failed = {"status": "failed", "value": None, "reason": "not finite"}
    given = changed(rows("a"), lambda each: failed, metric="qubd", step=10)
    found = results_of([*given, run_row("a")])
    expected = {"model": "a", "step": 10, "source": "step-10", "reason": "not finite"}
    assert found.step_failures.to_dict("records") == [expected]
    assert 10 not in ratios(found, "qubd")
    assert 10 in ratios(found, "bdm")
    assert found.steps["step"].tolist() == [0, 10, 1000]
    assert found.steps["reason"].notna().tolist() == [False, True, False]


def test_rows_of_tensors_are_not_rows_of_networks():
    given = rows("a")
    tensor = changed(given, lambda each: {"scope": "tensor", "tensor": "w", "value": 7.0})
    tensor = [each for each in tensor if isinstance(each, Measurement)]
    both = results_of([*given, *tensor, run_row("a")])
    assert both.ratios.equals(results_of([*given, run_row("a")]).ratios)


def test_means_and_spread_over_seeds():
    found = over_seeds(seeds(3).ratios, ["ratio", "ratio_shuffled"])
    last = found.loc[(found["step"] == 1000) & (found["metric"] == "bdm")].set_index("group")
    values = [1 - 0.01 * (1 + seed / 10) * math.log10(1001) for seed in range(3)]
    for group in ("net true", "net random"):
        assert last.loc[group, "ratio"] == pytest.approx(np.mean(values))
        assert last.loc[group, "ratio_sd"] == pytest.approx(np.std(values, ddof=1))
        assert last.loc[group, "ratio_runs"] == 3
    assert over_seeds(one().ratios, ["ratio"])["ratio_sd"].isna().all()


def test_the_step_of_the_smallest_loss():
    """2 - d + 0.3 d^2 is smallest at 5/3 decades, 10 steps of those measured."""
    found = one().smallest_losses.set_index("column")
    assert found["step"].to_dict() == {"validation_loss": 10, "train_loss": 1000}
    expected = 2 - math.log10(11) + 0.3 * math.log10(11) ** 2
    assert found.loc["validation_loss", "loss"] == pytest.approx(expected)
    assert one(losses=False).smallest_losses.empty
    assert one(losses=False).losses.empty
    given = [replace(each, validation_loss=1.0) if isinstance(each, CurvePoint) else each for each in rows("a")]
    equal = results_of([*given, run_row("a")]).smallest_losses.set_index("column")
    assert equal.loc["validation_loss", "step"] == 0


def test_where_a_run_ends_and_where_it_was_lowest():
    given = changed(rows("a", planes=0), lambda each: {"value": 500.0}, metric="bdm", step=10)
    found = results_of([*given, run_row("a")]).extremes.set_index("metric").loc["bdm"]
    assert (found["lowest_step"], found["lowest_ratio"], found["last_step"]) == (10, 0.5, 1000)
    assert found["last_ratio"] == pytest.approx(1 - 0.01 * math.log10(1001))
    assert found["last"] == pytest.approx(1000 * found["last_ratio"])


def test_a_series_has_its_losses_next_to_its_tables(tmp_path):
    directory = one_study(losses=False).write(tmp_path / "out")
    assert open_results(directory).losses.empty
    (directory / "losses.csv").write_text("step,epoch,train_loss\n0,0,2.5\n7,1,9\n1000,2,0.5\n")
    found = open_results(directory)
    assert found.losses[["step", "epoch", "train_loss"]].to_numpy(float).tolist() == [[0, 0, 2.5], [1000, 2, 0.5]]
    assert found.curves["step"].tolist() == [0, 10, 1000]
    assert found.curves["source"].tolist() == ["step-0", "step-10", "step-1000"]
    assert ratios(found, "bdm", "train_loss")[1000] == 0.5
    (directory / "losses.csv").write_text("nothing\n")
    with pytest.raises(InputError, match=r"losses\.csv"):
        _ = open_results(directory).losses


def test_a_series_is_one_run_with_a_record_per_checkpoint():
    given = [*rows("a"), run_row("a", step=0, status="failed", error="truncated")]
    given += [run_row("a", step=10, parameters=7), run_row("a", step=1000, parameters=7)]
    found = results_of(given, kind="series")
    assert found.runs[["model", "status", "parameters"]].to_numpy().tolist() == [["a", "ok", 7]]
    assert (len(found.ok), found.failures["error"].tolist()) == (2, ["truncated"])
    assert len(of_metric(found, "bdm")) == 3


def test_nothing_measured_is_no_error():
    found = results_of([run_row("a", status="failed", error="diverged")])
    tables = (found.ratios, found.extremes, found.steps, found.landmarks, found.last, found.last_losses)
    assert all(table.empty for table in (*tables, found.rank_over_time, found.tensor_ratios, found.step_failures))
