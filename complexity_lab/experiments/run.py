"""Runs a plan: trains what is not finished, side by side, and writes rows of each run as soon as it ends.

Every run has a directory of its own with a checkpoint, so that a killed experiment loses at most one epoch per worker.
One process runs an experiment at a time, and one worker a run: a worker that outlived its killed parent finishes its
epoch and ends, and whoever goes on with that run waits until then.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from complexity_lab.errors import ComplexityLabError, InputError, OutputError
from complexity_lab.experiments.plan import TrainingPlan
from complexity_lab.experiments.probe import WeightProbe
from complexity_lab.experiments.rows import epoch_rows, failed_row, run_row
from complexity_lab.experiments.steps import write_unwatched, write_watched
from complexity_lab.files import alone, write_atomically, writing
from complexity_lab.tables.provenance import machine, now, versions
from complexity_lab.tables.steps import forget_series
from complexity_lab.tables.store import MANIFEST, read_manifest, refuse_other_plan
from complexity_lab.tables.training import finished_runs, forget_runs, write_run

if TYPE_CHECKING:
    from complexity_lab.momos.runs import EpochRecord

NETWORKS = "networks"  # folder of the run directories
LOCKS = ".locks"  # a file for the experiment and one for each run; they stay, for removing them would race


@dataclass(frozen=True)
class Told:
    """One step of an experiment; ``seconds_left`` is None before the first run has ended."""

    run: str | None
    error: str | None
    finished: int
    total: int
    kept: int
    seconds: float
    seconds_left: float | None


@dataclass
class ExperimentResult:
    """What an experiment came to."""

    directory: Path
    trained: int = 0
    kept: int = 0
    ok: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every run is ok, 3 if some failed, 1 if all did."""
        return 0 if not self.failed else 3 if self.ok else 1


def configs(plan: TrainingPlan, *, device: str = "auto", data_dir: Path | None = None) -> list[Any]:
    """Return the ``RunConfig`` of every run of a plan, the longest first.

    Raises:
        UnknownNameError: a model has no recipe.
    """
    from complexity_lab.momos.runs import RunConfig

    recipes = plan.recipes()
    found = []
    for model in reversed(plan.models):  # tables name small models first
        methods = sorted(plan.methods(), key=lambda method: (not method.has_motifs, method.s or 0))
        for method in methods:
            for seed in plan.seeds:
                config = RunConfig(
                    model=model,
                    dataset=plan.dataset,
                    method=method,
                    recipe=recipes[model],
                    seed=seed,
                    device=device,
                    precision=plan.precision,
                    compile=plan.compile,
                    data_dir=data_dir,
                    validation=0.05 if plan.preset == "reference" and plan.dataset.startswith("cifar") else None,
                )
                found.append(config)
    return found


def run_experiment(
    plan: TrainingPlan,
    directory: Path,
    *,
    jobs: int | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    keep_weights: bool = False,
    retry_failed: bool = False,
    progress: Callable[[Told], None] | None = None,
) -> ExperimentResult:
    """Train every run of a plan that is not finished, and write the tables ``runs`` and ``epochs``.

    What its weights were watched with is in ``steps`` and ``series`` too, as a series of checkpoints has it.

    Args:
        plan: what to train.
        directory: of the experiment; an interrupted one continues.
        jobs: runs at the same time; one per core on a CPU, one on a GPU. They share the cores, and a run with another
            number of threads sums in another order: its weights differ in the last bits, and after many steps in more.
            The same number of jobs gives the same rows; the column ``threads`` says how it was.
        device: ``auto``, ``cpu``, ``cuda``.
        data_dir: where torchvision's data sets lie or are downloaded to.
        keep_weights: keep initial, best and final weights of every run.
        retry_failed: train failed runs again.
        progress: told about every run that ends.

    Raises:
        PlanMismatchError: the directory holds another experiment.
        OutputError: it cannot be written, or another process is training it.
        InputError: something in the plan cannot be trained; found before anything is.
    """
    everything = configs(plan, device=device, data_dir=data_dir)
    examples = _check_first(everything)
    prepare(plan, directory)
    busy = f"another process is training {directory}; wait for it or use --out"
    with alone(lock_file(directory, "experiment"), busy):
        if retry_failed:
            _forget_failed(directory)
        metadata = {"complexity_lab": versions()["complexity-lab"], "plan_hash": plan.hash()}
        first = RunTask(everything[0], directory, plan.metrics, plan.preset, keep_weights, metadata, examples)
        return _go_on(first, everything, jobs or default_jobs(device), progress or _silent)


def lock_file(directory: Path, what: str) -> Path:
    """Return the file to lock for an experiment or for one of its runs, in a folder that exists."""
    with writing(directory):
        (directory / LOCKS).mkdir(exist_ok=True)
    return directory / LOCKS / f"{what}.lock"


def _forget_failed(directory: Path) -> None:
    failed = [run for run, error in finished_runs(directory).items() if error is not None]
    forget_runs(directory, failed)
    forget_series(directory, failed)


