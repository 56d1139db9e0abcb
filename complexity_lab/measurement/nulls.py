"""Rows of null models: mean and sample standard deviation (divided by n - 1) over seeded draws.

What cannot be drawn is one row, that of the mean, which says why. Large tensors have their histogram drawn, so that a
draw's strings and squares are not those of one model; each has the law of the null model.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, block_counts
from complexity_lab.controls.level_shuffle import blocks_of_shapes
from complexity_lab.controls.null import BitDraws, NetworkNull, NullModel, TensorNull
from complexity_lab.counted import counted
from complexity_lab.errors import ComplexityLabError, WeightsError
from complexity_lab.estimators.estimator import CountEstimator
from complexity_lab.estimators.qubd import Rules
from complexity_lab.measurement.planes import NO_MATRIX, SUM, scorable
from complexity_lab.measurement.reader import Rows
from complexity_lab.measurement.rows import Facts, Quantity, Target
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.tables.rows import Measurement, Status
from complexity_lab.weights.source import NamedTensor, WeightSource


class NullReader:
    """Draws one null model, tensor after tensor."""

    def __init__(self, null: TensorNull, spec: MeasurementSpec, threads: int) -> None:
        self.null = null
        self.metrics = _metrics(null, spec)
        self.shapes = tuple(shape for shape in (STRING, SQUARE) if any(item.shape == shape for item in self.metrics))
        self.bits = null.bits(repetitions=spec.draws, seed=spec.seed, shapes=self.shapes) if self.shapes else None
        self.planes = None if spec.rules is None else _PlaneDraws(null, spec, spec.rules, threads)
        self.failure: str | None = None  # why sign bits were not drawn

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Draw a tensor, see ``Reader``; the rows are those of its planes."""
        if self.bits is not None:
            try:
                self.bits.add(tensor.values)
            except WeightsError as error:  # such as a spread that float64 cannot hold; other numbers do not mind
                self.failure = self.failure or f"tensor {tensor.name}: {error}"
        return [] if self.planes is None else self.planes.read(tensor, target)

    def without_score(self, target: Target, status: Status, reason: str) -> Rows:
        """Return the rows that say why a model was not drawn; of a tensor those of the metrics say it."""
        del status
        if target.scope == "tensor":
            return []
        rows = [_without(target, self._quantity(item), reason) for item in self.metrics]
        return rows if self.planes is None else [*rows, self.planes.without(target, reason)]

    def model_rows(self, target: Target) -> Rows:
        """Return mean and sd of every metric and plane, or why there are none."""
        rows: Rows = []
        drawn = {} if self.bits is None or self.failure else _counts(self.bits, self.shapes)
        for item in self.metrics:
            counts = drawn.get(item.shape, [])
            if self.failure or not counts[0].blocks:
                why = self.failure or f"{counted(counts[0].dropped, 'weight')}, not one complete block"
                rows.append(_without(target, self._quantity(item), why))
                continue
            facts = Facts(counts[0].scored, counts[0].dropped, blocks=counts[0].blocks)
            rows += _spread(target, self._quantity(item), np.array([item.value(each) for each in counts]), facts)
        return rows if self.planes is None else rows + self.planes.model_rows(target)

    def _quantity(self, item: CountEstimator) -> Quantity:
        return Quantity(item.name, item.unit, None, self.null.name)


def _counts(bits: BitDraws, shapes: tuple[Shape, ...]) -> dict[Shape, list[BlockCounts]]:
    """Return the counts of every draw; a second call would draw anew."""
    return {shape: bits.strings() if shape == STRING else bits.squares() for shape in shapes}


