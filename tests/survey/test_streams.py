"""Estimators that read the values: rows per tensor and for the model, in model order, with reasons."""

import numpy as np
import pytest

from complexity_lab.estimators.estimator import estimator
from complexity_lab.survey.plan import make_plan
from complexity_lab.survey.single import measure_rows
from complexity_lab.zoo.selection import Selection

STREAMED = ("lz76_density", "exponent_entropy", "mantissa_entropy")


def weights():
    rng = np.random.default_rng(3)
    return {
        "b.weight": rng.standard_normal((40, 30)).astype(np.float32),
        "a.bias": np.zeros(64, np.float32),
        "c.weight": rng.standard_normal((9, 9)).astype(np.float16),
    }


def rows_of(state, **options):
    return {(row["tensor"], row["metric"]): row for row in measure_rows(state, STREAMED, **options)}


def test_the_model_is_the_stream_of_its_tensors():
    state = weights()
    rows = rows_of(state)
    for metric in STREAMED:
        accumulator = estimator(metric).start()
        for values in state.values():
            accumulator.add(values)
        assert rows["", metric]["value"] == accumulator.value()
        assert rows["", metric]["scored"] + rows["", metric]["dropped"] == sum(v.size for v in state.values())
        for name, values in state.items():
            assert rows[name, metric]["value"] == estimator(metric).score(values)
    assert rows["", "lz76_density"]["unit"] == "bits/bit"


def test_scope_model_has_no_tensor_rows():
    assert {tensor for tensor, _ in rows_of(weights(), scope="model")} == {""}


@pytest.mark.parametrize("metric", STREAMED)
def test_nan_is_named_and_the_model_has_no_number(metric):
    state = weights()
    state["b.weight"][3, 3] = np.nan
    rows = rows_of(state)
    assert (rows["b.weight", metric]["status"], rows["b.weight", metric]["value"]) == ("failed", None)
    assert "b.weight" in rows["", metric]["reason"]
    assert rows["", metric]["status"] == "failed"
    assert rows["c.weight", metric]["status"] == "ok"


def test_a_plan_knows_them():
    plan = make_plan("digits", selection=Selection(models=("resnet8_w6",)), metrics=STREAMED)
    assert plan.metrics == STREAMED
