"""Series of checkpoints of one training: runs (one per checkpoint), curves and measurements, joined by model and step.

All are read in the order of tensors of the reference, which is step 0 or, where that was not kept, the first one that
can be read. What cannot be measured (a truncated file, another network, NaN, a revision that is missing) is rows that
say why; the other checkpoints stand. Checkpoints that appear later are added to the same directory; those that go stay
in the tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt, field_validator

from complexity_lab.counted import counted
from complexity_lab.errors import ComplexityLabError, InputError, OutputError
from complexity_lab.files import keep_file, write_atomically, writing
from complexity_lab.measurement.measured import failed_rows, measure_source
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import MeasurementSpec, spec_of
from complexity_lab.study.kind import Failure, Kind, RunOptions, Spec, Task, TaskContext
from complexity_lab.study.plan import Plan, checked
from complexity_lab.tables.layout import LOSSES
from complexity_lab.tables.rows import CurvePoint, Measurement, Row, Run
from complexity_lab.weights.order import OrderRule
from complexity_lab.weights.source import Order
from complexity_lab.zoo.revisions import in_revisions
from complexity_lab.zoo.series import Checkpoint, FileCheckpoint, OrderedFiles, in_files, order_of_files

ORDER = ".order.json"  # in the directory of a study: names and shapes of the reference's tensors, in order


class SeriesSpec(Spec):
    """Checkpoints of one training, in a directory or in revisions of a hub repository, and what is measured of each."""

    source: str  # directory, or owner/name
    revisions: tuple[str, ...] = ()  # of the repository; patterns such as step* stand for its branches and tags
    name: str | None = None  # what a reader calls it; the name of the directory or repository if None
    metrics: tuple[str, ...] | None = None  # those of the preset, else bdm
    preset: str | None = None
    bits: StrictInt | None = None
    shuffles: StrictInt = Field(default=0, ge=0)  # of every tensor, and of its planes
    seed: StrictInt = Field(default=0, ge=0)  # of the shuffles
    tensor_rows: bool = False
    order: OrderRule = "model"  # of the tensors of the reference, if it is a safetensors file
    losses: Path | None = None  # CSV with a column step, copied into the directory

    @field_validator("source")
    @classmethod
    def _resolved(cls, value: str) -> str:
        return str(Path(value).resolve()) if Path(value).is_dir() else value

    def refuse_impossible(self) -> None:
        """Check names and rules, and that what has revisions can have them."""
        self.measurement  # noqa: B018 - it checks names and rules
        if self.revisions and Path(self.source).is_dir():
            raise InputError(f"{self.source} is a directory and has no revisions; leave --revisions out")

    @property
    def title(self) -> str:
        """What a reader calls the series; the ``model`` of its rows."""
        return self.name or (Path(self.source).name if Path(self.source).is_absolute() else self.source)

    @property
    def measurement(self) -> MeasurementSpec:
        """What is measured of a checkpoint."""
        return spec_of(
            self.metrics,
            preset=self.preset,
            bits=self.bits,
            controls=("shuffle",) if self.shuffles else (),
            draws=self.shuffles,
            seed=self.seed,
            tensor_rows=self.tensor_rows,
        )

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows of a checkpoint; which checkpoints there are does not."""
        values = self.model_dump(mode="json", exclude={"revisions", "losses"})
        return {**values, "name": self.title, "metrics": list(self.measurement.metrics)}


@dataclass(frozen=True)
class Series:
    """The checkpoints that there are now.

    Attributes:
        name: what a reader calls the series.
        checkpoints: in the order of their steps, at least one.
        others: names in the directory that say no step.
    """

    name: str
    checkpoints: tuple[Checkpoint, ...]
    others: tuple[str, ...] = ()


def find_series(spec: SeriesSpec, options: RunOptions | None = None) -> Series:
    """Return the checkpoints of a series; nothing is opened or fetched but the names of revisions.

    Raises:
        InputError: no checkpoints, or two of one step.
        UnreachableError: no such directory, or the hub does not answer.
        UnknownNameError: no such repository, or no revision fits.
    """
    options = options or RunOptions()
    path = Path(spec.source)
    local = path.is_dir() or spec.source.count("/") != 1 or path.parent.is_dir() or spec.source.startswith((".", "/"))
    if local and not spec.revisions:
        in_directory, others = in_files(path)  # says if there is no such directory
        return Series(spec.title, tuple(in_directory), tuple(others))
    found = in_revisions(spec.source, spec.revisions, timeout=options.timeout, keep=options.keep_downloads)
    return Series(spec.title, tuple(found))


@dataclass(frozen=True)
class SeriesTask:
    """One checkpoint of a series, and what is measured of it."""

    series: str
    checkpoint: Checkpoint
    measurement: MeasurementSpec


