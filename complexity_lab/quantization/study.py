"""Runs a study of rounding: network after network, side by side, each finished as soon as its rows are on disk."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from complexity_lab.errors import ComplexityLabError, InputError, OutputError
from complexity_lab.files import alone, write_atomically, writing
from complexity_lab.quantization.measure import failed_row, measure_network, network_key
from complexity_lab.quantization.plan import QuantizationPlan, QuantizationStudy
from complexity_lab.quantization.references import ShufflePlanes
from complexity_lab.tables.provenance import machine, now, versions
from complexity_lab.tables.quantization import finished_networks, forget_networks, write_network
from complexity_lab.tables.store import MANIFEST, read_manifest, refuse_other_plan

LOCKS = ".locks"  # a file for the study and one for each network; they stay, for removing them would race


@dataclass(frozen=True)
class Told:
    """One step of a study; ``seconds_left`` is None before the first network has ended."""

    network: str | None
    error: str | None
    finished: int
    total: int
    kept: int
    seconds: float
    seconds_left: float | None


@dataclass
class StudyResult:
    """What a study came to."""

    directory: Path
    kept: int = 0
    rounded: int = 0
    ok: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every network is ok, 3 if some failed, 1 if all did."""
        return 0 if not self.failed else 3 if self.ok else 1


def run_study(
    study: QuantizationStudy,
    directory: Path,
    shuffle: ShufflePlanes,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    progress: Callable[[Told], None] = lambda _: None,
) -> StudyResult:
    """Round every network of a plan that is not finished, and write the tables of ``tables.quantization``.

    Args:
        study: what to do.
        directory: of the study; an interrupted one continues.
        shuffle: ``controls.level_shuffle.shuffled_planes``.
        jobs: networks at a time; one per core by default. Rows do not depend on it: each uses one thread.
        retry_failed: try failed networks again instead of keeping their rows.
        progress: told before the first and after every network.

    Raises:
        PlanMismatchError: the directory holds another plan.
        OutputError: it cannot be written, or another process is at work in it.
        InputError: ``jobs`` below 1.
    """
    import joblib

    at_once = int(joblib.cpu_count()) if jobs is None else jobs
    if at_once < 1:
        raise InputError(f"--jobs {at_once}, wanted 1 or more")
    prepare(study, directory)
    busy = f"another process is at work in {directory}; wait for it or use --out"
    with alone(_lock(directory, "study"), busy):
        return _go_on(study.quantization, directory.resolve(), shuffle, at_once, retry_failed, progress)


def prepare(study: QuantizationStudy, directory: Path) -> None:
    """Create the directory of a study, or check that it holds the same one."""
    plan = study.quantization
    manifest = {
        "title": study.title,
        "question": study.question,
        "source": study.source,
        "plan": plan.as_dict(),
        "plan_hash": plan.hash(),
        "created": now(),
        "versions": versions(),
        "machine": machine(),
        "command": _command(),
    }
    with writing(directory):
        if (directory / MANIFEST).exists():
            refuse_other_plan(read_manifest(directory), manifest, directory)
            return
        if directory.exists() and any(not path.name.startswith(".") for path in directory.iterdir()):
            raise OutputError(f"{directory} is not empty and not a study; name a new directory with --out")
        directory.mkdir(parents=True, exist_ok=True)
        _write_json(directory / MANIFEST, manifest)


def _command() -> str | None:
    """Return the command line that asked for this study; None for the Python API."""
    return shlex.join(["complexity-lab", *sys.argv[1:]]) if Path(sys.argv[0]).name == "complexity-lab" else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    import json

    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def _lock(directory: Path, what: str) -> Path:
    with writing(directory):
        (directory / LOCKS).mkdir(exist_ok=True)
    return directory / LOCKS / f"{what}.lock"


def _go_on(
    plan: QuantizationPlan,
    directory: Path,
    shuffle: ShufflePlanes,
    jobs: int,
    retry_failed: bool,
    progress: Callable[[Told], None],
) -> StudyResult:
    """Round what is not finished."""
    if retry_failed:
        forget_networks(directory, [key for key, error in finished_networks(directory).items() if error is not None])
    done = finished_networks(directory)
    wanted = [(model, seed) for model in plan.models for seed in plan.seeds]
    left = [pair for pair in wanted if network_key(*pair) not in done]
    metadata = {"plan_hash": plan.hash(), **{f"version:{name}": text for name, text in versions().items()}}
    tasks = [NetworkTask(model, seed, plan, directory, shuffle, metadata) for model, seed in left]
    result = StudyResult(directory, kept=len(wanted) - len(left))
    started = time.perf_counter()
    progress(Told(None, None, 0, len(tasks), result.kept, 0.0, None))
    for network, error in _run(tasks, jobs):
        result.rounded += 1
        seconds = time.perf_counter() - started
        ahead = seconds / result.rounded * (len(tasks) - result.rounded)
        progress(Told(network, error, result.rounded, len(tasks), result.kept, seconds, ahead))
    for network, error in finished_networks(directory).items():
        if error is None:
            result.ok += 1
        else:
            result.failed[network] = error
    return result


@dataclass(frozen=True)
class NetworkTask:
    """One network and where its rows go."""

    model: str
    seed: int
    plan: QuantizationPlan
    directory: Path
    shuffle: ShufflePlanes
    metadata: dict[str, str]
    parent: int = field(default_factory=os.getpid)  # the process that runs the study


def _run(tasks: Sequence[NetworkTask], jobs: int) -> Iterator[tuple[str, str | None]]:
    """Yield key and error of each network as it ends."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(run_task, tasks)
        return
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
            yield from parallel(joblib.delayed(run_task)(task) for task in tasks)
    except BrokenProcessPool:
        raise ComplexityLabError(
            "a worker was killed, perhaps for lack of memory; run the same command again to go on, with fewer --jobs"
        ) from None


def run_task(task: NetworkTask) -> tuple[str, str | None]:
    """Round one network and write its rows; whatever goes wrong with it becomes a row that says so.

    Raises:
        OutputError: the rows, or the network to be trained first, cannot be written.
    """
    import torch

    key, before = network_key(task.model, task.seed), torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order can turn an image that is nearly a tie
    try:
        with FileLock(_lock(task.directory, key)):
            return key, _round(task, key)
    finally:
        torch.set_num_threads(before)


def _round(task: NetworkTask, key: str) -> str | None:
    """Write the rows of one network; return what went wrong with it."""
    done = finished_networks(task.directory)
    if key in done:  # by a worker of a killed study, while this one waited
        return done[key]
    try:
        rows = measure_network(task.model, task.seed, task.plan, task.shuffle)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - one network that fails must not stop the others
        row = failed_row(task.model, task.seed, error)
        write_network(task.directory, key, {"accuracies": [row]}, task.metadata)
        found: str = row["error"]
        return found
    write_network(task.directory, key, rows, task.metadata)
    return None