def _go_on(first: RunTask, everything: Sequence[Any], jobs: int, tell: Callable[[Told], None]) -> ExperimentResult:
    """Train what is not finished; ``first`` is the task of one of the runs."""
    directory = first.directory
    done = finished_runs(directory)
    left = [config for config in everything if config.key not in done]
    result = ExperimentResult(directory, kept=len(everything) - len(left))
    tasks = [replace(first, config=config) for config in left]
    started = time.perf_counter()
    tell(Told(None, None, 0, len(tasks), result.kept, 0.0, None))
    for run, error in _run(tasks, jobs):
        result.trained += 1
        seconds = time.perf_counter() - started
        ahead = seconds / result.trained * (len(tasks) - result.trained)
        tell(Told(run, error, result.trained, len(tasks), result.kept, seconds, ahead))
    for run, error in finished_runs(directory).items():
        if error is None:
            result.ok += 1
        else:
            result.failed[run] = error
    return result


def _silent(told: Told) -> None:
    del told


def default_jobs(device: str) -> int:
    """Return how many runs go side by side: one per core on a CPU, where a small network cannot use more; else one."""
    import joblib
    import torch

    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    return 1 if on_gpu else int(joblib.cpu_count())


def prepare(plan: TrainingPlan, directory: Path) -> None:
    """Create the directory of an experiment, or check that it holds the same one."""
    manifest = {
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
            raise OutputError(f"{directory} is not empty and not an experiment; name a new directory with --out")
        directory.mkdir(parents=True, exist_ok=True)
        _write_json(directory / MANIFEST, manifest)


def _command() -> str | None:
    """Return the command line that asked for this experiment; None for the Python API."""
    return shlex.join(["complexity-lab", *sys.argv[1:]]) if Path(sys.argv[0]).name == "complexity-lab" else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    import json

    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def _check_first(everything: Sequence[Any]) -> int:
    """Open the data, build each model and cut its blocks for every method: what cannot work fails before hours pass.

    Return how many images there are to train on.
    """
    from complexity_lab.momos.datasets import load_dataset
    from complexity_lab.momos.networks import build_model
    from complexity_lab.momos.schedule import refuse_impossible
    from complexity_lab.momos.training import check

    first = everything[0]
    data = load_dataset(first.dataset, data_dir=first.data_dir, validation=first.validation)
    for model in dict.fromkeys(config.model for config in everything):
        own = [config for config in everything if config.model == model]
        first = own[0]
        check(first)
        network = build_model(
            model, num_classes=data.num_classes, in_channels=data.in_channels, image_size=first.recipe.image_size
        )
        for method in dict.fromkeys(config.method for config in own):
            if method.has_motifs:
                refuse_impossible(method.momos(), network)
    return len(data.training)


@dataclass(frozen=True)
class RunTask:
    """One run and where its rows go."""

    config: Any  # momos.training.RunConfig, which imports torch
    directory: Path
    metrics: tuple[str, ...]
    preset: str
    keep_weights: bool
    metadata: dict[str, str]
    examples: int | None = None  # training images; counted if None
    parent: int = field(default_factory=os.getpid)  # the process that runs the experiment


def _run(tasks: Sequence[RunTask], jobs: int) -> Iterator[tuple[str, str | None]]:
    """Yield key and error of each run as it ends."""
    if jobs < 1:
        raise InputError(f"--jobs {jobs}, wanted 1 or more")
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    threads = max(1, joblib.cpu_count() // jobs)  # however few runs are left: other threads, other last bits
    if jobs == 1 or len(tasks) < 2:
        yield from (run_task(task, threads) for task in tasks)
        return
    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
            yield from parallel(joblib.delayed(run_task)(task, threads) for task in tasks)
    except BrokenProcessPool:
        raise ComplexityLabError(
            "a worker was killed, perhaps for lack of memory; run the same command again to go on, with fewer --jobs"
        ) from None


def run_task(task: RunTask, threads: int | None = None) -> tuple[str, str | None]:
    """Train one run and write its rows; whatever goes wrong with it becomes a row that says so.

    Raises:
        OutputError: the rows cannot be written.
    """
    import torch

    config, folder = task.config, task.directory / NETWORKS / task.config.key
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with FileLock(lock_file(task.directory, config.key)):
            error = _train(task, folder, WeightProbe(task.metrics))
    finally:
        torch.set_num_threads(before)
    return config.key, error


def _train(task: RunTask, folder: Path, probe: WeightProbe) -> str | None:
    """Train one run and write its rows; return what went wrong with it."""
    from complexity_lab.momos.training import train

    def leave_if_orphaned(epoch: EpochRecord) -> None:
        del epoch  # it is safe on disk
        if task.parent not in (os.getpid(), os.getppid()):
            os._exit(1)

    done = finished_runs(task.directory)
    if task.config.key in done:  # by a worker of a killed experiment, while this one waited
        return done[task.config.key]
    try:
        result = train(task.config, folder, probe=probe, on_epoch=leave_if_orphaned)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a run that diverges must not stop the others
        row = failed_row(task.config, task.preset, error)
        write_unwatched(task.directory, row, task.metadata)
        write_run(task.directory, row, [], task.metadata)
        found: str = row["error"]
        return found
    write_watched(task.directory, result, task.metadata, task.examples)
    write_run(task.directory, run_row(result, task.preset), epoch_rows(result), task.metadata)
    if not task.keep_weights:
        _remove(folder)
    return None


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
