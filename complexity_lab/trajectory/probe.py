"""What is measured at one step of a training: metrics, bit planes and their shuffled selves, as rows of ``steps``.

A tensor that cannot be scored is a row that says why. If a tensor holds NaN or infinities, the numbers of the whole
network do not exist at that step, and their rows name the tensor: a training that diverges goes on being watched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from complexity_lab.errors import ComplexityLabError, InputError, WeightsError
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.estimator import CompressorEstimator, CountEstimator, StreamEstimator, estimator
from complexity_lab.estimators.qubd import Rules
from complexity_lab.trajectory.planes import PlaneReader
from complexity_lab.trajectory.readers import CompressorReader, CountReader, Reader, Row, StreamReader
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.source import NamedTensor, SkippedTensor

if TYPE_CHECKING:
    from torch import nn

Tensors = Iterable[NamedTensor | SkippedTensor]


@dataclass(frozen=True)
class StepProbe:
    """Computes the rows of one step; small and picklable.

    Attributes:
        metrics: names of the registry: ``bdm``, ``gzip``, ...
        rules: of the bit planes (``qubd``, ``qubd_plane0`` the least significant, ...); None for no planes.
        tensor_rows: rows of every tensor beside those of the network (not for compressors).
        shuffles: repetitions of the shuffled self, which permutes the values of every tensor: rows
            ``bdm_shuffle_mean`` and ``_sd``, ``qubd_shuffle_mean``, ``qubd_plane0_shuffle_mean``, ...; 0 for none.
        seed: of the shuffles; every step has the same, so that two steps differ by their weights alone.
        threads: for one tensor; numbers do not depend on it.

    Raises:
        UnknownNameError: no such metric.
        InputError: nothing to measure, negative ``shuffles``, or shuffles of planes with overlapping blocks.

    >>> import numpy as np
    >>> tensors = [NamedTensor("weight", np.linspace(-1, 2, 48).reshape(6, 8), "matrix")]
    >>> [(row["metric"], round(row["value"], 1)) for row in StepProbe(("bdm", "block_entropy")).rows(tensors)]
    [('bdm', 82.5), ('block_entropy', 1.5)]
    """

    metrics: tuple[str, ...] = ("bdm",)
    rules: Rules | None = None
    tensor_rows: bool = False
    shuffles: int = 0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in self.metrics:
            estimator(name)
        if not self.metrics and self.rules is None:
            raise InputError("no metrics and no bit planes, wanted something to measure")
        if self.shuffles < 0:
            raise InputError(f"{self.shuffles} shuffles, wanted 0 or more")
        if self.shuffles and self.rules is not None and self.rules.boundary == "correlated":
            raise InputError("shuffles of overlapping blocks are not defined; wanted boundary ignore or recursive")

    @cached_property
    def counted(self) -> tuple[CountEstimator, ...]:
        """Metrics that read block counts."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CountEstimator))

    @cached_property
    def compressed(self) -> tuple[CompressorEstimator, ...]:
        """Compressors."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, CompressorEstimator))

    @cached_property
    def streamed(self) -> tuple[StreamEstimator, ...]:
        """Metrics that read the values themselves."""
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, StreamEstimator))

    def rows(self, tensors: Tensors) -> list[Row]:
        """Return the columns ``scope`` to ``dropped``, ``status`` and ``reason`` of the rows of one step.

        Rows of tensors come first, in model order, then those of the network.

        Args:
            tensors: in model order, read once; an array need not outlive its turn.

        Raises:
            ComplexityLabError: whatever ``tensors`` itself raises (a truncated file); no tensor's values do.
        """
        readers = self._readers()
        rows: list[Row] = []
        failure: ComplexityLabError | None = None
        parameters = 0
        for tensor in tensors:
            place = _place(tensor)
            if isinstance(tensor, SkippedTensor):
                rows += _unscored(readers, place, "skipped", tensor.reason)
                continue
            parameters += tensor.values.size
            try:
                rows += [row for reader in readers for row in reader.read(tensor, place)]
            except (WeightsError, InputError) as error:
                rows += _unscored(readers, place, "failed", str(error))
                failure = failure or WeightsError(f"tensor {tensor.name}: {error}")
        if failure is None and parameters == 0:
            failure = WeightsError("no tensor has trainable floating-point values")
        for reader in readers:
            rows += reader.model_rows(failure, parameters)
        return rows

    def rows_of(self, module: nn.Module) -> list[Row]:
        """Return the rows of a network's trainable parameters as they are now; frozen ones and buffers are skipped."""
        return self.rows(ModuleWeights(module, type(module).__name__).tensors())

    def without_numbers(self, reason: str) -> list[Row]:
        """Return the rows of a step whose weights could not be read at all: a failed one per metric."""
        return [row for reader in self._readers() for row in reader.model_rows(WeightsError(reason), 0)]

    def _readers(self) -> tuple[Reader, ...]:
        readers: list[Reader] = [CountReader(self.counted, self.tensor_rows, self.shuffles, self.seed)]
        if self.compressed:
            readers.append(CompressorReader(self.compressed))
        if self.streamed:
            readers.append(StreamReader(self.streamed, self.tensor_rows))
        if self.rules is not None:
            readers.append(PlaneReader(self.rules, self.tensor_rows, self.shuffles, self.seed, self.threads))
        return tuple(readers)


def _place(tensor: NamedTensor | SkippedTensor) -> Row:
    shape = tensor.shape if isinstance(tensor, SkippedTensor) else tensor.values.shape
    return {"scope": "tensor", "tensor": tensor.name, "kind": tensor.kind, "shape": shape_name(shape)}


def _unscored(readers: tuple[Reader, ...], place: Row, status: str, reason: str) -> list[Row]:
    return [row for reader in readers for row in reader.unscored(place, status, reason)]
