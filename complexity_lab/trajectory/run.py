"""Runs a plan: trains and watches what is not finished, side by side, and writes the rows of each run as it ends.

A run is minutes at most: one that was killed begins again, and gives the same rows. One process works on a directory
at a time; a worker that outlives its killed parent ends at its next measurement.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.errors import ComplexityLabError, InputError, OutputError
from complexity_lab.trajectory.plan import TrajectoryPlan, WatchedRun
from complexity_lab.trajectory.store import TrajectoryStore

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.trajectory.tasks import Task
    from complexity_lab.trajectory.training import Moment

Row = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One step of a study; ``run`` is None at its beginning, ``seconds_left`` before the first run has ended."""

    run: str | None
    error: str | None
    finished: int
    total: int
    kept: int
    seconds_left: float | None


@dataclass
class StudyResult:
    """What a study came to."""

    directory: Path
    trained: int = 0
    kept: int = 0
    ok: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every run is ok, 3 if some failed, 1 if all did."""
        return 0 if not self.failed else 3 if self.ok else 1


@dataclass(frozen=True)
class RunTask:
    """One run of a plan and where its rows go."""

    plan: TrajectoryPlan
    run: WatchedRun
    directory: Path
    metadata: dict[str, str]
    parent: int = field(default_factory=os.getpid)  # the process that runs the study


def run_study(
    plan: TrajectoryPlan,
    directory: Path,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    progress: Callable[[Told], None] | None = None,
) -> StudyResult:
    """Train every run of a plan that is not finished, and write the tables ``steps`` and ``series``.

    Args:
        plan: what to train and measure.
        directory: of the study; an interrupted one continues.
        jobs: runs at the same time; default one per ``plan.threads`` cores. Rows do not depend on it.
        retry_failed: train failed runs again.
        progress: told about every run that ends.

    Raises:
        PlanMismatchError: the directory holds another plan.
        OutputError: it cannot be written, or another process works in it.
        InputError: fewer than one job.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}, wanted 1 or more")
    store = TrajectoryStore(directory)
    metadata = store.prepare(plan.as_dict())
    with store.exclusive():
        if retry_failed:
            store.forget([run for run, error in store.outcomes().items() if error is not None])
        return _go_on(plan, store, metadata, jobs or default_jobs(plan.threads), progress or _silent)


