"""Two sets of weights side by side: before and after training, fine-tuning, quantization or pruning.

Tensors are paired by name, A with B, and read one pair at a time; the raw parameter of a parametrization
(``conv.parametrizations.weight.original``) is paired as what it stands for (``conv.weight``). A tensor that only one
of the two has, that has another shape there, that is not finite or that cannot be scored is a row that says why; the
whole model is all other tensors, in the order of A (or of B, if A is a safetensors file, which has no order, and B is
not). So the values of a model are those of ``measure`` if nothing is left out and the order is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.estimator import estimator
from complexity_lab.survey.changes import Change, NotFiniteError, change
from complexity_lab.survey.compression import compressor_pool
from complexity_lab.survey.measure import MODEL, Row, Wanted, measure_source
from complexity_lab.survey.planes import UNIT, marks, metrics_of, plane_metrics, preset_of
from complexity_lab.weights.by_name import Selected, readers_of
from complexity_lab.weights.order import OrderRule
from complexity_lab.weights.parametrized import stands_for
from complexity_lab.weights.source import NamedTensor, Reader, SkippedTensor, WeightSource
from complexity_lab.zoo.sources import State, resolve

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("scope", "tensor", "kind", "shape", "metric", "unit", "value_a", "value_b", "difference", "ratio"),
    *("weights", "changed", "signs_changed", "zeros_a", "zeros_b", "ones_a", "ones_b", "distance", "left_out"),
    *("preset", "departures", "note", "status", "reason"),
)
Values = Mapping[tuple[str, str], Row]  # by tensor ("" for the whole model) and metric


@dataclass(frozen=True)
class _Side:
    """One of the two sources."""

    readers: Mapping[str, Reader]  # by the name that a tensor is paired by
    own_names: Mapping[str, str]  # of the tensors, by the name that they are paired by
    label: str
    order_rule: OrderRule  # of its own tensors


@dataclass(frozen=True)
class _Pair:
    """One tensor of the two sources, and what changed or why it cannot be compared."""

    name: str
    kind: str
    shape: str
    change: Change | None = None
    note: str | None = None  # how the values were read, if not as they are stored
    status: str = "ok"
    reason: str | None = None
    scorable: bool = True  # in at least one of the two

    @property
    def place(self) -> Row:
        return {"scope": "tensor", "tensor": self.name, "kind": self.kind, "shape": self.shape, "note": self.note}


def compare_sources(
    a: Any,
    b: Any,
    metrics: tuple[str, ...] | None = None,
    *,
    preset: str | None = None,
    bits: int | None = None,
    state_a: State = "trained",
    state_b: State = "trained",
    seed_a: int | None = None,
    seed_b: int | None = None,
    threads: int = 1,
    order: OrderRule = "model",
) -> list[Row]:
    """Compare two sources; return one row per tensor and metric in model order, then those of the whole model.

    Columns: ``value_a`` and ``value_b`` in ``unit``; ``difference``, B minus A; ``ratio``, B over A. Of the weights
    (the same in all rows of a tensor): their number ``weights``; shares from 0 to 1 of those whose value ``changed``,
    whose sign bit (w > 0) changed (``signs_changed``), that are exactly zero (``zeros_a``, ``zeros_b``) and that are
    above zero (``ones_a``, ``ones_b``); ``distance``, the Euclidean norm of B - A over that of A. Rows of the model
    say in ``left_out`` how many tensors with weights could not be compared. ``note`` says of a tensor how its values
    were read if not as they are stored (float8, quantized tensors).

    Args:
        a: weights before, see ``zoo.sources.resolve``.
        b: weights after.
        metrics: names in the registry of estimators; by default those of the preset, else ``bdm``.
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
    chosen = preset_of(preset, bits)
    names = metrics_of(metrics, chosen, ("bdm",))
    if not names:
        raise InputError("no metric asked for, wanted at least one, such as bdm")
    for name in names:
        estimator(name)  # before anything is read
    wanted = Wanted(names, tensor_compressors=True, preset=chosen)
    one, other = _side(resolve(a, state_a, seed_a, order=order)), _side(resolve(b, state_b, seed_b, order=order))
    pairs = [_pair(name, one, other) for name in _order(one, other)]
    compared = [pair.name for pair in pairs if pair.change is not None]
    rule = _by_precedence(one, other)[0].order_rule
    values = [_values(side, compared, rule, wanted, threads) for side in (one, other)]
    rows = [*_tensor_rows(pairs, wanted, *values), *_model_rows(pairs, wanted, (one, other), *values)]
    return [{name: row.get(name) for name in COLUMNS} for row in rows]


def compare_weights(
    a: Any,
    b: Any,
    metrics: tuple[str, ...] | None = None,
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
    """Compare two modules, state dicts, paths, zoo ids or hub ids; see ``compare_sources``. Tensors, then the model."""
    import pandas as pd

    rows = compare_sources(
        a,
        b,
        metrics,
        preset=preset,
        bits=bits,
        state_a=state_a,
        state_b=state_b,
        seed_a=seed_a,
        seed_b=seed_b,
        threads=threads,
        order=order,
    )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"weights": "Int64", "left_out": "Int64"})


def _side(source: WeightSource) -> _Side:
    readers = readers_of(source)
    stand_for = Counter(map(stands_for, readers))
    own_names = {stands_for(name) if stand_for[stands_for(name)] == 1 else name: name for name in readers}
    return _Side({name: readers[own] for name, own in own_names.items()}, own_names, source.label, source.order_rule)


