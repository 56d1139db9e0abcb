"""Estimators that read the values: rows per tensor and for the model, in model order, with reasons."""

import numpy as np

from complexity_lab.estimators.estimator import estimator
from tests.measurement.rows import rows_of

STREAMED = ("lz76_density", "exponent_entropy", "mantissa_entropy")


def test_the_model_is_the_stream_of_its_tensors():
    rng = np.random.default_rng(3)
    state = {
        "b.weight": rng.standard_normal((40, 30)).astype(np.float32),
        "a.bias": np.zeros(64, np.float32),
        "c.weight": rng.standard_normal((9, 9)).astype(np.float16),
    }
    rows = {(row.tensor, row.metric): row for row in rows_of(state, STREAMED)}
    for metric in STREAMED:
        accumulator = estimator(metric).start()
        for array in state.values():
            accumulator.add(array)
        whole = rows[None, metric]
        assert (whole.value, whole.unit) == (accumulator.value(), estimator(metric).unit)
        assert whole.scored + whole.dropped == sum(array.size for array in state.values())
        for name, array in state.items():
            assert rows[name, metric].value == estimator(metric).score(array)
    assert {row.scope for row in rows_of(state, STREAMED, tensor_rows=False)} == {"model"}


def test_too_few_values_say_so():
    rows = rows_of({"w": np.ones(1, np.float32)}, "lz76_density")
    assert {row.status for row in rows} == {"skipped"}
    assert {row.reason for row in rows} == {"1 value is too few for lz76_density"}