def default_jobs(threads: int) -> int:
    """Return how many runs of so many threads fill the cores, at least one."""
    import joblib

    return max(1, int(joblib.cpu_count()) // threads)


def _silent(told: Told) -> None:
    del told


def _go_on(
    plan: TrajectoryPlan, store: TrajectoryStore, metadata: dict[str, str], jobs: int, tell: Callable[[Told], None]
) -> StudyResult:
    """Train what is not finished."""
    done, everything = store.outcomes(), plan.runs()
    left = sorted((run for run in everything if run.key not in done), key=_work, reverse=True)
    result = StudyResult(store.directory, kept=len(everything) - len(left))
    tasks = [RunTask(plan, run, store.directory, metadata) for run in left]
    started = time.perf_counter()
    tell(Told(None, None, 0, len(tasks), result.kept, None))
    for run, error in _side_by_side(tasks, jobs):
        result.trained += 1
        seconds = time.perf_counter() - started
        ahead = seconds / result.trained * (len(tasks) - result.trained)
        tell(Told(run, error, result.trained, len(tasks), result.kept, ahead))
    outcomes = store.outcomes()
    result.failed = {run: error for run, error in outcomes.items() if error is not None}
    result.ok = len(outcomes) - len(result.failed)
    return result


def _work(run: WatchedRun) -> int:
    """Return a rough measure of the time of a run: the longest go first, so that no core waits for one at the end."""
    return sum(run.hidden) ** 2


def _side_by_side(tasks: Sequence[RunTask], jobs: int) -> Iterator[tuple[str, str | None]]:
    """Yield key and error of each run as it ends."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(run_task, tasks)
        return
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=tasks[0].plan.threads):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
            yield from parallel(joblib.delayed(run_task)(task) for task in tasks)
    except BrokenProcessPool:
        raise ComplexityLabError(
            "a worker was killed, perhaps for lack of memory; run the same command again to go on, with fewer --jobs"
        ) from None


def run_task(task: RunTask) -> tuple[str, str | None]:
    """Train and watch one run and write its rows; whatever goes wrong with it becomes a row that says so.

    Returns:
        the key of the run, and what went wrong or None.

    Raises:
        OutputError: the rows cannot be written.
    """
    import torch

    store = TrajectoryStore(task.directory)
    steps: list[Row] = []
    before, started = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(task.plan.threads)
    series = _series_columns(task)
    try:
        series |= _train(task, steps) | {"status": "ok"}
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a run that diverges must not stop the others
        series |= _failure(error)
    finally:
        torch.set_num_threads(before)
    series["seconds"] = time.perf_counter() - started
    store.write(series, steps, task.metadata)
    return task.run.key, series.get("error")


def _train(task: RunTask, steps: list[Row]) -> Row:
    """Train one run, append a row per measured step and metric, and return columns of ``series``."""
    from complexity_lab.trajectory.networks import parameters_of
    from complexity_lab.trajectory.training import generator_of, train

    probe, run = task.plan.probe(), task.run
    data = _task_of(task.plan, run)
    network = _network_of(task.plan, run, data)

    def watch(moment: Moment, network: nn.Module) -> None:
        if task.parent not in (os.getpid(), os.getppid()):
            os._exit(1)
        common = _step_columns(run, moment)
        steps.extend(common | row for row in probe.rows_of(network))

    test = train(
        network,
        data,
        run.recipe,
        order=generator_of(run.seed, "order"),
        measured=frozenset(task.plan.measured()),
        watch=watch,
    )
    return {"parameters": parameters_of(network), "test_accuracy": test.accuracy}


def _task_of(plan: TrajectoryPlan, run: WatchedRun) -> Task:
    from complexity_lab.trajectory.tasks import addition_task, digits_task
    from complexity_lab.trajectory.training import generator_of

    generator = generator_of(run.seed, "data")
    if plan.modulus is None:
        return digits_task(run.examples, labels=run.arm.labels, subset=generator)
    return addition_task(plan.modulus, run.examples, labels=run.arm.labels, split=generator)


def _network_of(plan: TrajectoryPlan, run: WatchedRun, data: Task) -> nn.Module:
    """Return the network with the initial weights of the seed: the same for every training set and arm."""
    from complexity_lab.trajectory.networks import AdditionNetwork, Perceptron
    from complexity_lab.trajectory.training import generator_of

    weights = generator_of(run.seed, "weights")
    if plan.modulus is None or plan.embedding is None:
        features = data.training.inputs.shape[1]
        return Perceptron(run.hidden, features=features, classes=data.classes, weights=weights)
    return AdditionNetwork(plan.modulus, embedding=plan.embedding, hidden=run.hidden[0], weights=weights)


def _series_columns(task: RunTask) -> Row:
    run = task.run
    return {
        "run": run.key,
        "name": run.name,
        "group": run.group,
        "network": run.network,
        "examples": run.examples,
        "seed": run.seed,
        "optimizer": str(run.recipe),
        "reference": 0,
    }


def _step_columns(run: WatchedRun, moment: Moment) -> Row:
    return {
        "run": run.key,
        "step": moment.step,
        "epoch": moment.epoch,
        "seed": run.seed,
        "train_loss": moment.training.loss,
        "train_accuracy": moment.training.accuracy,
        "validation_loss": moment.validation.loss,
        "validation_accuracy": moment.validation.accuracy,
        "source": run.network,
    }


def _failure(error: BaseException) -> Row:
    text = " ".join(str(error).split())[:500]
    sentence = text if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {text}"
    return {"status": "failed", "error_type": type(error).__name__, "error": sentence or type(error).__name__}
