"""Measure one source of weights: the Python API ``measure`` and the command of that name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from complexity_lab.errors import InputError
from complexity_lab.estimators.qubd import Rules
from complexity_lab.survey.compression import compressor_pool
from complexity_lab.survey.measure import Row, Wanted, measure_source
from complexity_lab.zoo.sources import State, resolve

if TYPE_CHECKING:
    import pandas as pd

Scope = Literal["model", "layer"]
COLUMNS = (
    *("scope", "tensor", "kind", "shape", "metric", "value", "unit", "scored", "dropped", "ones", "blocks"),
    *("distinct_blocks", "raw_bytes", "compressed_bytes", "status", "reason"),
)


def measure_rows(
    source: Any,
    metrics: tuple[str, ...] = ("bdm",),
    *,
    scope: Scope = "layer",
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    planes: Rules | None = None,
) -> list[Row]:
    """Measure one source; return one row per metric, for the whole model and, with ``layer``, for every tensor.

    ``planes`` adds QuBD by these rules: the sum and every bit plane, least significant first.

    Raises:
        InputError: unknown scope.
        UnknownNameError: unknown model or metric.
        UnreachableError, WeightsError: the weights cannot be read. A tensor that cannot be scored is a row instead.
    """
    if scope not in ("model", "layer"):
        raise InputError(f"scope {scope!r}, wanted model or layer")
    if not metrics:
        raise InputError("no metric asked for, wanted at least one, such as bdm")
    layers = scope == "layer"
    wanted = Wanted(tuple(metrics), tensor_rows=layers, tensor_compressors=layers, planes=planes)
    weights = resolve(source, state, seed)
    with compressor_pool(threads) as pool:
        rows = measure_source(weights, wanted, {}, pool, threads).wait()
    return [{name: row.get(name) for name in COLUMNS} for row in rows.measurements]


def measure(
    source: Any,
    metrics: tuple[str, ...] = ("bdm",),
    *,
    scope: Scope = "layer",
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    planes: Rules | None = None,
) -> pd.DataFrame:
    """Measure a module, state dict, path, zoo id or hub id; see ``measure_rows``. Tensors first, then the model."""
    import pandas as pd

    rows = measure_rows(source, metrics, scope=scope, state=state, seed=seed, threads=threads, planes=planes)
    return pd.DataFrame(rows, columns=list(COLUMNS))
