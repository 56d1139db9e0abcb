"""Where tasks run: in this process, in joblib's loky workers, or on a Dask cluster through joblib's own backend."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from complexity_lab.errors import InputError, UnreachableError
from complexity_lab.survey.task import Outcome, Task, run_task

if TYPE_CHECKING:
    from complexity_lab.zoo.card import ModelCard

Backend = Literal["loky", "dask"]
BASE_MEMORY = 700_000_000  # bytes of a worker that has imported torch and timm
BYTES_PER_PARAMETER = 12  # the module, its trained weights while they are loaded, and what is in flight


class WorkerDied(Exception):  # noqa: N818 - an event that the runner handles, not an error for the caller
    """A worker process was killed from outside."""


@dataclass(frozen=True)
class Executor:
    """How tasks are run.

    Attributes:
        jobs: tasks at the same time.
        threads: cores given to each task.
        backend: ``loky`` processes on this machine, or ``dask``.
        scheduler: address of a Dask scheduler; workers need the output directory at the same path.
    """

    jobs: int = 1
    threads: int = 1
    backend: Backend = "loky"
    scheduler: str | None = None

    def run(self, tasks: Sequence[Task], *, isolated: bool = False) -> Iterator[Outcome]:
        """Yield outcomes as tasks finish, in any order.

        ``isolated`` forces processes of their own even for one job, so that a task that gets its process killed does
        not take the survey along.

        Raises:
            WorkerDied: a worker was killed; finished tasks are on disk.
        """
        import joblib
        from joblib.externals.loky.process_executor import BrokenProcessPool

        if self.backend == "loky" and self.jobs == 1 and not isolated:
            yield from map(run_task, tasks)
            return
        try:
            with self._configured(joblib):
                parallel = joblib.Parallel(
                    n_jobs=max(2, self.jobs),  # joblib would run a single job in this process
                    return_as="generator_unordered",
                    batch_size=1,
                    pre_dispatch=self.jobs,  # and this keeps it at one at a time
                )
                yield from parallel(joblib.delayed(run_task)(replace(task, in_worker=True)) for task in tasks)
        except (BrokenProcessPool, *_dask_losses()) as error:
            raise WorkerDied(str(error)) from error

    @contextmanager
    def _configured(self, joblib: Any) -> Iterator[None]:
        with warnings.catch_warnings():
            # joblib's notice that a worker stopped early; the runner handles it
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
            if self.backend == "dask":
                with self._dask_client(), joblib.parallel_config(backend="dask"):
                    yield
            else:
                with joblib.parallel_config(backend="loky", inner_max_num_threads=self.threads):
                    yield

    @contextmanager
    def _dask_client(self) -> Iterator[None]:
        try:
            from distributed import Client
        except ImportError:
            raise InputError("--backend dask needs Dask; install complexity-lab[dask]") from None
        try:
            options = (
                {"address": self.scheduler} if self.scheduler else {"n_workers": self.jobs, "threads_per_worker": 1}
            )
            client: Any = Client(**options)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError) as error:
            raise UnreachableError(f"no Dask scheduler answers at {self.scheduler} ({error})") from None
        with client:
            yield


def _dask_losses() -> tuple[type[Exception], ...]:
    """What Dask raises for a task whose worker died, if Dask is in use."""
    distributed = sys.modules.get("distributed")
    return () if distributed is None else (distributed.KilledWorker,)


def stop_workers() -> None:
    """Kill loky's workers, as after Ctrl-C; finished models are on disk."""
    from joblib.externals.loky import reusable_executor

    running = reusable_executor._executor
    if running is not None:
        running.shutdown(wait=True, kill_workers=True)


def memory_needed(card: ModelCard) -> int:
    """Estimate the memory of a task in bytes, from parameters or the size of the files."""
    parameters = card.parameters if card.parameters is not None else (card.size_bytes or 0) // 4
    return BASE_MEMORY + BYTES_PER_PARAMETER * parameters


def waves(tasks: Sequence[Task], jobs: int, memory: int) -> Iterator[tuple[int, list[Task]]]:
    """Group tasks, the largest first, by how many of them fit into ``memory`` bytes at the same time.

    Yields (concurrency, tasks). A task that does not fit even alone still runs, alone.
    """
    ordered = sorted(tasks, key=lambda task: (-memory_needed(task.card), task.card.id))
    wave: list[Task] = []
    current = 0
    for task in ordered:
        concurrency = max(1, min(jobs, memory // memory_needed(task.card)))
        if wave and concurrency != current:
            yield current, wave
            wave = []
        current = concurrency
        wave.append(task)
    if wave:
        yield current, wave
