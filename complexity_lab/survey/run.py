"""Run a plan: what is done stays done, the rest is measured, and the directory says where everything came from."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import SOURCES, TABLE_SHA256
from complexity_lab.survey.executors import Executor, WorkerDied, memory_needed, stop_workers, waves
from complexity_lab.survey.plan import SurveyPlan, cards_of
from complexity_lab.survey.task import Outcome, Task, failed_row
from complexity_lab.tables.provenance import machine, now, versions
from complexity_lab.tables.store import Store

KILLED = "the worker process was killed twice while it measured this model, most likely for lack of memory"


@dataclass(frozen=True)
class Progress:
    """What a survey tells while it runs."""

    outcome: Outcome | None  # None in the first call, before anything finished
    finished: int  # models finished in this run
    total: int  # models to do in this run
    kept: int  # models that were finished before
    seconds: float  # since this run began
    seconds_left: float | None  # by the work (memory moved) still to do; None until something finished


@dataclass
class SurveyResult:
    """What a survey ended with."""

    directory: Path
    existed: bool
    measured: int = 0
    kept: int = 0
    ok: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every model is ok, 3 if some failed, 1 if none could be measured."""
        if not self.failed:
            return 0
        return 3 if self.ok else 1


def run_survey(
    plan: SurveyPlan,
    directory: Path,
    *,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> SurveyResult:
    """Measure every model of a plan that is not finished yet.

    Args:
        plan: what to measure.
        directory: where the tables are, or will be.
        executor: how; by default one model after the other in this process.
        retry_failed: measure failed models again instead of keeping their rows.
        progress: called before the first and after every model.

    Raises:
        PlanMismatchError: the directory holds another plan.
        OutputError: the directory cannot be written, is full, or another survey is running in it.
        KeyboardInterrupt: the run was interrupted; finished models are kept.
    """
    executor = executor or Executor()
    zoo = plan.open_zoo()
    cards = cards_of(plan, zoo)
    store = Store(directory.resolve())  # workers may have another working directory
    with store.exclusive():
        interrupted = store.running()
        result = SurveyResult(directory, existed=store.prepare(manifest(plan)))
        if retry_failed:
            store.forget(store.failed())
        done = store.done()
        todo = [card for card in cards if card.id not in done]
        metadata = {"plan_hash": plan.hash(), **{f"version:{name}": text for name, text in versions().items()}}
        tasks = [Task(card, plan, zoo, store.directory, metadata, executor.threads) for card in todo]
        result.kept, result.measured = len(cards) - len(todo), len(todo)
        meter = _Meter(tasks, result.kept, progress)
        try:
            for outcome in _outcomes(tasks, executor, store, interrupted):
                meter.advance(outcome)
        except KeyboardInterrupt:
            stop_workers()
            raise
        return _finish(result, store)


def manifest(plan: SurveyPlan) -> dict[str, Any]:
    """Return what the survey directory records about its origin."""
    return {
        "plan": plan.as_dict(),
        "plan_hash": plan.hash(),
        "created": now(),
        "package_version": versions()["complexity-lab"],
        "versions": versions(),
        "ctm_sha256": {"tables": TABLE_SHA256, **SOURCES},
        "machine": machine(),
        "command": _command(),
    }


def _command() -> str | None:
    """Return the command line that asked for this survey, ready to be typed again; None for the Python API."""
    program = Path(sys.argv[0])
    if program.name != "complexity-lab" and program.parent.name != "complexity_lab":
        return None
    return shlex.join(["complexity-lab", *sys.argv[1:]])


def _finish(result: SurveyResult, store: Store) -> SurveyResult:
    for model, error in store.outcomes().items():
        if error is None:
            result.ok += 1
        else:
            result.failed[model] = error
    return result


def _outcomes(tasks: Sequence[Task], executor: Executor, store: Store, interrupted: set[str]) -> Iterator[Outcome]:
    """Run tasks wave by wave; those in flight when a process was killed once more, each alone in a process.

    ``interrupted`` were in flight when an earlier run ended, perhaps because one of them takes all memory.
    """
    suspects = [task for task in tasks if task.card.id in interrupted]
    for task in suspects:
        yield _run_alone(task, executor, store)
    tasks = [task for task in tasks if task not in suspects]
    for concurrency, wave in waves(tasks, executor.jobs, free_memory()):
        yield from _run_wave(wave, replace(executor, jobs=concurrency), executor, store)


def _run_wave(wave: list[Task], narrowed: Executor, executor: Executor, store: Store) -> Iterator[Outcome]:
    """Run tasks in workers, or in this process if the survey runs one job; survive workers that are killed."""
    left, told = list(wave), set[str]()
    while left:
        try:
            for outcome in narrowed.run(left, isolated=executor.jobs > 1):
                told.add(outcome.model)
                yield outcome
            return
        except WorkerDied:
            done, running = store.done(), store.running()
            yield from _finished_untold(left, done - told, store)
            # a worker that died before it noted what it began leaves no suspect: then try the first alone
            suspects = [task for task in left if task.card.id in running - done]
            suspects = suspects or [task for task in left if task.card.id not in done][:1]
            for task in suspects:
                yield _run_alone(task, executor, store)
            told |= done | {task.card.id for task in suspects}
        left = [task for task in left if task.card.id not in told]


def _finished_untold(tasks: Sequence[Task], models: set[str], store: Store) -> Iterator[Outcome]:
    """Yield outcomes that were written but lost with the pool."""
    errors = store.outcomes()
    for task in tasks:
        if task.card.id in models:
            error = errors[task.card.id]
            yield Outcome(task.card.id, "failed" if error else "ok", error, 0.0, task.card.parameters)


def _run_alone(task: Task, executor: Executor, store: Store) -> Outcome:
    try:
        return next(iter(replace(executor, jobs=1).run([task], isolated=True)))
    except WorkerDied:
        row = failed_row(task.card, "WorkerDied", KILLED)
        store.write(task.card.id, {"models": [row], "measurements": [], "histograms": []}, task.metadata)
        return Outcome(task.card.id, "failed", KILLED, 0.0, task.card.parameters)


class _Meter:
    """Counts work and foretells the time left; work is the memory that tasks move, not their number."""

    def __init__(self, tasks: Sequence[Task], kept: int, progress: Callable[[Progress], None]) -> None:
        self.work = {task.card.id: memory_needed(task.card) for task in tasks}
        self.total_work, self.done_work = sum(self.work.values()), 0
        self.kept, self.finished, self.progress = kept, 0, progress
        self.started = time.perf_counter()
        self._tell(None)

    def advance(self, outcome: Outcome) -> None:
        self.finished += 1
        self.done_work += self.work[outcome.model]
        self._tell(outcome)

    def _tell(self, outcome: Outcome | None) -> None:
        seconds = time.perf_counter() - self.started
        left = seconds * (self.total_work / self.done_work - 1) if self.done_work else None
        self.progress(Progress(outcome, self.finished, len(self.work), self.kept, seconds, left))


def free_memory() -> int:
    """Return four fifths of the memory that this process and its workers may still take, bytes."""
    import psutil

    free = psutil.virtual_memory().available
    try:  # a container's limit, where there is one
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        free = min(free, limit - int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such files, or no limit ("max")
        pass
    return int(max(free, 0) * 0.8)


def default_jobs() -> int:
    """Return the cores that this process may use, by affinity and by a container's quota."""
    import joblib

    return int(joblib.cpu_count())


def executor_for(jobs: int | None, models: int, **options: Any) -> Executor:
    """Return an executor that spreads the cores over ``jobs`` tasks.

    Raises:
        InputError: jobs is not positive.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}, wanted 1 or more")
    cores = default_jobs()
    jobs = min(jobs or cores, max(1, models))
    return Executor(jobs=jobs, threads=max(1, cores // jobs), **options)
