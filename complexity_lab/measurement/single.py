"""Measure one source of weights by whatever names it: the public ``measure``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from complexity_lab.errors import InputError
from complexity_lab.measurement.compression import compressor_pool
from complexity_lab.measurement.measured import Measured, measure_source
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import DRAWS, MeasurementSpec, spec_of
from complexity_lab.tables.rows import Measurement
from complexity_lab.weights.order import OrderRule
from complexity_lab.zoo.sources import State, resolve

if TYPE_CHECKING:
    import pandas as pd

Scope = Literal["model", "layer"]


def measure(
    source: Any,
    metrics: str | Iterable[str] | None = None,
    *,
    scope: Scope = "layer",
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    preset: str | None = None,
    bits: int | None = None,
    controls: str | Iterable[str] = (),
    draws: int = DRAWS,
    order: OrderRule = "model",
) -> pd.DataFrame:
    """Measure one source; return one row per metric, of every tensor and then of the whole model.

    Columns: ``scope``, ``tensor``, ``kind`` and ``shape`` (null for the whole model); ``metric``, ``plane`` (bit plane,
    0 the least significant; null for the sum of planes and for other metrics), ``null`` (null model; null for the
    weights themselves), ``statistic`` (value; mean or sd of a null model); ``value`` in ``unit``; what entered it; the
    rules it was made by; ``status`` and ``reason``.

    Args:
        source: a module, state dict, path, zoo id or hub id, see ``zoo.sources.resolve``.
        metrics: names in the registry of estimators, also one text with commas; by default those of the preset, else
            ``bdm``.
        scope: ``layer`` for every tensor and the model, ``model`` for the model alone.
        state: for models of a zoo, ``trained`` or ``initial``.
        seed: for models of a zoo, of the weights.
        threads: for counting one large tensor, and for compressors.
        preset: ``qubd-paper``, ``fixed`` or ``momos-paper``. Those of QuBD add its sum and every bit plane.
        bits: planes of QuBD, 1 to 16, instead of the preset's; alone it means ``fixed``.
        controls: null models to draw, ``all`` for all; those of independent bits always come with ``bdm``.
        draws: of each null model.
        order: of the tensors of files, ``model``, ``natural`` or ``file``, see ``zoo.sources.resolve``.

    Raises:
        InputError: unknown scope or order, or an option out of range.
        UnknownNameError: unknown model, metric, preset or null model.
        UnreachableError, WeightsError: the weights cannot be read. A tensor that cannot be scored is a row instead.
    """
    if scope not in ("model", "layer"):
        raise InputError(f"scope {scope!r}, wanted model or layer")
    layers = scope == "layer"
    spec = spec_of(
        metrics,
        preset=preset,
        bits=bits,
        controls=controls,
        draws=draws,
        tensor_rows=layers,
        tensor_compressors=layers,
    )
    rows = measure_named(source, spec, state=state, seed=seed, threads=threads, order=order).rows
    return frame_of(rows)


def measure_named(
    source: Any,
    spec: MeasurementSpec,
    *,
    state: State = "trained",
    seed: int | None = None,
    threads: int = 1,
    order: OrderRule = "model",
) -> Measured:
    """Open a source, see ``measure``, and return its typed rows."""
    weights = resolve(source, state, seed, order=order)
    with compressor_pool(threads) as pool:
        return measure_source(weights, spec, Subject(), compressing=pool, threads=threads).wait()


def frame_of(rows: list[Measurement]) -> pd.DataFrame:
    """Return rows of one source as a data frame, in their order, without the columns that name the source."""
    import pandas as pd

    whose = {each.name for each in fields(Subject)}
    kinds = {"int64": "Int64", "float64": "float64", "string": "object"}
    columns = {each.name: kinds[each.metadata["kind"]] for each in fields(Measurement) if each.name not in whose}
    return pd.DataFrame(
        {name: pd.Series([getattr(row, name) for row in rows], dtype=kind) for name, kind in columns.items()}
    )
