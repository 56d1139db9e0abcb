"""What notebooks call: the commands as functions that take and return what Python users expect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.controls.iid import NullDistribution, iid_null_of
from complexity_lab.estimators import compressors
from complexity_lab.estimators.compressors import Compressed, Payload
from complexity_lab.estimators.ctm import ctm_table

if TYPE_CHECKING:
    import pandas as pd

    from complexity_lab.statistics.results import Results
    from complexity_lab.study.plan import Plan


def compress(data: Any, compressor: str, *, payload: Payload = "bits-packed") -> Compressed:
    """Compress bytes, or the payload of weights, and return raw and compressed sizes in bytes.

    Args:
        data: bytes as they are; or weights (floats, or 0/1) of any shape.
        compressor: gzip, bz2, lzma or zstd.
        payload: what of weights is compressed: ``bits-packed`` (sign bits, eight to a byte), ``bits-bytes`` or
            ``float32``; without meaning for bytes.

    Raises:
        InputError: unknown compressor or payload.
        WeightsError: NaN or infinite weights.
    """
    raw = data if isinstance(data, (bytes, bytearray, memoryview)) else compressors.payload(data, payload)
    return compressors.compress(bytes(raw), compressor)


def iid_null(counts: BlockCounts, ones_fraction: float | None = None) -> NullDistribution:
    """Return mean and sd of the BDM of as many blocks of independent bits.

    Args:
        counts: of strings of 12 or squares of 4x4, see ``block_counts``.
        ones_fraction: share of ones, 0 to 1; that of the counts if None.
    """
    return iid_null_of(counts, ctm_table(counts.shape), ones_fraction)


def suggest_bits(
    source: Any,
    *,
    bits: int = 8,
    preset: str = "fixed",
    threshold: float = 99.0,
    margin: int = 3,
    draws: int = 20,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return bits per layer from its bit planes against its shuffled self; one row per tensor of two or more axes.

    Columns: ``tensor``, ``kind``, ``shape``, ``weights``, ``bits``, ``suggested`` (whether the planes told) and
    ``reason`` (why not). A suggestion speaks of structure in the weights, not of accuracy: check the rounded model.

    Args:
        source: module, state dict, path, zoo id or hub id.
        bits: planes of a profile, and most bits of a weight, 2 to 8.
        preset: rules of the planes, ``fixed`` or ``qubd-paper``.
        threshold: percent of the reference below which a plane is structured if chance cannot tell.
        margin: planes kept below the structure.
        draws: shuffles, 2 or more.
        seed: for models of a zoo, of the trained weights.

    Raises:
        InputError, UnknownNameError: an argument out of its range.
        UnreachableError, WeightsError: the weights cannot be read.
    """
    import pandas as pd

    from complexity_lab.estimators.ctm import shape_name
    from complexity_lab.quantization import suggestion
    from complexity_lab.quantization.references import ShuffledSelf, plane_rules
    from complexity_lab.zoo.sources import resolve

    rule = suggestion.Rule(threshold, min(suggestion.VISIBLE, threshold), margin=margin)
    layers = suggestion.suggest_bits(
        resolve(source, "trained", seed), ShuffledSelf(draws=draws), plane_rules(preset, bits), rule
    )
    columns = ("tensor", "kind", "shape", "weights", "bits", "suggested", "reason")
    rows = [
        (each.tensor, each.kind, shape_name(each.shape), each.weights, each.bits, each.suggested, each.reason)
        for each in layers
    ]
    return pd.DataFrame(rows, columns=list(columns))


