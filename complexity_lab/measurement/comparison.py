"""Two sets of weights side by side: before and after training, fine-tuning, quantization or pruning.

Tensors are paired by name, A with B, and read one pair at a time; the raw parameter of a parametrization
(``conv.parametrizations.weight.original``) is paired as what it stands for (``conv.weight``). A tensor that only one
of the two has, that has another shape there, that is not finite or that cannot be scored is a row that says why; the
whole model is all other tensors, in the order of A, unless only B is in the order of a model. So the values of a model
are those of ``measure`` if nothing is left out and the order is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from complexity_lab.estimators.ctm import shape_name
from complexity_lab.measurement.changes import Change, NotFiniteError, change
from complexity_lab.measurement.compression import compressor_pool
from complexity_lab.measurement.measured import failed_rows, measure_source
from complexity_lab.measurement.planes import SUM
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import MeasurementSpec, spec_of
from complexity_lab.tables.rows import Measurement, Scope, Status
from complexity_lab.weights.by_name import Selected, readers_of
from complexity_lab.weights.order import OrderRule
from complexity_lab.weights.parametrized import stands_for
from complexity_lab.weights.source import NamedTensor, Reader, SkippedTensor, WeightSource
from complexity_lab.zoo.sources import State, resolve

if TYPE_CHECKING:
    import pandas as pd

Quantities = Mapping[tuple[str, int | None], Measurement]  # of one tensor, by metric and plane
Values = Mapping[str | None, Quantities]  # by tensor, None for the whole model


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One number of two tensors, or of two models, or why there is none; ``value_a`` and ``value_b`` in ``unit``.

    Shares are from 0 to 1 and of the weights of the tensor, the same in all of its rows.

    Attributes:
        scope: model or tensor.
        tensor: name, null for the model.
        kind: as in measurements.
        shape: that of A, of B where A has no such tensor.
        metric: name in the registry of estimators.
        plane: bit plane, 0 the least significant; null for metrics without planes, and for their sum.
        unit: of both values.
        value_a: before.
        value_b: after.
        difference: B minus A.
        ratio: B over A; null if A is 0.
        weights: pairs of values.
        changed: share of those that differ.
        signs_changed: share of those whose sign bit (w > 0) differs.
        zeros_a: share of exact zeros before.
        zeros_b: after.
        ones_a: share above zero before.
        ones_b: after.
        distance: Euclidean norm of B - A over that of A; null if A is zero.
        left_out: of the model: tensors with weights that could not be compared.
        preset: rules the numbers were made by.
        departures: of these rules from the publication.
        note: how the values were read if not as they are stored.
        order: of the tensors that make up the model.
        status: ok, failed or skipped.
        reason: why not ok.
    """

    scope: Scope
    tensor: str | None = None
    kind: str | None = None
    shape: str | None = None
    metric: str = ""
    plane: int | None = None
    unit: str = ""
    value_a: float | None = None
    value_b: float | None = None
    difference: float | None = None
    ratio: float | None = None
    weights: int | None = None
    changed: float | None = None
    signs_changed: float | None = None
    zeros_a: float | None = None
    zeros_b: float | None = None
    ones_a: float | None = None
    ones_b: float | None = None
    distance: float | None = None
    left_out: int | None = None
    preset: str | None = None
    departures: str | None = None
    note: str | None = None
    order: OrderRule | None = None
    status: Status = "ok"
    reason: str | None = None


@dataclass(frozen=True)
class _Side:
    """One of the two sources."""

    readers: Mapping[str, Reader]  # by the name that a tensor is paired by
    own_names: Mapping[str, str]  # of the tensors, by the name that they are paired by
    label: str
    order_rule: OrderRule


@dataclass(frozen=True)
class _Pair:
    """One tensor of the two sources, and what changed or why it cannot be compared."""

    name: str
    row: Comparison  # without a metric
    change: Change | None = None
    scorable: bool = True  # in at least one of the two


