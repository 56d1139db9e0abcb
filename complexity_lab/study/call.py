"""One task on its way to a worker and back: what is sent, what is done there, and what is told of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from complexity_lab.errors import ComplexityLabError, OutputError
from complexity_lab.files import writing
from complexity_lab.study.identity import FileIdentity, Identification
from complexity_lab.study.kind import Failure, Kind, RunOptions, Task, TaskContext
from complexity_lab.study.workers import end_with
from complexity_lab.tables.commit import Commit
from complexity_lab.tables.directory import StudyDirectory
from complexity_lab.tables.rows import OK, Record, Row


@dataclass(frozen=True, kw_only=True)
class TaskCall:
    """One task and where its rows go: all that is sent to a worker, whatever the size of the plan."""

    task: Task
    kind: Kind[Any]
    directory: Path
    directory_id: str
    plan_hash: str
    study: str
    metadata: dict[str, str]
    options: RunOptions = field(default_factory=RunOptions)
    threads: int = 1
    parent: int | None = None  # the process that runs the study, where the worker has to end with it

    @property
    def context(self) -> TaskContext:
        """What the task may use."""
        return TaskContext(directory=self.directory, key=self.task.key, threads=self.threads, options=self.options)

    def commit(self, record: Record, inputs: tuple[FileIdentity, ...] = ()) -> Commit:
        """Return the record that says that the task is finished."""
        return Commit(
            task=self.task.key,
            plan_hash=self.plan_hash,
            directory_id=self.directory_id,
            parts={},
            status=record.status,
            error=record.error,
            seconds=record.seconds or 0.0,
            inputs=tuple(map(asdict, inputs)),
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one task."""

    task: str
    status: str
    error: str | None
    seconds: float


def run_task(call: TaskCall) -> Outcome:
    """Do one task and write its rows. Whatever is wrong with it becomes rows that say so.

    Raises:
        OutputError: the rows cannot be written.
    """
    if call.parent is not None:
        end_with(call.parent)
    directory = StudyDirectory(call.directory)
    directory.mark_running(call.task.key)
    started = time.perf_counter()
    inputs = Identification(call.task.inputs)
    try:
        rows = list(call.kind.run(call.task.payload, call.context))
        outcome = _finish(call, directory, rows, started, inputs.result())
    except OutputError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one task that fails becomes its record, others go on
        failed = call.kind.failed(call.task.payload, Failure.of(error))
        return _finish(call, directory, [failed], started, inputs.result())
    if outcome.status == OK:
        with writing(call.directory):
            call.kind.tidy(call.task.payload, call.context)
    return outcome


def fail_task(call: TaskCall, failure: Failure) -> Outcome:
    """Write that a task could not be done, and why."""
    record = call.kind.failed(call.task.payload, failure)
    return _finish(call, StudyDirectory(call.directory), [record], None, ())


def _finish(
    call: TaskCall, directory: StudyDirectory, rows: list[Row], started: float | None, inputs: tuple[FileIdentity, ...]
) -> Outcome:
    seconds = 0.0 if started is None else time.perf_counter() - started
    record, others = _record_of(call, rows)
    record = replace(record, seconds=record.seconds if record.seconds is not None else seconds)
    directory.write(call.commit(record, inputs), [record, *others], study=call.study, metadata=call.metadata)
    return Outcome(call.task.key, record.status, record.error, seconds)


def _record_of(call: TaskCall, rows: list[Row]) -> tuple[Record, list[Row]]:
    records = [row for row in rows if isinstance(row, Record)]
    if len(records) != 1:
        raise ComplexityLabError(f"{call.kind.name} {call.task.key} has {len(records)} records, wanted one")
    if records[0].status != OK and not records[0].error:
        raise ComplexityLabError(f"{call.kind.name} {call.task.key} failed without saying why")
    return records[0], [row for row in rows if not isinstance(row, Record)]
