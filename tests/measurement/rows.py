"""Small weights, and rows by what they are of."""

import numpy as np

from complexity_lab.measurement.measured import measure_source
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import spec_of
from complexity_lab.weights.source import NamedTensor
from complexity_lab.zoo.sources import resolve


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "conv.weight": rng.standard_normal((8, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.standard_normal(8).astype(np.float32),
        "fc.weight": (rng.standard_normal((30, 33)) + 0.3).astype(np.float32),
        "embedding": rng.standard_normal((9, 9)).astype(np.float32),
        "thin.weight": rng.standard_normal((3, 100)).astype(np.float32),
    }


def measured(source, metrics=None, *, threads=1, compressing=None, model="", **options):
    """Measure a source, or a list of tensors."""
    source = source if hasattr(source, "tensors") else Given(source) if isinstance(source, list) else resolve(source)
    subject = Subject(model=model)
    return measure_source(source, spec_of(metrics, **options), subject, compressing=compressing, threads=threads)


def rows_of(source, metrics=None, **options):
    return measured(source, metrics, **options).rows


def by_quantity(rows):
    """Return rows by tensor (None for the model), metric, plane, null and statistic; each is there once."""
    rows = list(rows)
    found = {(row.tensor, row.metric, row.plane, row.null, row.statistic): row for row in rows}
    assert len(found) == len(rows)
    return found


def values(rows):
    """Return values of the weights themselves by tensor, metric and plane."""
    return {(row.tensor, row.metric, row.plane): row.value for row in rows if row.null is None}


def tensors(state):
    return [NamedTensor(name, array, "bias" if array.ndim == 1 else "matrix") for name, array in state.items()]


class Given:
    """A source of ready tensors."""

    label, order_rule = "these tensors", "model"

    def __init__(self, tensors):
        self.given = tensors

    def tensors(self):
        return iter(self.given)
