"""A survey task against what it must wait for: timm creating the model for each seed and loading its weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from complexity_lab.bench.comparison import Comparison, of_pairs
from complexity_lab.estimators.compressors import payload
from complexity_lab.measurement.compression import compressor_pool
from complexity_lab.study.engine import run_study
from complexity_lab.study.executors import Executor, available_cores
from complexity_lab.study.kinds.survey import survey_spec
from complexity_lab.study.plan import Plan
from complexity_lab.zoo.selection import Selection

MODELS = ("resnet50.a1_in1k", "vit_base_patch16_224.augreg_in21k_ft_in1k", "mobilenetv3_large_100.ra_in1k")
SEEDS = (0, 1, 2)
COMPRESSORS = ("gzip", "bz2", "lzma")


def comparisons(repeats: int) -> Iterator[Comparison]:
    """Yield a comparison per model with BDM alone, and two with compressors."""
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            file = Path(folder) / f"{model}.safetensors"
            save_file(_create(model, seed=99).state_dict(), file)
            _run(model, Path(folder), ("bdm",))
            pairs = [(_run(model, Path(folder), ("bdm",)), _by_timm(model, file)) for _ in range(repeats)]
            yield of_pairs(f"task {model}, BDM", pairs, "timm alone", target=1.3)
            yield from _with_compressors(model, Path(folder), min(repeats, 3))
            file.unlink()


def _create(model: str, seed: int):  # type: ignore[no-untyped-def]
    import timm
    import torch

    torch.manual_seed(seed)
    return timm.create_model(model, pretrained=False)


def _by_timm(model: str, file: Path) -> float:
    """Seconds for timm to create the model for each seed and to load the weights into the last."""
    from timm.models import load_checkpoint

    start = time.perf_counter()
    for seed in SEEDS:
        built = _create(model, seed)
    load_checkpoint(built, str(file))
    return time.perf_counter() - start


def _run(model: str, folder: Path, metrics: tuple[str, ...], threads: int = 1) -> float:
    """Seconds of a survey task, rows written included."""
    spec = survey_spec("timm", path=folder, selection=Selection(models=(model,)), seeds=SEEDS, metrics=metrics)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        result = run_study(
            Plan(kind="survey", spec=spec),
            Path(out),
            executor=Executor(threads=threads),
            progress=lambda each: seconds.append(each.outcome.seconds) if each.outcome else None,
        )
    if result.failed:
        raise RuntimeError(result.failed[model])
    return seconds[0]


def _with_compressors(model: str, folder: Path, repeats: int) -> Iterator[Comparison]:
    """Compare what compressors add to a task with their own time divided by the cores of the task.

    Compressors slow each other down where they wait for the same memory, so the second line compares with the same
    jobs on as many threads and nothing beside them.
    """
    cores = available_cores()
    by_core, by_pool = [], []
    for _ in range(repeats):
        alone = _run(model, folder, ("bdm",), cores)
        added = _run(model, folder, ("bdm", *COMPRESSORS), cores) - alone
        by_core.append((added, _compress_all(model, 1) / cores))
        by_pool.append((added, _compress_all(model, cores)))
    what, note = f"task {model}, compressors", f"seconds that {', '.join(COMPRESSORS)} add"
    yield of_pairs(what, by_core, f"own time / {cores} cores", target=1.0, note=note)
    yield of_pairs(what, by_pool, f"alone on {cores} threads")


def _compress_all(model: str, threads: int) -> float:
    """Seconds of the compressors alone, for every state; the trained one stands for seed 0."""
    import torch

    states = [_create(model, seed).parameters() for seed in (*SEEDS, SEEDS[0])]
    payloads = [payload(torch.cat([p.detach().flatten() for p in parameters])) for parameters in states]
    start = time.perf_counter()
    with compressor_pool(threads) as pool:
        for bits in payloads:
            for name in COMPRESSORS:
                pool.submit(bits, name)
    return time.perf_counter() - start
