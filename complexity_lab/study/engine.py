"""Run a plan of any kind: what is done stays done, the rest is done now, and the directory says where it came from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.files import write_atomically, writing
from complexity_lab.study.call import Outcome, TaskCall, fail_task
from complexity_lab.study.executors import Executor, WorkerDied, available_cores, free_memory, waves
from complexity_lab.study.identity import FileIdentity
from complexity_lab.study.kind import Failure, RunOptions, Task
from complexity_lab.study.manifest import new_manifest
from complexity_lab.study.plan import Plan
from complexity_lab.tables.commit import Commit
from complexity_lab.tables.directory import StudyDirectory, read_manifest
from complexity_lab.tables.layout import TEXT
from complexity_lab.tables.provenance import versions
from complexity_lab.tables.rows import OK

KILLED = Failure(
    "WorkerDied", "the worker process was killed twice while it did this task, most likely for lack of memory"
)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a study is.

    Attributes:
        outcome: of the task that just ended; None in the first call.
        finished: tasks that ended in this run.
        total: tasks to do in this run.
        kept: tasks that were finished before.
        repeated: tasks that are done again because their rows or their weights changed on disk; in the first call.
        seconds: since this run began.
        seconds_left: estimated from the work still to do; None until something finished.
    """

    outcome: Outcome | None
    finished: int
    total: int
    kept: int
    repeated: tuple[str, ...] = ()
    seconds: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a study ended with.

    Attributes:
        directory: of its tables.
        done: tasks done in this run.
        kept: tasks that were finished before.
        ok: tasks that are ok, whenever they were done.
        failed: error of each task that is not.
        missing: tasks of the plan without a record, which should not be.
        unrecorded: Parquet files in the folders of tables that are of no record; they are ignored.
    """

    directory: Path
    done: int = 0
    kept: int = 0
    ok: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if every task is there and ok, 3 if some are not, 1 if none is ok."""
        if not self.failed and not self.missing:
            return 0
        return 3 if self.ok else 1