class _PlaneDraws:
    """Bit planes of one null model, summed over tensors draw by draw, as the model's profile is."""

    def __init__(self, null: TensorNull, spec: MeasurementSpec, rules: Rules, threads: int) -> None:
        self.null, self.rules, self.seed, self.threads = null, rules, spec.seed, threads
        self.tensor_rows = null.tensor_rows and spec.tensor_rows
        self.draws = spec.draws if null.plane_draws is None else min(spec.draws, null.plane_draws)
        self.sums = np.zeros((self.draws, rules.bits))
        self.why = null.why_no_planes(rules)
        self.read_so_far = self.scored = self.added = 0

    def read(self, tensor: NamedTensor, target: Target) -> Rows:
        """Draw a tensor; return its rows."""
        self.read_so_far += tensor.values.size
        tensor, reason = scorable(tensor, self.rules)
        if reason is not None:
            return []
        self.added += 1
        facts = self._facts(tensor.values.shape)
        self.scored += facts.scored or 0
        if self.why is not None or self.null.planes is None:
            return []
        try:
            drawn = self.null.planes(
                tensor.values, self.rules, repetitions=self.draws, seed=(self.seed, self.added), threads=self.threads
            )
        except WeightsError as error:  # such as a range that float32 cannot hold; the measurement says so too
            self.why = f"tensor {tensor.name}: {error}"
            return []
        self.sums += drawn
        return self._rows(target, drawn, facts) if self.tensor_rows else []

    def without(self, target: Target, reason: str) -> Measurement:
        """Return the row that says why no planes were drawn."""
        return _without(target, SUM._replace(null=self.null.name), reason)

    def model_rows(self, target: Target) -> Rows:
        """Return mean and sd of the sum and of every plane over the whole model, or why there are none."""
        why = self.why or (None if self.added else NO_MATRIX)
        if why is not None:
            return [self.without(target, why)]
        return self._rows(target, self.sums, Facts(self.scored, self.read_so_far - self.scored))

    def _facts(self, shape: tuple[int, ...]) -> Facts:
        rows, columns = shape[0], prod(shape[1:])
        if self.rules.boundary == "correlated":
            return Facts(rows * columns, 0)
        blocks = blocks_of_shapes(rows, columns, self.rules.boundary)
        scored = sum(prod(block) * number for block, number in blocks.items())
        return Facts(scored, rows * columns - scored)

    def _rows(self, target: Target, drawn: np.ndarray, facts: Facts) -> Rows:
        quantities = [SUM._replace(null=self.null.name, plane=plane) for plane in (None, *range(self.rules.bits))]
        columns = np.column_stack([drawn.sum(axis=1), drawn]).T
        pairs = zip(quantities, columns, strict=True)
        return [row for quantity, values in pairs for row in _spread(target, quantity, values, facts)]


def network_rows(null: NetworkNull, source: WeightSource, spec: MeasurementSpec, target: Target) -> Rows:
    """Return mean and sd of every metric and plane over draws of a network, or why there are none.

    ``scored`` counts the weights of tensors in which something moves, ``dropped`` the others. Only sources with
    a ``module`` can be drawn: files have no layers.
    """
    metrics, rules = _metrics(null, spec), spec.rules
    quantities = [Quantity(item.name, item.unit, None, null.name) for item in metrics]
    sums = [] if rules is None else [SUM._replace(null=null.name)]
    planes = [] if rules is None else [sums[0]._replace(plane=plane) for plane in range(rules.bits)]
    if not quantities + sums:
        return []
    module = getattr(source, "module", None)
    why = "needs a module, these are files"
    if module is not None:
        draws = min(spec.draws, null.draws)
        try:
            found = null.scores(
                module,
                lambda: _scores(source, metrics, rules),
                repetitions=draws,
                seed=spec.seed,
                model=target.subject.model,
            )
        except Exception as error:  # noqa: BLE001 - a network that cannot be run here is a row that says so
            why = str(error) if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {error}"
        else:
            facts = Facts(found.moved, found.left)
            pairs = zip((*quantities, *sums, *planes), found.scores.T, strict=True)
            return [row for quantity, values in pairs for row in _spread(target, quantity, values, facts)]
    return [_without(target, quantity, " ".join(why.split())[:500]) for quantity in quantities + sums]


def _scores(source: WeightSource, metrics: tuple[CountEstimator, ...], rules: Rules | None) -> list[float]:
    """Measure the weights as they are now: metrics of block counts, then QuBD and its planes."""
    stream, squares = StreamCounter(), BlockCounts.empty(SQUARE)
    shapes = {item.shape for item in metrics}
    profile = np.zeros(0 if rules is None else rules.bits)
    for tensor in source.tensors():
        if not isinstance(tensor, NamedTensor):
            continue
        if STRING in shapes:
            stream.add(tensor.values)
        if SQUARE in shapes and tensor.values.ndim >= 2:
            squares = squares + block_counts(tensor.values, SQUARE)
        if rules is not None:
            computed, reason = scorable(tensor, rules)
            profile += 0 if reason is not None else rules.score(computed.values).planes
    counts = {STRING: stream.result() if STRING in shapes else squares, SQUARE: squares}
    scores = [item.value(counts[item.shape]) for item in metrics]
    return scores + ([float(profile.sum()), *profile.tolist()] if rules is not None else [])


def _metrics(null: NullModel, spec: MeasurementSpec) -> tuple[CountEstimator, ...]:
    """Return the metrics that a null model has numbers for and that are measured, in the null model's order."""
    counted = {item.name: item for item in spec.counted}
    return tuple(counted[name] for name in null.metrics if name in counted)


def _spread(target: Target, quantity: Quantity, values: np.ndarray, facts: Facts) -> Iterator[Measurement]:
    yield target.number(quantity._replace(statistic="mean"), float(values.mean()), facts)
    yield target.number(quantity._replace(statistic="sd"), float(values.std(ddof=1)), facts)


def _without(target: Target, quantity: Quantity, reason: str) -> Measurement:
    return target.missing(quantity._replace(statistic="mean"), "skipped", reason)
