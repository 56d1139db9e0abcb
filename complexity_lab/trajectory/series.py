"""A series of checkpoints to the tables ``steps`` and ``series``: measured side by side, each kept once it is done.

All are read in the order of tensors of the reference, which is step 0 or, where that was not kept, the first one. What
cannot be measured (a truncated file, another network, NaN, a revision that is missing) is rows that say why; the other
checkpoints stand. Checkpoints that appear later are added to the same directory; those that go stay in the tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from complexity_lab.errors import ComplexityLabError, InputError, OutputError
from complexity_lab.trajectory.checkpoints import Checkpoint, OrderedFiles, in_files, order_of_files
from complexity_lab.trajectory.losses import COLUMNS
from complexity_lab.trajectory.probe import StepProbe
from complexity_lab.trajectory.revisions import in_revisions
from complexity_lab.trajectory.store import TrajectoryStore
from complexity_lab.weights.source import Order

Row = dict[str, Any]
Losses = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Series:
    """Checkpoints of one training.

    Attributes:
        source: directory or hub repository, as the plan names it.
        name: what a reader calls it.
        checkpoints: in the order of their steps, at least one.
        others: names in the directory that say no step.
    """

    source: str
    name: str
    checkpoints: tuple[Checkpoint, ...]
    others: tuple[str, ...] = ()

    @property
    def reference(self) -> int:
        """The step that ratios are relative to: 0 if there is one, else the first."""
        return self.checkpoints[0].step  # 0 is the lowest number that a name can hold


def find_series(
    source: str,
    *,
    revisions: Sequence[str] = (),
    name: str | None = None,
    timeout: float = 60.0,
    keep_downloads: bool = True,
) -> Series:
    """Return the checkpoints of a directory, or of revisions of a hub repository; nothing is opened or fetched.

    Args:
        source: directory of step-N checkpoints, or ``owner/name``.
        revisions: of the repository; patterns such as ``step*`` stand for its branches and tags.
        name: what a reader calls the series; the name of the directory or repository if None.
        timeout: how long the hub may be silent, seconds.
        keep_downloads: leave them in the hub's cache.

    Raises:
        InputError: no checkpoints, two of one step, or revisions of a directory.
        UnreachableError: no such directory, or the hub does not answer.
        UnknownNameError: no such repository, or no revision fits.
    """
    path = Path(source)
    if path.is_dir():
        if revisions:
            raise InputError(f"{source} is a directory and has no revisions; leave --revisions out")
        resolved = path.resolve()
        found, others = in_files(resolved)
        return Series(str(resolved), name or resolved.name, tuple(found), tuple(others))
    if not revisions and (source.count("/") != 1 or path.parent.is_dir() or source.startswith((".", "/"))):
        in_files(path)  # says that there is no such directory
    on_hub = in_revisions(source, revisions, timeout=timeout, keep=keep_downloads)
    return Series(source, name or source, tuple(on_hub))


@dataclass(frozen=True)
class Told:
    """One step of a series being measured; ``step`` is None at its beginning."""

    step: int | None
    error: str | None
    finished: int
    total: int
    kept: int
    seconds: float
    seconds_left: float | None


@dataclass
class SeriesResult:
    """What a series came to."""

    directory: Path
    run: str
    reference: int
    measured: int = 0
    kept: int = 0
    ok: int = 0
    steps: set[int] = field(default_factory=set)  # that the tables hold
    failed: dict[int, str] = field(default_factory=dict)  # step -> the first reason

    @property
    def exit_code(self) -> int:
        """0 if every checkpoint is ok, 3 if some failed, 1 if all did."""
        return 0 if not self.failed else 3 if self.ok else 1


def plan_of(series: Series, probe: StepProbe, preset: str | None = None) -> Row:
    """Return all that decides the rows of a checkpoint, as JSON types; which checkpoints there are does not."""
    decisive = {key: value for key, value in asdict(probe).items() if key != "threads"}
    return {"source": series.source, "name": series.name, "reference": series.reference, "preset": preset} | decisive


def run_series(
    series: Series,
    probe: StepProbe,
    directory: Path,
    *,
    preset: str | None = None,
    losses: Losses | None = None,
    jobs: int = 1,
    retry_failed: bool = False,
    progress: Callable[[Told], None] | None = None,
) -> SeriesResult:
    """Measure the checkpoints that are not measured yet, and write the tables.

    Args:
        series: from ``find_series``.
        probe: what is measured.
        directory: of the tables; an interrupted or grown series continues.
        preset: name of the rules of the planes, noted in the plan.
        losses: by step, see ``read_losses``; None keeps those that the tables hold.
        jobs: checkpoints at the same time, each in a process of its own.
        retry_failed: measure failed checkpoints again.
        progress: told about every checkpoint that ends.

    Raises:
        PlanMismatchError: the directory holds another series, or this one measured otherwise.
        OutputError: it cannot be written, or another process is working in it.
        InputError: ``jobs`` below 1.
    """
    if jobs < 1:
        raise InputError(f"--jobs {jobs}, wanted 1 or more")
    store = TrajectoryStore(directory)
    metadata = store.prepare(plan_of(series, probe, preset))
    with store.exclusive():
        return _Measuring(store, series, probe, progress or _silent).go_on(losses, jobs, retry_failed, metadata)


def _silent(told: Told) -> None:
    del told


class _Measuring:
    """One series on its way into a directory."""

    def __init__(self, store: TrajectoryStore, series: Series, probe: StepProbe, tell: Callable[[Told], None]) -> None:
        self.store, self.series, self.probe, self.tell = store, series, probe, tell
        self.started = time.perf_counter()

    def go_on(self, losses: Losses | None, jobs: int, retry_failed: bool, metadata: Mapping[str, str]) -> SeriesResult:
        """Measure what is left, then write all rows of the series."""
        series, result = self.series, SeriesResult(self.store.directory, self.series.name, self.series.reference)
        done = self._done()
        if retry_failed:
            done = {step: rows for step, rows in done.items() if failure_of(rows) is None}
        left = [checkpoint for checkpoint in series.checkpoints if checkpoint.step not in done]
        result.kept = len(done)
        self.tell(Told(None, None, 0, len(left), result.kept, 0.0, None))
        for step, rows in self._measure(left, jobs):
            done[step] = rows
            result.measured += 1
            self._tell_one(step, rows, result, len(left))
        result.steps = set(done)
        for step, rows in sorted(done.items()):
            reason = failure_of(rows)
            if reason is None:
                result.ok += 1
            else:
                result.failed[step] = reason
        if left or losses is not None or series.name not in self.store.outcomes():
            rows = [row for _, found in sorted(done.items()) for row in found]
            self.store.write(self._series_row(rows, result), with_losses(rows, losses), metadata)
        return result

    def _done(self) -> dict[int, list[Row]]:
        """Return the rows of every step that was measured before."""
        found: dict[int, list[Row]] = {}
        for row in self.store.steps(self.series.name):
            found.setdefault(row["step"], []).append(row)
        for rows in self.store.pieces(self.series.name).values():
            found[rows[0]["step"]] = rows
        return found

    def _measure(self, left: Sequence[Checkpoint], jobs: int) -> Iterator[tuple[int, list[Row]]]:
        """Yield the rows of each checkpoint as it ends, when they are safe on disk."""
        if not left:
            return
        task = CheckpointTask(left[0], self.series.name, self.probe, self.store, self._order())
        yield from _side_by_side([replace(task, checkpoint=checkpoint) for checkpoint in left], jobs)

    def _order(self) -> Order:
        """Return the tensors of the reference; of the next one if it cannot be read, of none if none can."""
        for checkpoint in self.series.checkpoints:
            try:
                with checkpoint.files() as files:
                    return order_of_files(files)
            except OutputError:
                raise
            except ComplexityLabError:  # becomes rows of its own when the checkpoint is measured
                continue
        return {}

    def _tell_one(self, step: int, rows: Sequence[Row], result: SeriesResult, total: int) -> None:
        seconds = time.perf_counter() - self.started
        ahead = seconds / result.measured * (total - result.measured)
        self.tell(Told(step, failure_of(rows), result.measured, total, result.kept, seconds, ahead))

    def _series_row(self, rows: Sequence[Row], result: SeriesResult) -> Row:
        name, failed = self.series.name, not result.ok
        sizes = [row["scored"] + row["dropped"] for row in rows if row["scope"] == "model" and row["status"] == "ok"]
        return {
            "run": name,
            "name": name,
            "group": name,
            "network": name,
            "parameters": sizes[0] if sizes else None,
            "reference": result.reference,
            "seconds": time.perf_counter() - self.started,
            "status": "failed" if failed else "ok",
            "error_type": "WeightsError" if failed else None,
            "error": next(iter(result.failed.values()), None) if failed else None,
        }


def failure_of(rows: Sequence[Row]) -> str | None:
    """Return why a checkpoint has a number less than it should, None if nothing of the network failed."""
    reasons = [row["reason"] for row in rows if row["scope"] == "model" and row["status"] == "failed"]
    return reasons[0] if reasons else None


def with_losses(rows: Sequence[Row], losses: Losses | None) -> list[Row]:
    """Return rows with the losses of their steps; a step without any has none, and None changes nothing."""
    if losses is None:
        return list(rows)
    return [row | dict.fromkeys(COLUMNS) | dict(losses.get(row["step"], {})) for row in rows]


@dataclass(frozen=True)
class CheckpointTask:
    """One checkpoint and where its rows go."""

    checkpoint: Checkpoint
    run: str
    probe: StepProbe
    store: TrajectoryStore
    order: Order


def measure_checkpoint(task: CheckpointTask) -> tuple[int, list[Row]]:
    """Measure a checkpoint and keep its rows; whatever is wrong with it becomes rows that say so.

    Raises:
        OutputError: the rows cannot be written, or a download cannot be stored.
    """
    checkpoint = task.checkpoint
    try:
        with checkpoint.files() as files:
            rows = task.probe.rows(OrderedFiles(files, checkpoint.label, task.order).tensors())
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - one checkpoint must not stop the others
        text = " ".join(str(error).split())[:500]
        sentence = text if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {text}"
        rows = task.probe.without_numbers(sentence)
    common = {"run": task.run, "step": checkpoint.step, "source": checkpoint.label}
    rows = [common | row for row in rows]
    task.store.write_piece(task.run, str(checkpoint.step), rows)
    return checkpoint.step, rows


def _side_by_side(tasks: Sequence[CheckpointTask], jobs: int) -> Iterator[tuple[int, list[Row]]]:
    """Yield step and rows of each checkpoint as it ends."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(measure_checkpoint, tasks)
        return
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    threads = max(1, joblib.cpu_count() // jobs)
    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
            yield from parallel(joblib.delayed(measure_checkpoint)(task) for task in tasks)
    except BrokenProcessPool:
        raise ComplexityLabError(
            "a worker was killed, perhaps for lack of memory; run the same command again to go on, with fewer --jobs"
        ) from None
