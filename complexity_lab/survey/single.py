"""Measure one source of weights: the Python API ``measure`` and the command of that name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from complexity_lab.errors import InputError
from complexity_lab.survey.compression import compressor_pool
from complexity_lab.survey.controls import checked_controls
from complexity_lab.survey.measure import Row, Wanted, measure_source
from complexity_lab.survey.planes import metrics_of, preset_of
from complexity_lab.weights.order import OrderRule
from complexity_lab.zoo.sources import State, resolve

if TYPE_CHECKING:
    import pandas as pd

Scope = Literal["model", "layer"]
COLUMNS = (
    *("scope", "tensor", "kind", "shape", "metric", "value", "unit", "scored", "dropped", "ones", "blocks"),
    *("distinct_blocks", "raw_bytes", "compressed_bytes", "note", "preset", "departures", "status", "reason"),
)


def measure_rows(
    source: Any,
    metrics: tuple[str, ...] | None = None,
    *,
    scope: Scope = "layer",
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    preset: str | None = None,
    bits: int | None = None,
    controls: tuple[str, ...] = (),
    order: OrderRule = "model",
) -> list[Row]:
    """Measure one source; return one row per metric, for the whole model and, with ``layer``, for every tensor.

    Args:
        source: what to measure, see ``zoo.sources.resolve``.
        metrics: names in the registry of estimators; by default those of the preset, else ``bdm``.
        scope: ``layer`` or ``model``.
        state: for models of a zoo, ``trained`` or ``initial``.
        seed: for models of a zoo, of the weights.
        threads: for counting one large tensor, and for compressors.
        preset: ``qubd-paper``, ``fixed`` or ``momos-paper``. Those of QuBD add its sum and every bit plane.
        bits: planes of QuBD, 1 to 16, instead of the preset's; alone it means ``fixed``.
        controls: null models, see ``survey.controls``.
        order: of the tensors of files, ``model``, ``natural`` or ``file``, see ``zoo.sources.resolve``.

    Raises:
        InputError: unknown scope or order, or bits out of range.
        UnknownNameError: unknown model, metric, preset or control.
        UnreachableError, WeightsError: the weights cannot be read. A tensor that cannot be scored is a row instead.
    """
    if scope not in ("model", "layer"):
        raise InputError(f"scope {scope!r}, wanted model or layer")
    chosen = preset_of(preset, bits)
    names = metrics_of(metrics, chosen, ("bdm",))
    if not names:
        raise InputError("no metric asked for, wanted at least one, such as bdm")
    layers = scope == "layer"
    nulls = checked_controls(controls) if controls else ()
    wanted = Wanted(names, tensor_rows=layers, tensor_compressors=layers, preset=chosen, controls=nulls)
    weights = resolve(source, state, seed, order=order)
    with compressor_pool(threads) as pool:
        rows = measure_source(weights, wanted, {}, pool, threads).wait()
    return [{name: row.get(name) for name in COLUMNS} for row in rows.measurements]


def measure(
    source: Any,
    metrics: tuple[str, ...] | None = None,
    *,
    scope: Scope = "layer",
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    preset: str | None = None,
    bits: int | None = None,
    controls: tuple[str, ...] = (),
    order: OrderRule = "model",
) -> pd.DataFrame:
    """Measure a module, state dict, path, zoo id or hub id; see ``measure_rows``. Tensors first, then the model."""
    import pandas as pd

    rows = measure_rows(
        source,
        metrics,
        scope=scope,
        state=state,
        seed=seed,
        threads=threads,
        preset=preset,
        bits=bits,
        controls=controls,
        order=order,
    )
    return pd.DataFrame(rows, columns=list(COLUMNS))