class SeriesKind(Kind[SeriesSpec]):
    """Checkpoints of one training."""

    name = "series"
    noun = "checkpoint"
    spec_type = SeriesSpec
    open_ended = True

    def spec(self, section: Mapping[str, Any], folder: Path) -> SeriesSpec:
        """Return what a section [series] asks for; a directory is relative to the study file."""
        given = dict(section)
        if isinstance(given.get("source"), str) and (folder / given["source"]).is_dir():
            given["source"] = str(folder / given["source"])
        if isinstance(given.get("losses"), str):
            given["losses"] = folder / given["losses"]
        return SeriesSpec.model_validate(given)

    def tasks(self, spec: SeriesSpec, options: RunOptions) -> Sequence[Task]:
        """Return a task per checkpoint that there is now; replaced files are noticed."""
        measurement = spec.measurement
        return [
            Task(
                key=f"{spec.title} step {checkpoint.step:010}",
                payload=SeriesTask(spec.title, checkpoint, measurement),
                inputs=_inputs(checkpoint),
            )
            for checkpoint in find_series(spec, options).checkpoints
        ]

    def prepare(self, spec: SeriesSpec, directory: Path, options: RunOptions) -> None:
        """Copy the losses; write the order of tensors of the reference, which later checkpoints are read in too."""
        if spec.losses is not None:
            keep_file(spec.losses, directory / LOSSES)
        if (directory / ORDER).exists():
            return
        found = _order_of(find_series(spec, options), spec.order)
        if found is None:
            return  # none can be read now; whoever goes on with the series looks again
        order, rule = found
        content = {"rule": rule, "tensors": [[name, list(shape)] for name, shape in order.items()]}
        with writing(directory):
            write_atomically(directory / ORDER, json.dumps(content).encode())

    def run(self, payload: SeriesTask, context: TaskContext) -> Sequence[Row]:
        """Measure one checkpoint."""
        subject = Subject(payload.series, step=payload.checkpoint.step)
        parameters, failure, rows = None, None, list[Measurement]()
        try:
            with payload.checkpoint.files() as files:
                order, rule = _read_order(context.directory / ORDER, files)
                source = OrderedFiles(files, payload.checkpoint.label, order, rule)
                measured = measure_source(source, payload.measurement, subject, threads=context.threads)
            parameters, rows = measured.parameters, measured.rows
            failure = None if measured.failure is None else Failure.of(measured.failure)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - every metric gets a row that says what is wrong with the checkpoint
            failure = Failure.of(error)
            rows = failed_rows(payload.measurement, subject, failure.error)
        record = self.failed(payload, failure) if failure is not None else _record(payload, parameters)
        return [record, _point(payload), *rows]

    def failed(self, payload: SeriesTask, failure: Failure) -> Run:
        """Return the row of a checkpoint that could not be measured, or not wholly."""
        return _record(payload, None, status="failed", error_type=failure.error_type, error=failure.error)

    def announcement(self, spec: SeriesSpec, tasks: Sequence[Task]) -> str:
        """Return what is about to be measured."""
        steps = [task.payload.checkpoint.step for task in tasks]
        return f"{counted(len(steps), self.noun)} of {spec.title}, steps {steps[0]:,} to {steps[-1]:,}"


KIND = SeriesKind()


def _inputs(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """Return the files of a checkpoint on this machine; what is wrong with them shows when they are read."""
    if not isinstance(checkpoint, FileCheckpoint):
        return ()
    try:
        with checkpoint.files() as files:
            return files
    except ComplexityLabError:
        return ()


def _order_of(series: Series, asked: OrderRule) -> tuple[Order, OrderRule] | None:
    """Return the order of the reference; of the next one if it cannot be read, None if none can."""
    for checkpoint in series.checkpoints:
        try:
            with checkpoint.files() as files:
                return order_of_files(files, asked)
        except OutputError:
            raise
        except ComplexityLabError:  # becomes rows of its own when the checkpoint is measured
            continue
    return None


def _read_order(file: Path, checkpoint: Sequence[Path]) -> tuple[Order, OrderRule]:
    """Return the order that the series is read in.

    Raises:
        ComplexityLabError: no checkpoint could be read when the run began; of this one, the reason.
        InputError: the file of the order is damaged.
    """
    if not file.exists():
        order_of_files(checkpoint, "natural")
        raise InputError("no checkpoint could be read when the run began; run the same command again")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): tuple(shape) for name, shape in found["tensors"]}, found["rule"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{file} is damaged; run the series in a new directory") from None


def _record(task: SeriesTask, parameters: int | None, **columns: Any) -> Run:
    return Run(
        model=task.series,
        step=task.checkpoint.step,
        name=task.series,
        group=task.series,
        architecture=task.series,
        parameters=parameters,
        **columns,
    )


def _point(task: SeriesTask) -> CurvePoint:
    return CurvePoint(model=task.series, step=task.checkpoint.step, source=task.checkpoint.label)


def series_plan(source: str | Path, **choices: Any) -> Plan:
    """Return the plan of a series.

    Args:
        source: directory of step-N checkpoints, or hub repository ``owner/name``.
        choices: other fields of ``SeriesSpec``.

    Raises:
        InputError: a field that there is not, or a value that is not defined.
    """
    spec: SeriesSpec = checked(SeriesSpec, {"source": str(source), **choices}, "the series")
    title = f"Checkpoints of {spec.title}"
    return Plan(kind="series", spec=spec, name=spec.title, title=title, question="")
