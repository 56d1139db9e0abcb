"""Tables of trajectories without networks: numbers that are known in advance."""

import math

import pyarrow as pa

from complexity_lab.statistics.trajectory import TrajectoryTables
from complexity_lab.tables.schema import schema
from complexity_lab.tables.steps import TRAJECTORY_TABLES

PLANES = 3


def share(step, plane=2):
    """Return what is left of a plane at a step: the upper ones fall further."""
    return 1 - 0.02 * plane * math.log10(step + 1)


def rows(run, steps=(0, 10, 1000), seed=None, factor=1.0, shuffled=True, losses=True, planes=PLANES):
    """Return the rows of one run; ``factor`` scales how far it falls."""
    found = []
    for step in steps:
        decades = math.log10(step + 1)
        common = {"run": run, "step": step, "seed": seed, "scope": "model", "unit": "bits", "status": "ok"}
        common |= {"tensor": "", "kind": "", "shape": "", "source": f"step-{step}", "scored": 90, "dropped": 10}
        if losses:
            common |= {"train_loss": 2.0 / (1 + decades), "validation_loss": 2.0 - decades + 0.3 * decades**2}
        numbers = {"bdm": 1000 * (1 - 0.01 * factor * decades)}
        numbers |= {f"qubd_plane{plane}": 500 * (1 - 0.02 * factor * plane * decades) for plane in range(planes)}
        if planes:
            numbers["qubd"] = sum(value for name, value in numbers.items() if name.startswith("qubd_plane"))
        found += [common | {"metric": name, "value": value} for name, value in numbers.items()]
        if shuffled:
            found += [
                common | {"metric": f"{name}_shuffle_{what}", "value": (value + 10) if what == "mean" else 2.0}
                for name, value in numbers.items()
                for what in ("mean", "sd")
            ]
        found.append(common | {"metric": "gzip", "value": 2.0 + decades, "unit": "raw/compressed"})
    return found


def tables(steps, series):
    """Return rows as tables of their types."""
    frames = {
        name: pa.Table.from_pylist(given, schema=schema(TRAJECTORY_TABLES[name])).to_pandas()
        for name, given in (("steps", steps), ("series", series))
    }
    return TrajectoryTables(**frames)


def row(run, group=None, network="net", seed=None, **columns):
    """Return a row of ``series``."""
    found = {"run": run, "name": run, "group": group or run, "network": network, "seed": seed, "status": "ok"}
    return found | columns


def one(**changes):
    """Return the tables of one series."""
    return tables(rows("a", **changes), [row("a", parameters=100)])


def seeds(count=3, networks=("net",), arms=("true", "random"), **changes):
    """Return the tables of several runs per group: the factor of a seed is 1 + seed / 10."""
    steps, series = [], []
    for network in networks:
        for arm in arms:
            for seed in range(count):
                run = f"{network}-{arm}-{seed}"
                steps += rows(run, seed=seed, factor=1 + seed / 10, **changes)
                series.append(row(run, f"{network} {arm}", network, seed))
    return tables(steps, series)