def compare(
    a: Any,
    b: Any,
    metrics: str | Iterable[str] | None = None,
    *,
    preset: str | None = None,
    bits: int | None = None,
    state_a: State = "trained",
    state_b: State = "trained",
    seed_a: int | None = None,
    seed_b: int | None = None,
    threads: int = 1,
    order: OrderRule = "model",
) -> pd.DataFrame:
    """Compare two modules, state dicts, paths, zoo ids or hub ids: a row per tensor and metric, then the model's.

    Columns: see ``Comparison``.

    Args:
        a: weights before, see ``zoo.sources.resolve``.
        b: weights after.
        metrics: names in the registry of estimators, also one text with commas; by default those of the preset, else
            ``bdm``.
        preset: ``qubd-paper``, ``fixed`` or ``momos-paper``. Those of QuBD add its sum and every bit plane.
        bits: planes of QuBD, 1 to 16, instead of the preset's; alone it means ``fixed``.
        state_a: for models of a zoo, ``trained`` or ``initial``.
        state_b: the same of B.
        seed_a: for models of a zoo, of the weights.
        seed_b: the same of B.
        threads: for counting one large tensor, and for compressors.
        order: of the tensors of files, see ``zoo.sources.resolve``. Both are read in the order of A, unless only B is
            in the order of a model.

    Raises:
        InputError: no metric, an unknown order, or bits out of range.
        UnknownNameError: unknown model, metric or preset.
        UnreachableError, WeightsError: the weights cannot be read.
    """
    import pandas as pd

    spec = spec_of(metrics, preset=preset, bits=bits, draws=0, tensor_compressors=True)
    sources = resolve(a, state_a, seed_a, order=order), resolve(b, state_b, seed_b, order=order)
    rows = compare_sources(*sources, spec, threads=threads)
    frame = pd.DataFrame([asdict(row) for row in rows], columns=[each.name for each in fields(Comparison)])
    whole = {each.name: "Int64" for each in fields(Comparison) if each.type == "int | None"}
    real = {each.name: "float64" for each in fields(Comparison) if each.type == "float | None"}
    return frame.astype(whole | real)


def compare_sources(a: WeightSource, b: WeightSource, spec: MeasurementSpec, *, threads: int = 1) -> list[Comparison]:
    """Compare two sources; return the rows of every tensor in order, then those of the whole model."""
    one, other = _side(a), _side(b)
    first, second = (other, one) if one.order_rule != "model" and other.order_rule == "model" else (one, other)
    names = [*first.readers, *(name for name in second.readers if name not in first.readers)]
    pairs = [_pair(name, one, other) for name in names]
    compared = [pair.name for pair in pairs if pair.change is not None]
    values = [_values(side, compared, first.order_rule, spec, threads) for side in (one, other)]
    rows = [*_tensor_rows(pairs, spec, *values), *_model_rows(pairs, spec, (one, other), *values)]
    return [replace(row, order=first.order_rule) for row in rows]


def _side(source: WeightSource) -> _Side:
    readers = readers_of(source)
    stand_for = Counter(map(stands_for, readers))
    own_names = {stands_for(name) if stand_for[stands_for(name)] == 1 else name: name for name in readers}
    return _Side({name: readers[own] for name, own in own_names.items()}, own_names, source.label, source.order_rule)


def _pair(name: str, one: _Side, other: _Side) -> _Pair:
    """Read a tensor of both sources and say what changed, or why that cannot be said."""
    found = [side.readers[name]() if name in side.readers else None for side in (one, other)]
    shapes = [_shape(tensor) for tensor in found if tensor is not None]
    kind = next(tensor.kind for tensor in found if tensor is not None)
    row = Comparison(scope="tensor", tensor=name, kind=kind, shape=shapes[0])
    a, b = found
    if not isinstance(a, NamedTensor) or not isinstance(b, NamedTensor):
        scorable = isinstance(a, NamedTensor) or isinstance(b, NamedTensor)
        return _Pair(name, replace(row, status="skipped", reason=_why_not(a, b)), scorable=scorable)
    if a.values.shape != b.values.shape:
        return _Pair(name, replace(row, status="skipped", reason=f"shape {shapes[0]} in A, {shapes[1]} in B"))
    try:
        changed = change(a.values, b.values)
    except NotFiniteError as error:
        return _Pair(name, replace(row, status="failed", reason=str(error)))
    note = _both(a.note or None, b.note or None) or None
    return _Pair(name, _changed(replace(row, note=note), changed), changed)


def _shape(tensor: NamedTensor | SkippedTensor) -> str:
    return shape_name(tensor.shape if isinstance(tensor, SkippedTensor) else tensor.values.shape)


def _why_not(a: NamedTensor | SkippedTensor | None, b: NamedTensor | SkippedTensor | None) -> str:
    """Say why there are no two tensors to compare: only one has it, or a reader skips it."""
    reasons = [tensor.reason if isinstance(tensor, SkippedTensor) else None for tensor in (a, b)]
    if a is not None and b is not None:
        return _both(*reasons)
    side, reason = ("B", reasons[1]) if a is None else ("A", reasons[0])
    return f"only in {side}" + (f": {reason}" if reason is not None else "")


