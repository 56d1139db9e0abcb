"""Trajectories without networks: numbers that are known in advance."""

import math
from dataclasses import replace

from complexity_lab.statistics.step_results import TrajectoryResults
from complexity_lab.tables.rows import CurvePoint, Measurement, Row, Run
from tests.synthetic import Study

PLANES = 3


def share(step: int, plane: int = 2) -> float:
    """Return what is left of a plane at a step: the upper ones fall further."""
    return 1 - 0.02 * plane * math.log10(step + 1)


def rows(
    run: str,
    steps: tuple[int, ...] = (0, 10, 1000),
    seed: int | None = None,
    factor: float = 1.0,
    shuffled: bool = True,
    losses: bool = True,
    planes: int = PLANES,
) -> list[Row]:
    """Return measurements and curve of one run; ``factor`` scales how far it falls."""
    found: list[Row] = []
    for step in steps:
        decades = math.log10(step + 1)
        known = {"train_loss": 2.0 / (1 + decades), "validation_loss": 2.0 - decades + 0.3 * decades**2}
        found.append(CurvePoint(model=run, step=step, seed=seed, source=f"step-{step}", **(known if losses else {})))
        common = {"model": run, "step": step, "seed": seed, "scope": "model", "unit": "bits"}
        one = Measurement(metric="bdm", value=1000 * (1 - 0.01 * factor * decades), scored=90, dropped=10, **common)
        many = [
            replace(one, metric="qubd", plane=plane, value=500 * (1 - 0.02 * factor * plane * decades))
            for plane in range(planes)
        ]
        if planes:
            many.append(replace(one, metric="qubd", value=sum(each.value or 0.0 for each in many)))
        for each in (one, *many):
            found.append(each)
            if shuffled:
                found.append(replace(each, null="shuffle", statistic="mean", value=(each.value or 0.0) + 10))
                found.append(replace(each, null="shuffle", statistic="sd", value=2.0))
        found.append(replace(one, metric="gzip", value=2.0 + decades, unit="raw/compressed"))
    return found


def run_row(
    run: str, group: str | None = None, network: str = "net", seed: int | None = None, **columns: object
) -> Run:
    """Return a row of ``runs``."""
    about = {"model": run, "name": run, "group": group or run, "architecture": network, "seed": seed}
    return Run(**(about | columns))


def results_of(found: list[Row], kind: str = "trajectory") -> TrajectoryResults:
    """Return rows as results."""
    results: TrajectoryResults = Study(kind=kind, rows=found, plan={"task": "synthetic"}).results
    return results


def one_study(**changes: object) -> Study:
    """Return one series: a record per checkpoint, and no losses unless asked for."""
    steps = changes.get("steps", (0, 10, 1000))
    records = [run_row("a", parameters=100, seconds=1.0, step=step) for step in steps]  # type: ignore[attr-defined]
    return Study(kind="series", rows=[*rows("a", **changes), *records], plan={"source": "a"})  # type: ignore[arg-type]


def one(**changes: object) -> TrajectoryResults:
    """Return the results of one series."""
    results: TrajectoryResults = one_study(**changes).results
    return results


def seeds(
    count: int = 3,
    networks: tuple[str, ...] = ("net",),
    labels: tuple[str, ...] = ("true", "random"),
    **changes: object,
) -> TrajectoryResults:
    """Return the results of several runs per group: the factor of a seed is 1 + seed / 10."""
    found: list[Row] = []
    for network in networks:
        for label in labels:
            for seed in range(count):
                run = f"{network}-{label}-{seed}"
                found += rows(run, seed=seed, factor=1 + seed / 10, **changes)  # type: ignore[arg-type]
                found.append(run_row(run, f"{network} {label}", network, seed, labels=label))
    return results_of(found)
