"""One pass over a set of weights: every tensor is read once, and all readers give their rows.

A tensor that cannot be scored is a row that says why. If a tensor holds NaN or infinities, the numbers of the whole
model do not exist either, and their rows name the tensor: a training that diverges goes on being measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from complexity_lab.controls.null import NetworkNull, TensorNull
from complexity_lab.errors import ComplexityLabError, InputError, WeightsError
from complexity_lab.estimators.estimator import estimator
from complexity_lab.measurement.compression import CompressHere, Compressing, CompressorReader
from complexity_lab.measurement.counts import Counted, CountReader
from complexity_lab.measurement.nulls import NullReader, network_rows
from complexity_lab.measurement.planes import SUM, PlaneReader
from complexity_lab.measurement.reader import Reader, RowMaker, Rows
from complexity_lab.measurement.rows import Quantity, Subject, Target
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.measurement.streams import StreamReader
from complexity_lab.tables.rows import Histogram, Measurement, Status
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.source import NamedTensor, SkippedTensor, WeightSource

if TYPE_CHECKING:
    from torch import nn

BATCH = 256  # tensors whose rows are made at once, which bounds what is kept of them


@dataclass
class Measured:
    """What was measured of one set of weights; complete after ``wait``.

    Attributes:
        rows: of tensors in the order of the source, then of the whole model.
        histograms: how often each block occurs in the whole model; none if it has no numbers.
        parameters: values read.
        failure: why there are no numbers of the whole model, or not all.
    """

    rows: list[Measurement]
    histograms: list[Histogram]
    parameters: int
    failure: ComplexityLabError | None
    _compressors: CompressorReader = field(repr=False)

    def wait(self) -> Measured:
        """Fill in what the compressors found, once their threads are done; return this."""
        self.rows, failure = self._compressors.resolve(self.rows)
        self.failure = self.failure or failure
        return self


def measure_source(
    source: WeightSource,
    spec: MeasurementSpec,
    subject: Subject,
    *,
    compressing: Compressing | None = None,
    threads: int = 1,
) -> Measured:
    """Read a source once and return its rows.

    Args:
        source: tensors in a fixed order.
        spec: which numbers.
        subject: whose weights they are.
        compressing: where compressors run, see ``compressor_pool``. They may still run when this returns: call
            ``wait`` before the rows are used. None compresses here, and the result is complete.
        threads: for counting one large tensor, and for shuffles of its planes; no number depends on it.

    Raises:
        ComplexityLabError: whatever reading the source raises (a truncated file); no tensor's values do.
    """
    whole = Target(subject, source.order_rule, spec.made_by)
    reading = _Pass(spec, whole, compressing or CompressHere(), threads)
    for tensor in source.tensors():
        reading.read(tensor)
    measured = reading.finish(source.label)
    networks = [null for null in spec.nulls if isinstance(null, NetworkNull)] if measured.failure is None else []
    for null in networks:
        measured.rows.extend(network_rows(null, source, spec, whole))
    return measured if compressing is not None else measured.wait()


def measure_module(module: nn.Module, spec: MeasurementSpec, subject: Subject, *, threads: int = 1) -> Measured:
    """Return the rows of a network's trainable parameters as they are now; frozen ones and buffers are skipped."""
    return measure_source(ModuleWeights(module, type(module).__name__), spec, subject, threads=threads)


def failed_rows(spec: MeasurementSpec, subject: Subject, reason: str) -> list[Measurement]:
    """Return the rows of weights that could not be read at all: a failed one per metric."""
    whole = Target(subject, None, spec.made_by)
    wanted = [Quantity(item.name, item.unit) for item in map(estimator, spec.metrics) if item.name != SUM.metric]
    planes = [] if spec.rules is None else [SUM]
    return [whole.missing(quantity, "failed", reason) for quantity in wanted + planes]


@dataclass
class _Entry:
    """A tensor that was read, and whose rows are made together with those of others."""

    target: Target
    counted: Counted | None = None
    skipped: str | None = None  # why it is not part of the stream
    failure: ComplexityLabError | None = None
    rows: Rows = field(default_factory=list)  # of all readers but that of counts

    @property
    def missing(self) -> tuple[Status, str] | None:
        """Status and reason of a tensor without numbers."""
        if self.skipped is not None:
            return "skipped", self.skipped
        return None if self.failure is None else ("failed", str(self.failure))


class _Pass:
    """Feeds tensors to the readers; block counts of small tensors are settled many at once."""

    def __init__(self, spec: MeasurementSpec, whole: Target, compressing: Compressing, threads: int) -> None:
        self.whole = whole
        self.counts = CountReader(spec, threads)
        self.compressors = CompressorReader(spec, compressing)
        self.readers: list[Reader] = [self.compressors, StreamReader(spec)]
        if spec.rules is not None:
            self.readers.append(PlaneReader(spec.rules, spec.tensor_rows))
        self.readers.extend(NullReader(null, spec, threads) for null in spec.nulls if isinstance(null, TensorNull))
        self.makers: tuple[RowMaker, ...] = (self.counts, *self.readers)
        self.rows: Rows = []
        self.batch: list[_Entry] = []
        self.parameters = 0
        self.failure: ComplexityLabError | None = None

    def read(self, tensor: NamedTensor | SkippedTensor) -> None:
        """Add one tensor."""
        entry = _Entry(self.whole.of_tensor(tensor))
        self.batch.append(entry)
        if isinstance(tensor, SkippedTensor):
            entry.skipped = tensor.reason
        else:
            self.parameters += tensor.values.size
            try:
                entry.counted = self.counts.read(tensor)
                for reader in self.readers:
                    entry.rows.extend(reader.read(tensor, entry.target))
            except (WeightsError, InputError) as error:
                entry.failure = error
        if len(self.batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        """Make the rows of the tensors that were read so far."""
        counted = [(entry, entry.counted) for entry in self.batch if entry.counted is not None]
        for index, error in self.counts.settle([found for _, found in counted]):
            counted[index][0].failure = counted[index][0].failure or error
        scored = [(entry.target, found) for entry, found in counted if entry.failure is None]
        count_rows = iter(self.counts.tensor_rows_of(scored))
        for entry in self.batch:
            missing = entry.missing
            if missing is None:
                self.rows += [*next(count_rows), *entry.rows]
                continue
            if entry.failure is not None and self.failure is None:
                self.failure = type(entry.failure)(f"tensor {entry.target.tensor}: {entry.failure}")
            self.rows += self._missing(entry.target, *missing)
        self.batch.clear()

    def _missing(self, target: Target, status: Status, reason: str) -> Rows:
        return [row for maker in self.makers for row in maker.without_score(target, status, reason)]

    def finish(self, label: str) -> Measured:
        """Return the rows of all tensors and of the whole model."""
        self._flush()
        if self.parameters == 0 and self.failure is None:
            self.failure = WeightsError(f"{label} has no trainable floating-point parameters")
        if self.failure is None:
            self.rows += [row for maker in self.makers for row in maker.model_rows(self.whole)]
            histograms = self.counts.histograms(self.whole.subject)
        else:
            self.rows += self._missing(self.whole, "failed", str(self.failure))
            histograms = []
        return Measured(self.rows, histograms, self.parameters, self.failure, self.compressors)