def _order(one: _Side, other: _Side) -> list[str]:
    """Return all names: in the order of the first, unless only the second is in the order of a model."""
    first, second = _by_precedence(one, other)
    return [*first.readers, *(name for name in second.readers if name not in first.readers)]


def _by_precedence(one: _Side, other: _Side) -> tuple[_Side, _Side]:
    """Return the side whose order both are read in, then the other."""
    return (other, one) if one.order_rule != "model" and other.order_rule == "model" else (one, other)


def _pair(name: str, one: _Side, other: _Side) -> _Pair:
    """Read a tensor of both sources and say what changed, or why that cannot be said."""
    found = [side.readers[name]() if name in side.readers else None for side in (one, other)]
    shapes = [_shape(tensor) for tensor in found if tensor is not None]
    kind = next(tensor.kind for tensor in found if tensor is not None)
    place = (name, kind, shapes[0])
    a, b = found
    if not isinstance(a, NamedTensor) or not isinstance(b, NamedTensor):
        scorable = isinstance(a, NamedTensor) or isinstance(b, NamedTensor)
        return _Pair(*place, status="skipped", reason=_why_not(a, b), scorable=scorable)
    if a.values.shape != b.values.shape:
        return _Pair(*place, status="skipped", reason=f"shape {shapes[0]} in A, {shapes[1]} in B")
    try:
        return _Pair(*place, change(a.values, b.values), note=_both(a.note or None, b.note or None) or None)
    except NotFiniteError as error:
        return _Pair(*place, status="failed", reason=str(error))


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


def _values(side: _Side, names: Sequence[str], rule: OrderRule, wanted: Wanted, threads: int) -> Values:
    """Measure tensors of one side; return its rows by the name that they are paired by, and metric."""
    if not names:
        return {}
    source = Selected(side.readers, names, side.label, rule)
    with compressor_pool(threads) as pool:
        rows = measure_source(source, wanted, {}, pool, threads).wait()
    paired = {own: name for name, own in side.own_names.items()} | {"": ""}
    found: dict[tuple[str, str], Row] = {}
    for row in rows.measurements:
        name: str = row["tensor"]
        found[paired.get(name, name), row["metric"]] = row
    return found


def _tensor_rows(pairs: Sequence[_Pair], wanted: Wanted, a: Values, b: Values) -> Iterator[Row]:
    for pair in pairs:
        if pair.change is None:
            yield from _without_values(pair.place, wanted, pair.status, pair.reason)
        else:
            yield from _with_values(pair.place | _facts(pair.change), pair.name, wanted, a, b)


def _model_rows(
    pairs: Sequence[_Pair], wanted: Wanted, sides: tuple[_Side, _Side], a: Values, b: Values
) -> Iterator[Row]:
    changes = [pair.change for pair in pairs if pair.change is not None]
    place = MODEL | {"left_out": sum(pair.change is None and pair.scorable for pair in pairs)}
    if changes:
        yield from _with_values(place | _facts(sum(changes, Change())), "", wanted, a, b)
    else:
        yield from _without_values(place, wanted, "failed", _nothing(pairs, sides))


def _with_values(place: Row, tensor: str, wanted: Wanted, a: Values, b: Values) -> Iterator[Row]:
    """Yield the rows of one tensor, or of the model: both values of every metric, or why there are none."""
    planes = plane_metrics(wanted.planes.bits) if wanted.planes is not None else ()
    for metric in (*wanted.metrics, *planes):
        one, other = a.get((tensor, metric)), b.get((tensor, metric))
        if one is None and other is None:
            continue  # planes of a tensor that QuBD skips
        yield place | _versus(metric, one or a[tensor, "qubd"], other or b[tensor, "qubd"])


def _nothing(pairs: Sequence[_Pair], sides: tuple[_Side, _Side]) -> str:
    """Say why there is nothing to compare, with the first tensor's reason as the example."""
    one, other = sides
    example = next((pair for pair in pairs if pair.scorable), pairs[0] if pairs else None)
    detail = f"; {example.name}: {example.reason}" if example is not None else ""
    return f"{one.label} and {other.label} have no tensor that can be compared{detail}"


def _without_values(place: Row, wanted: Wanted, status: str, reason: str | None) -> Iterator[Row]:
    """Yield a row per metric that says why there is no number; one for all planes."""
    units = {name: estimator(name).unit for name in wanted.metrics}
    made_by = marks(wanted.preset)
    for metric, unit in units.items():
        mine = made_by if wanted.planes is None else {}
        yield place | mine | {"metric": metric, "unit": unit, "status": status, "reason": reason}
    if wanted.planes is not None:
        yield place | made_by | {"metric": "qubd", "unit": UNIT, "status": status, "reason": reason}


def _versus(metric: str, a: Row, b: Row) -> Row:
    """Return the columns of one metric of both sides."""
    facts = {name: a.get(name) for name in ("unit", "preset", "departures")} | {"metric": metric}
    statuses = {a["status"], b["status"]}
    if statuses != {"ok"}:
        status = "failed" if "failed" in statuses else "skipped"
        return facts | {"status": status, "reason": _both(a.get("reason"), b.get("reason"))}
    first, second = a["value"], b["value"]
    ratio = second / first if first else None
    return facts | {
        "value_a": first,
        "value_b": second,
        "difference": second - first,
        "ratio": ratio,
        "status": "ok",
        "reason": None,
    }


def _facts(found: Change) -> Row:
    """Return the columns about the weights: counts as shares of them."""
    counts = ("changed", "signs_changed", "zeros_a", "zeros_b", "ones_a", "ones_b")
    shares = {name: getattr(found, name) / found.weights for name in counts}
    return {"weights": found.weights, **shares, "distance": found.distance}