def run_study(
    plan: Plan,
    directory: Path,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    retry_failed: bool = False,
    limit: int | None = None,
    options: RunOptions | None = None,
    tasks: Sequence[Task] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> StudyResult:
    """Do every task of a plan that is not finished yet.

    Args:
        plan: what to do.
        directory: where the tables are, or will be.
        jobs: tasks at the same time; as many as the kind of study finds right if None.
        executor: where they run instead; ``jobs`` is ignored then.
        retry_failed: do failed tasks again instead of keeping their rows.
        limit: do only the first so many tasks of the plan; a later run without it does the rest.
        options: where and with what, which decides no row.
        tasks: what ``planned_tasks`` gave, where listing them once more would ask a hub again.
        progress: called before the first and after every task.

    Raises:
        PlanMismatchError: the directory holds another plan, or finished tasks that this one has not.
        InputError: ``limit`` or ``jobs`` below 1, or nothing of the plan can work.
        OutputError: the directory cannot be written, is full, or another process is at work in it.
        KeyboardInterrupt: the run was interrupted; finished tasks are kept.
    """
    options = options or RunOptions()
    plan.plugin.check(plan.spec, options)
    tasks = planned_tasks(plan, options, limit) if tasks is None else tasks
    executor = executor or executor_for(plan, jobs, options, tasks=len(tasks))
    store = StudyDirectory(directory.resolve())  # workers may have another working directory
    with store.exclusive():
        interrupted = store.running()
        store.prepare(new_manifest(plan))
        done, repeated = _still_done(store, tasks, retry_failed)
        if limit is None and not plan.plugin.open_ended:
            _refuse_foreign(done, tasks, store)
        _keep_text(plan, store)
        calls = _calls(plan, store, [task for task in tasks if task.key not in done], options, executor.threads)
        plan.plugin.prepare(plan.spec, store.path, options)
        meter = _Meter(calls, len(tasks) - len(calls), repeated, progress)
        try:
            for outcome in _outcomes(calls, executor, store, interrupted):
                meter.advance(outcome)
        finally:
            store.forget_running()  # only what a killed process was at is suspect
        return _result(plan, store, tasks, len(calls))


def executor_for(plan: Plan, jobs: int | None, options: RunOptions, *, tasks: int, **where: str | None) -> Executor:
    """Return an executor that spreads the cores over ``jobs`` of so many tasks.

    Where the last bits depend on the number of threads, it follows from ``jobs`` alone; else few tasks share all cores.

    Raises:
        InputError: jobs is not positive, or an unknown backend.
    """
    cores = available_cores()
    at_once = plan.plugin.jobs(plan.spec, options, cores) if jobs is None else jobs
    if at_once >= 1 and not plan.plugin.threads_decide:
        at_once = min(at_once, max(1, tasks))
    return Executor(jobs=at_once, threads=max(1, cores // max(1, at_once)), **where)  # type: ignore[arg-type]  # checked there


def planned_tasks(plan: Plan, options: RunOptions | None = None, limit: int | None = None) -> list[Task]:
    """Return the tasks of a plan, or its first so many.

    Raises:
        InputError: ``limit`` is below 1, two tasks have one key, or a key is no text.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit}, wanted 1 or more")
    tasks = list(plan.plugin.tasks(plan.spec, options or RunOptions()))
    for task in tasks:
        if not task.key.isprintable() and _is_no_text(task.key):
            raise InputError(f"{task.key!a} is no text, wanted a {plan.plugin.noun} named in UTF-8; rename it")
    twice = len(tasks) - len({task.key for task in tasks})
    if twice:
        raise InputError(f"{twice} {plan.plugin.noun}s of the plan have the name of another; wanted each once")
    return tasks[:limit]


def _is_no_text(key: str) -> bool:
    """Tell whether a name has bytes that are not UTF-8, as Python carries them from file names."""
    return any("\ud800" <= character <= "\udfff" for character in key)


def _still_done(
    store: StudyDirectory, tasks: Sequence[Task], retry_failed: bool
) -> tuple[dict[str, Commit], tuple[str, ...]]:
    """Remove rows that are damaged or whose weights were replaced, and failed ones if asked.

    Returns:
        The records that stand, and the tasks that were damaged or whose weights were replaced.
    """
    damaged = store.resume()
    commits = store.commits()
    planned = [task for task in tasks if task.key in commits]
    changed = [task.key for task in planned if not _inputs_hold(task, commits[task.key])]
    failed = [task.key for task in planned if retry_failed and commits[task.key].status != OK]
    store.forget({*changed, *failed})
    for key in {*changed, *failed}:
        del commits[key]
    return commits, tuple(sorted({*damaged, *changed}))


def _inputs_hold(task: Task, commit: Commit) -> bool:
    """Tell whether the files of a task are those that were measured; rows stand where none is left to measure."""
    present = {str(path) for path in task.inputs if path.exists()}
    try:
        if present and present != {found["path"] for found in commit.inputs}:
            return False
        return all(FileIdentity(**found).still_holds() for found in commit.inputs)
    except (TypeError, KeyError):  # edited into something that is no identity
        return False


def _refuse_foreign(done: Mapping[str, Commit], tasks: Sequence[Task], store: StudyDirectory) -> None:
    """Refuse records of tasks that a whole plan has not: their rows would be in every table."""
    foreign = sorted(set(done) - {task.key for task in tasks})
    if foreign:
        raise PlanMismatchError(
            f"{store.path} holds {counted(len(foreign), 'task')} that the plan has not, such as {foreign[0]!r}, "
            "probably of another version; name a new directory with --out"
        )


def _keep_text(plan: Plan, store: StudyDirectory) -> None:
    """Copy what the author wrote into the directory, where the page finds it."""
    place = store.path / TEXT
    if plan.text and not (place.exists() and place.read_text(encoding="utf-8") == plan.text):
        with writing(store.path):
            write_atomically(place, plan.text.encode())


def _calls(
    plan: Plan, store: StudyDirectory, tasks: Sequence[Task], options: RunOptions, threads: int
) -> list[TaskCall]:
    manifest, kind = read_manifest(store.path), plan.plugin
    plan_hash = plan.hash  # made from the whole plan: once, not for every task
    metadata = {"plan_hash": plan_hash, **{f"version:{name}": text for name, text in versions().items()}}
    return [
        TaskCall(
            task=task,
            kind=kind,
            directory=store.path,
            directory_id=manifest["directory_id"],
            plan_hash=plan_hash,
            study=plan.name,
            metadata=metadata,
            options=options,
            threads=threads,
        )
        for task in tasks
    ]


def _outcomes(
    calls: Sequence[TaskCall], executor: Executor, store: StudyDirectory, interrupted: set[str]
) -> Iterator[Outcome]:
    """Run tasks wave by wave; those in flight when a process was killed once more, each alone in a process.

    ``interrupted`` were in flight when an earlier run ended, perhaps because one of them takes all memory.
    """
    watched = any(call.options.on_epoch for call in calls)  # told to this process, so it has to run here
    suspects = [call for call in calls if call.task.key in interrupted and not watched]
    for call in suspects:
        yield _run_isolated(call, executor, store)
    suspected = {call.task.key for call in suspects}
    rest = [call for call in calls if call.task.key not in suspected]
    for concurrency, wave in waves(rest, executor.jobs, free_memory()):
        yield from _run_wave(wave, replace(executor, jobs=concurrency), executor, store)


def _run_wave(
    wave: Sequence[TaskCall], narrowed: Executor, executor: Executor, store: StudyDirectory
) -> Iterator[Outcome]:
    """Run tasks in workers, or in this process if the study runs one job; survive workers that are killed."""
    left, told = list(wave), set[str]()
    while left:
        try:
            for outcome in narrowed.run(left, isolated=executor.jobs > 1):
                told.add(outcome.task)
                yield outcome
            return
        except WorkerDied:
            done, running = store.commits(), store.running()
            for key in (call.task.key for call in left if call.task.key in done and call.task.key not in told):
                yield _recorded(done[key])  # written, but lost with the pool
            # a worker that died before it noted what it began leaves no suspect: then try the first alone
            unfinished = [call for call in left if call.task.key not in done]
            suspects = [call for call in unfinished if call.task.key in running] or unfinished[:1]
            for call in suspects:
                yield _run_isolated(call, executor, store)
            told |= {*done, *(call.task.key for call in suspects)}
        left = [call for call in left if call.task.key not in told]


def _run_isolated(call: TaskCall, executor: Executor, store: StudyDirectory) -> Outcome:
    """Run a task alone in a process; if that is killed too, the task has failed."""
    try:
        return next(iter(replace(executor, jobs=1).run([call], isolated=True)))
    except WorkerDied:
        found = store.commits().get(call.task.key)
        return _recorded(found) if found is not None else fail_task(call, KILLED)


def _recorded(commit: Commit) -> Outcome:
    return Outcome(commit.task, commit.status, commit.error, commit.seconds)


def _result(plan: Plan, store: StudyDirectory, tasks: Sequence[Task], done: int) -> StudyResult:
    commits = store.commits()
    planned = {task.key for task in tasks}
    counted = commits if plan.plugin.open_ended else {key: found for key, found in commits.items() if key in planned}
    return StudyResult(
        directory=store.path,
        done=done,
        kept=len(tasks) - done,
        ok=sum(commit.status == OK for commit in counted.values()),
        failed={key: commit.error or "no reason recorded" for key, commit in counted.items() if commit.status != OK},
        missing=tuple(sorted(planned - set(commits))),
        unrecorded=tuple(store.unrecorded(commits)),
    )


class _Meter:
    """Counts what is done and estimates the time left by the work of the tasks."""

    def __init__(
        self,
        calls: Sequence[TaskCall],
        kept: int,
        repeated: tuple[str, ...],
        progress: Callable[[Progress], None],
    ) -> None:
        self.work = {call.task.key: call.task.work for call in calls}
        self.total_work, self.done_work = sum(self.work.values()), 0.0
        self.kept, self.finished, self.progress = kept, 0, progress
        self.started = time.perf_counter()
        progress(Progress(outcome=None, finished=0, total=len(calls), kept=kept, repeated=repeated))

    def advance(self, outcome: Outcome) -> None:
        """Count one task that ended."""
        self.finished += 1
        self.done_work += self.work.get(outcome.task, 0.0)
        seconds = time.perf_counter() - self.started
        self.progress(
            Progress(
                outcome=outcome,
                finished=self.finished,
                total=len(self.work),
                kept=self.kept,
                seconds=seconds,
                seconds_left=seconds * (self.total_work / self.done_work - 1) if self.done_work else None,
            )
        )