def survey(
    zoo: str,
    *,
    out: str | Path,
    models: Sequence[str] = (),
    weights: str | Path | None = None,
    states: Sequence[Literal["initial", "trained"]] = ("initial", "trained"),
    seeds: int | Sequence[int] = 3,
    metrics: Sequence[str] | None = None,
    preset: str | None = None,
    bits: int | None = None,
    controls: Sequence[str] = (),
    jobs: int | None = None,
) -> Results:
    """Measure the models of a zoo before and after training, as the command does; return the results.

    Args:
        zoo: ``digits``, ``timm`` or ``checkpoints``.
        out: directory of the tables; an interrupted survey goes on.
        models: names; all of the zoo if empty.
        weights: of timm a directory instead of the hub; of checkpoints the directory or list.
        states: what to measure.
        seeds: how many initial seeds, or which.
        metrics: names in the registry; by default those of the preset, else bdm, gzip, bz2 and lzma.
        preset: ``fixed``, ``qubd-paper`` or ``momos-paper``.
        bits: bit planes, 1 to 16.
        controls: null models, or ``all``.
        jobs: models at the same time.

    Raises:
        InputError, UnknownNameError: an argument out of its range.
        PlanMismatchError, OutputError: the directory holds another plan, or cannot be written.
    """
    from complexity_lab.study.kinds.survey import survey_spec
    from complexity_lab.study.plan import Plan
    from complexity_lab.zoo.selection import Selection

    spec = survey_spec(
        zoo,
        selection=Selection(models=tuple(models)),
        path=None if weights is None else Path(weights),
        states=tuple(states),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        metrics=None if metrics is None else tuple(metrics),
        preset=preset,
        bits=bits,
        controls=tuple(controls),
    )
    return _results(Plan(kind="survey", spec=spec), Path(out), jobs)


def series(
    source: str | Path,
    *,
    out: str | Path,
    revisions: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    preset: str | None = None,
    bits: int | None = None,
    shuffles: int = 0,
    jobs: int | None = None,
) -> Results:
    """Measure a series of checkpoints over training, as the command does; return the results.

    Args:
        source: directory of step-N checkpoints, or a hub repository ``owner/name``.
        out: directory of the tables; checkpoints that appear later are added.
        revisions: of the repository; patterns such as ``step*``.
        metrics: names in the registry; bdm if None.
        preset: ``fixed``, ``qubd-paper`` or ``momos-paper``.
        bits: bit planes, 1 to 16.
        shuffles: of every tensor, 0 for none.
        jobs: checkpoints at the same time.

    Raises:
        InputError, UnknownNameError, UnreachableError: no such checkpoints, or an argument out of its range.
        PlanMismatchError, OutputError: the directory holds another series, or cannot be written.
    """
    from complexity_lab.study.kinds.series import series_plan

    plan = series_plan(
        str(source),
        revisions=tuple(revisions),
        metrics=None if metrics is None else tuple(metrics),
        preset=preset,
        bits=bits,
        shuffles=shuffles,
    )
    return _results(plan, Path(out), jobs)


def _results(plan: Plan, out: Path, jobs: int | None) -> Results:
    from complexity_lab.statistics.results import open_results
    from complexity_lab.study.engine import run_study

    return open_results(run_study(plan, out, jobs=jobs).directory)


def draw_figures(results: Results | str | Path, folder: str | Path, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures of a study as PDF and PNG with the table behind each; return the files.

    Args:
        results: of any study, or its directory.
        folder: created if missing.
        names: which; all that apply if None.

    Raises:
        InputError: the directory holds no study, or a figure named does not apply.
        UnknownNameError: there is no figure of that name.
        OutputError: the folder cannot be written.
    """
    from complexity_lab.figures.drawing import draw, save

    return save(draw(_opened(results), names), Path(folder))


def write_report(results: Results | str | Path, file: str | Path) -> Path:
    """Write the page of a study as one HTML file and return its path.

    Args:
        results: of any study, or its directory.
        file: to write.

    Raises:
        InputError: the directory holds no study.
        OutputError: the file cannot be written.
    """
    from complexity_lab.figures.drawing import draw
    from complexity_lab.report.page import write_page

    opened = _opened(results)
    return write_page(opened, draw(opened), Path(file))


def _opened(results: Results | str | Path) -> Results:
    from complexity_lab.statistics.results import open_results

    return open_results(Path(results)) if isinstance(results, (str, Path)) else results
