"""Where tasks run: in this process, in joblib's loky workers, or on a Dask cluster through joblib's own backend."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from complexity_lab.errors import ComplexityLabError, InputError, UnreachableError
from complexity_lab.study.call import Outcome, TaskCall, run_task
from complexity_lab.study.workers import end_with, kill_workers, workers_end_with_me

if TYPE_CHECKING:
    from collections.abc import Callable

Backend = Literal["loky", "dask"]


class WorkerDied(Exception):  # noqa: N818 - an event that the engine handles, not an error for the caller
    """A worker process was killed from outside."""


@dataclass(frozen=True)
class Executor:
    """How tasks are run.

    Attributes:
        jobs: tasks at the same time.
        threads: cores given to each task.
        backend: ``loky`` processes on this machine, or ``dask``.
        scheduler: address of a Dask scheduler; workers need the output directory at the same path.

    Raises:
        InputError: fewer than one job, or no such backend.
    """

    jobs: int = 1
    threads: int = 1
    backend: Backend = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}, wanted 1 or more")
        if self.backend not in get_args(Backend):
            raise InputError(f"--backend {self.backend!r}, wanted {' or '.join(get_args(Backend))}")

    @property
    def owns_workers(self) -> bool:
        """Whether the workers are ours, to end with this process; those of a given scheduler serve others too."""
        return self.scheduler is None

    def run(self, calls: Sequence[TaskCall], *, isolated: bool = False) -> Iterator[Outcome]:
        """Yield outcomes as tasks finish, in any order.

        ``isolated`` forces processes of their own even for one job, so that a task that gets its process killed does
        not take the study along.

        Raises:
            WorkerDied: a worker was killed; finished tasks are on disk.
        """
        if self.backend == "loky" and self.jobs == 1 and not isolated:
            yield from map(run_task, calls)
            return
        import joblib
        from joblib.externals.loky.process_executor import BrokenProcessPool

        try:
            with workers_end_with_me(), self._configured(joblib):
                parallel = joblib.Parallel(
                    n_jobs=max(2, self.jobs),  # joblib would run a single job in this process
                    return_as="generator_unordered",
                    batch_size=1,
                    pre_dispatch=self.jobs,  # and this keeps it at one at a time
                )
                run: Callable[..., Any] = joblib.delayed(run_task)
                parent = os.getpid() if self.owns_workers else None
                yield from parallel(run(replace(call, parent=parent)) for call in calls)
        except (BrokenProcessPool, *_dask_losses()) as error:
            if "un-serialize" in str(error):  # loky's word for a task that the worker cannot make sense of
                name = calls[0].kind.name
                way_out = "install the module that has it, or run it with --jobs 1"
                raise ComplexityLabError(
                    f"worker processes cannot import the kind of study {name!r}; {way_out}"
                ) from error
            raise WorkerDied(str(error)) from error
        except KeyboardInterrupt:
            kill_workers()
            raise

    @contextmanager
    def _configured(self, joblib: Any) -> Iterator[None]:
        with warnings.catch_warnings():
            # joblib's notice that a worker stopped early; the engine handles it
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
            if self.backend == "dask":
                with self._dask_client(), joblib.parallel_config(backend="dask"):
                    yield
            else:
                # before their first task, whose imports take seconds
                ending = {"initializer": end_with, "initargs": (os.getpid(),)}
                with joblib.parallel_config(backend="loky", inner_max_num_threads=self.threads, **ending):
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


def waves(calls: Sequence[TaskCall], jobs: int, memory: int) -> Iterator[tuple[int, list[TaskCall]]]:
    """Group tasks, the largest first, by how many of them fit into ``memory`` bytes at the same time.

    Yields (concurrency, tasks). A task that does not fit even alone still runs, alone. Among tasks that take the same
    memory those with the most work come first, so that no core waits for one of them at the end.
    """
    ordered = sorted(calls, key=lambda call: (-call.task.memory, -call.task.work, call.task.key))
    wave: list[TaskCall] = []
    current = 0
    for call in ordered:
        concurrency = max(1, min(jobs, memory // call.task.memory))
        if wave and concurrency != current:
            yield current, wave
            wave = []
        current = concurrency
        wave.append(call)
    if wave:
        yield current, wave


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


def available_cores() -> int:
    """Return the cores that this process may use, by affinity and by a container's quota."""
    import joblib

    return int(joblib.cpu_count())
