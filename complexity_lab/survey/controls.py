"""Rows of null models beside the measurements: shuffles, matched Gaussians, neurons in another order.

Each null of each metric is two rows of the model, ``{metric}_{null}_mean`` and ``{metric}_{null}_sd`` (sample standard
deviation, divided by n - 1, over seeded draws; nothing here is analytic, unlike the iid null beside it):

- ``shuffle``, ``shuffle_channel``, ``shuffle_row`` of ``bdm`` and ``bdm_2d``: 20 shuffles of the sign bits, see
  ``controls.shuffle``. Large tensors have their histogram drawn, so a repetition's strings and squares are not those
  of one shuffled model; each has the law of the null.
- ``shuffle`` of ``qubd`` and its planes: 20 permutations of the quantized values, all planes jointly, see
  ``controls.level_shuffle``; per tensor too.
- ``gaussian`` of ``bdm`` and ``bdm_2d``: 20 draws of the sign bits of matched normal tensors.
- ``gaussian`` of ``qubd`` and its planes: GAUSSIAN_DRAWS draws of the values themselves, quantized anew, because their
  quantiles differ from draw to draw; the sd of so few is rough (its own relative error is about a half).
- ``permutation``: see ``permutation_rows``.

What cannot be made is one row ``{metric}_{null}_mean`` that says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, block_counts
from complexity_lab.binary.planes import quantize
from complexity_lab.controls.couplings import couplings_of, permuted_scores, touched_share
from complexity_lab.controls.gaussian import GaussianNull, gaussian_scores
from complexity_lab.controls.level_shuffle import blocks_of_shapes, shuffled_planes
from complexity_lab.controls.permutation import Coupling
from complexity_lab.controls.shuffle import ShuffleNull, Within
from complexity_lab.errors import ComplexityLabError, InputError, UnknownNameError, WeightsError, nearest_names
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import Rules
from complexity_lab.survey.planes import UNIT, plane_metrics
from complexity_lab.weights.source import NamedTensor, SkippedTensor, WeightSource

if TYPE_CHECKING:
    from torch import nn

Row = dict[str, Any]
Control = Literal["shuffle", "shuffle_channel", "shuffle_row", "gaussian", "permutation"]
CONTROLS: tuple[Control, ...] = get_args(Control)
BIT_METRICS: dict[str, Shape] = {"bdm": STRING, "bdm_2d": SQUARE}  # those that have nulls of sign bits
WITHIN: dict[str, Within] = {"shuffle": "tensor", "shuffle_channel": "channel", "shuffle_row": "row"}
PERMUTATIONS = 5
LARGEST = 100_000_000  # weights of a network whose permutations are verified: in float64 it takes 2.4 GB
GAUSSIAN_DRAWS = 3  # of values, for bit planes: 100 million normal numbers take a second and a half each time
REPETITIONS = 20


def checked_controls(names: Sequence[str]) -> tuple[Control, ...]:
    """Return controls by name, in the order of CONTROLS and each once; ``all`` names all of them.

    Raises:
        UnknownNameError: there is no such control.

    >>> checked_controls(["gaussian", "shuffle", "gaussian"])
    ('shuffle', 'gaussian')
    """
    known = (*CONTROLS, "all")
    for name in names:
        if name not in known:
            hint = nearest_names(name, known) or f"; there are {', '.join(known)}"
            raise UnknownNameError(f"unknown control {name!r}{hint}")
    return tuple(control for control in CONTROLS if control in names or "all" in names)


class ControlReader:
    """Draws the nulls of tensors one by one, and keeps what the model's rows need."""

    def __init__(
        self,
        controls: Sequence[str],
        metrics: Sequence[str],
        rules: Rules | None,
        tensor_rows: bool,
        *,
        repetitions: int = REPETITIONS,
        seed: int = 0,
        threads: int = 1,
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare the nulls.

        Args:
            controls: names from CONTROLS; ``permutation`` is not read tensor by tensor, see ``permutation_rows``.
            metrics: what the survey measures; of these ``bdm`` and ``bdm_2d`` have nulls.
            rules: of QuBD, whose planes have nulls too; None without.
            tensor_rows: whether tensors get rows (``shuffle`` of QuBD).
            repetitions: draws, GAUSSIAN_DRAWS aside.
            seed: of all random streams.
            threads: for the shuffles of one tensor; no number depends on it.
            marks: columns that every row of a bit plane gets, for instance the name of the rules.

        Raises:
            UnknownNameError: no such control.
            InputError: fewer than 2 repetitions, which have no spread.
        """
        if repetitions < 2:
            raise InputError(f"{repetitions} repetitions, wanted 2 or more: one has no spread")
        self.controls = tuple(name for name in checked_controls(controls) if name != "permutation")
        self.metrics = tuple(name for name in BIT_METRICS if name in metrics)
        shapes = tuple(BIT_METRICS[name] for name in self.metrics)
        self.bits: dict[str, ShuffleNull | GaussianNull] = {
            name: _null(name, repetitions, seed, shapes) for name in self.controls if shapes
        }
        self.planes = None
        if rules is not None and self.controls:
            self.planes = _PlaneNulls(rules, self.controls, repetitions, seed, threads, dict(marks or {}))
        self.tensor_rows = tensor_rows
        self.failures: dict[str, str] = {}  # by control: why its sign bits were not drawn

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Draw the nulls of a tensor; return its rows, none unless they are wanted."""
        for name, null in self.bits.items():
            try:
                null.add(tensor.values)
            except WeightsError as error:  # such as a spread that float64 cannot hold; the others do not mind
                self.failures.setdefault(name, f"tensor {tensor.name}: {error}")
        rows = self.planes.read(tensor, place) if self.planes is not None else []
        return rows if self.tensor_rows else []

    def without_score(self, place: Row, status: str, reason: str) -> list[Row]:  # noqa: ARG002 - as other readers
        """Return no rows: that of the metric itself says why a tensor has no score."""
        return []

    def model_rows(self, place: Row, failure: Exception | None) -> list[Row]:
        """Return the rows of the whole model: mean and sd of every null, or why there are none."""
        rows: list[Row] = []
        for control in self.controls:
            why = str(failure) if failure is not None else self.failures.get(control)
            for metric in self.metrics:
                rows.extend(self._bit_rows(place, metric, control, why))
            if self.planes is not None:
                rows.extend(self.planes.model_rows(place, control, None if failure is None else str(failure)))
        return rows

    def _bit_rows(self, place: Row, metric: str, control: str, why: str | None) -> list[Row]:
        if why is not None:
            return [_skipped(place, metric, control, why)]
        null = self.bits[control]
        drawn: list[BlockCounts] = null.strings() if BIT_METRICS[metric] == STRING else null.squares()
        first = drawn[0]
        if first.blocks == 0:
            return [_skipped(place, metric, control, f"{first.dropped} weights, not one complete block")]
        facts = {"scored": first.scored, "dropped": first.dropped, "blocks": first.blocks}
        return list(_rows(place | facts, metric, control, np.array([bdm_of(counts) for counts in drawn])))


def _null(control: str, repetitions: int, seed: int, shapes: tuple[Shape, ...]) -> ShuffleNull | GaussianNull:
    if control == "gaussian":
        return GaussianNull(repetitions=repetitions, seed=seed, shapes=shapes)
    return ShuffleNull(WITHIN[control], repetitions=repetitions, seed=seed, shapes=shapes)


class _PlaneNulls:
    """Nulls of QuBD: per plane, summed over tensors draw by draw, as the model's profile is."""

    def __init__(
        self, rules: Rules, controls: Sequence[str], repetitions: int, seed: int, threads: int, marks: Row
    ) -> None:
        self.rules, self.repetitions, self.seed, self.threads, self.marks = rules, repetitions, seed, threads, marks
        draws = {"shuffle": repetitions, "gaussian": GAUSSIAN_DRAWS}
        self.sums = {name: np.zeros((draws[name], rules.bits)) for name in controls if name in draws}
        self.failures: dict[str, str] = {}
        if rules.boundary == "correlated":
            self.failures["shuffle"] = "windows that overlap depend on places, and shuffles of them are not drawn"
        self.read_so_far = self.scored = self.added = 0

    def read(self, tensor: NamedTensor, place: Row) -> list[Row]:
        """Draw the nulls of a tensor and return the rows of its shuffles."""
        self.read_so_far += tensor.values.size
        if isinstance(tensor.computed, SkippedTensor):
            return []
        tensor = tensor.computed or tensor  # what the planes themselves are scored of
        if self.rules.why_not(tensor.values.shape, tensor.name) is not None:
            return []
        self.added += 1
        rows: list[Row] = []
        for control, draw in (("shuffle", self._shuffles), ("gaussian", self._gaussians)):
            if control in self.sums and control not in self.failures:
                try:
                    drawn = draw(tensor.values)
                except WeightsError as error:  # such as a range that float32 cannot hold; the measurement says so too
                    self.failures[control] = f"tensor {tensor.name}: {error}"
                    continue
                self.sums[control] += drawn
                if control == "shuffle":
                    rows = self._rows(place | self._facts(tensor.values.shape), control, drawn)
        self.scored += self._facts(tensor.values.shape)["scored"]
        return rows

    def model_rows(self, place: Row, control: str, why: str | None) -> list[Row]:
        """Return the rows of one control over the whole model."""
        if control not in self.sums:
            why = why or "only sign bits are shuffled within channels and rows"
        why = why or self.failures.get(control)
        if why is None and not self.added:
            why = "no tensor is a matrix large enough for these rules"
        if why is not None:
            return [_skipped(place | self.marks, "qubd", control, why)]
        facts = {"scored": self.scored, "dropped": self.read_so_far - self.scored}
        return self._rows(place | facts, control, self.sums[control])

    def _shuffles(self, values: np.ndarray) -> np.ndarray:
        rules = self.rules
        quantized = quantize(values, rules.bits, clip=rules.clip, smallest_span=rules.smallest_span)
        return shuffled_planes(
            quantized,
            ctm_table,
            boundary=rules.boundary,
            repetitions=self.repetitions,
            seed=(self.seed, self.added),
            threads=self.threads,
        )

    def _gaussians(self, values: np.ndarray) -> np.ndarray:
        seed = (self.seed, self.added)
        draws = gaussian_scores(values, lambda w: self.rules.score(w).planes, repetitions=GAUSSIAN_DRAWS, seed=seed)
        return np.array(draws)

    def _facts(self, shape: tuple[int, ...]) -> dict[str, int]:
        rows, columns = shape[0], prod(shape[1:])
        if self.rules.boundary == "correlated":
            return {"scored": rows * columns, "dropped": 0}
        blocks = blocks_of_shapes(rows, columns, self.rules.boundary)
        scored = sum(prod(block) * number for block, number in blocks.items())
        return {"scored": scored, "dropped": rows * columns - scored}

    def _rows(self, place: Row, control: str, drawn: np.ndarray) -> list[Row]:
        """Return mean and sd of the sum over planes, and of every plane, of ``[draws, bits]``."""
        columns = np.column_stack([drawn.sum(axis=1), drawn])
        metrics = plane_metrics(self.rules.bits)
        place = place | self.marks
        return [
            row
            for metric, values in zip(metrics, columns.T, strict=True)
            for row in _rows(place, metric, control, values)
        ]


def _rows(place: Row, metric: str, control: str, values: np.ndarray) -> Iterator[Row]:
    common = place | {"unit": UNIT, "status": "ok"}
    yield common | {"metric": f"{metric}_{control}_mean", "value": float(values.mean())}
    yield common | {"metric": f"{metric}_{control}_sd", "value": float(values.std(ddof=1))}


def _skipped(place: Row, metric: str, control: str, reason: str) -> Row:
    facts = {"metric": f"{metric}_{control}_mean", "unit": UNIT, "status": "skipped", "reason": reason}
    return place | facts


def permutation_rows(
    source: WeightSource,
    metrics: Sequence[str],
    rules: Rules | None,
    place: Row,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    marks: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Return mean and sd of every metric over permutations of neurons that keep the function, or why there are none.

    The sd is the resolution of a metric: what it makes of an order that means nothing. ``scored`` counts the weights
    of tensors in which something moves, ``dropped`` the others.

    Args:
        source: what was measured; files have no layers, so only sources with a ``module`` have this null.
        metrics: what the survey measures; of these ``bdm`` and ``bdm_2d`` have nulls.
        rules: of QuBD, whose planes have nulls too; None without.
        place: columns that every row shares.
        permutations: how many, 2 or more.
        seed: of the random stream.
        marks: columns that every row of a bit plane gets.
    """
    names = tuple(name for name in BIT_METRICS if name in metrics)
    planes = () if rules is None else plane_metrics(rules.bits)
    marked = {name: place | (dict(marks or {}) if name in planes else {}) for name in (*names, *planes)}
    module = getattr(source, "module", None)
    why = None if module is not None else "needs a module, these are files"
    if module is not None and names + planes:
        try:
            scores, facts = _permuted(source, module, names, rules, permutations, seed, place.get("model"))
        except Exception as error:  # noqa: BLE001 - a network that cannot be run here is a row that says so
            why = str(error) if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {error}"
    if why is not None:
        asked = (*names, *planes[:1])
        return [_skipped(marked[name], name, "permutation", " ".join(why.split())[:500]) for name in asked]
    columns = zip((*names, *planes), scores.T, strict=True) if names + planes else ()
    return [row for name, values in columns for row in _rows(marked[name] | facts, name, "permutation", values)]


def _permuted(
    source: WeightSource,
    module: nn.Module,
    metrics: Sequence[str],
    rules: Rules | None,
    permutations: int,
    seed: int,
    model: str | None,
) -> tuple[np.ndarray, Row]:
    """Return the scores of permutations, float64 ``[permutations, metrics and planes]``, and facts of their rows.

    Raises:
        InputError: too large, no known input, nothing to permute.
    """
    weights = sum(parameter.numel() for parameter in module.parameters())
    if weights > LARGEST:
        raise InputError(f"{weights} weights, and which units can be exchanged is verified up to {LARGEST}")
    couplings = _couplings(module, model)
    if not couplings:
        raise InputError("no units were found whose exchange provably keeps the function")
    scores = permuted_scores(module, couplings, lambda: _scores(source, metrics, rules), n=permutations, seed=seed)
    touched = round(weights * touched_share(module, couplings))
    return scores, {"scored": touched, "dropped": weights - touched}


_KNOWN: dict[tuple[str, str], tuple[Coupling, ...]] = {}  # of the model whose states are being measured


def _couplings(module: nn.Module, model: str | None) -> tuple[Coupling, ...]:
    """Return the couplings of a network; the states of one model, told by its id and layers, share them."""
    key = (model or "", repr(module))
    if model is None or key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = couplings_of(module)
    return _KNOWN[key]


def _scores(source: WeightSource, metrics: Sequence[str], rules: Rules | None) -> list[float]:
    """Measure the weights as they are now: the metrics of sign bits, then QuBD and its planes."""
    stream, squares = StreamCounter(), BlockCounts.empty(SQUARE)
    profile = np.zeros(0 if rules is None else rules.bits)
    for tensor in source.tensors():
        if not isinstance(tensor, NamedTensor):
            continue
        if "bdm" in metrics:
            stream.add(tensor.values)
        if "bdm_2d" in metrics and tensor.values.ndim >= 2:
            squares = squares + block_counts(tensor.values, SQUARE)
        if rules is not None and rules.why_not(tensor.values.shape, tensor.name) is None:
            profile += rules.score(tensor.values).planes
    counts = {"bdm": stream.result(), "bdm_2d": squares}
    return [bdm_of(counts[name]) for name in metrics] + ([profile.sum(), *profile] if rules is not None else [])