def _both(a: str | None, b: str | None) -> str:
    """Return what is to be said of the two sides, each with its side unless they agree."""
    if a is not None and a == b:
        return a
    return "; ".join(f"{side}: {reason}" for side, reason in (("A", a), ("B", b)) if reason is not None)


def _values(side: _Side, names: Sequence[str], rule: OrderRule, spec: MeasurementSpec, threads: int) -> Values:
    """Measure tensors of one side; return its rows, null models aside, by the name that they are paired by."""
    found: dict[str | None, dict[tuple[str, int | None], Measurement]] = {}
    if not names:
        return found
    source = Selected(side.readers, names, side.label, rule)
    with compressor_pool(threads) as pool:
        rows = measure_source(source, spec, Subject(), compressing=pool, threads=threads).wait().rows
    paired: dict[str | None, str] = {own: name for name, own in side.own_names.items()}
    for row in rows:
        if row.null is None:
            name = paired.get(row.tensor, row.tensor)
            found.setdefault(name, {})[row.metric, row.plane] = row
    return found


def _tensor_rows(pairs: Sequence[_Pair], spec: MeasurementSpec, a: Values, b: Values) -> Iterator[Comparison]:
    for pair in pairs:
        if pair.change is None:
            yield from _without_values(pair.row, spec)
        else:
            yield from _with_values(pair.row, a[pair.name], b[pair.name])


def _model_rows(
    pairs: Sequence[_Pair], spec: MeasurementSpec, sides: tuple[_Side, _Side], a: Values, b: Values
) -> Iterator[Comparison]:
    changes = [pair.change for pair in pairs if pair.change is not None]
    row = Comparison(scope="model", left_out=sum(pair.change is None and pair.scorable for pair in pairs))
    if changes:
        yield from _with_values(_changed(row, sum(changes, Change())), a[None], b[None])
    else:
        yield from _without_values(replace(row, status="failed", reason=_nothing(pairs, sides)), spec)


def _with_values(row: Comparison, a: Quantities, b: Quantities) -> Iterator[Comparison]:
    """Yield both values of every metric; a plane that only one side has faces the reason of the other's sum."""
    whole = SUM.metric, None
    for quantity in dict.fromkeys((*a, *b)):
        yield _versus(row, a[quantity] if quantity in a else a[whole], b[quantity] if quantity in b else b[whole])


def _nothing(pairs: Sequence[_Pair], sides: tuple[_Side, _Side]) -> str:
    """Say why there is nothing to compare, with the first tensor's reason as the example."""
    one, other = sides
    example = next((pair for pair in pairs if pair.scorable), pairs[0] if pairs else None)
    detail = f"; {example.name}: {example.row.reason}" if example is not None else ""
    return f"{one.label} and {other.label} have no tensor that can be compared{detail}"


def _without_values(row: Comparison, spec: MeasurementSpec) -> Iterator[Comparison]:
    """Yield a row per metric that says why there is no number; one for all planes."""
    for each in failed_rows(spec, Subject(), ""):
        yield replace(row, metric=each.metric, unit=each.unit, preset=each.preset, departures=each.departures)


def _versus(row: Comparison, a: Measurement, b: Measurement) -> Comparison:
    """Return the row of one metric of both sides."""
    plane = a.plane if b.plane is None else b.plane
    row = replace(row, metric=a.metric, plane=plane, unit=a.unit, preset=a.preset, departures=a.departures)
    if a.value is None or b.value is None:
        status: Status = "failed" if "failed" in (a.status, b.status) else "skipped"
        return replace(row, status=status, reason=_both(a.reason, b.reason))
    ratio = b.value / a.value if a.value else None
    return replace(row, value_a=a.value, value_b=b.value, difference=b.value - a.value, ratio=ratio)


def _changed(row: Comparison, found: Change) -> Comparison:
    """Fill in what changed: counts as shares of the weights."""
    return replace(
        row,
        weights=found.weights,
        changed=found.changed / found.weights,
        signs_changed=found.signs_changed / found.weights,
        zeros_a=found.zeros_a / found.weights,
        zeros_b=found.zeros_b / found.weights,
        ones_a=found.ones_a / found.weights,
        ones_b=found.ones_b / found.weights,
        distance=found.distance,
    )
