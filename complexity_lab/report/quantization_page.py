"""The page of a study of rounding: what was lost, whether the planes knew it before, and where they did not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from complexity_lab.errors import InputError, OutputError
from complexity_lab.figures import numbers
from complexity_lab.figures.quantization import QUANTIZATION_FIGURES, render_quantization
from complexity_lab.report.quantization_sentences import failures, findings, limits
from complexity_lab.statistics.quantization import (
    QuantizationTables,
    margin_by_validation,
    means_over_seeds,
    predictions,
)
from complexity_lab.tables.store import read_manifest

PAGE: Final = "quantization.md"
SHOWN_BITS: Final = (1, 2, 3, 4, 5)  # of uniform rounding; above, hardly anything is lost


def write_quantization_page(directory: Path) -> Path:
    """Draw the figures of a study and write ``quantization.md``; return its path.

    Args:
        directory: of a finished or interrupted study.

    Raises:
        InputError: the directory holds no study, or no network has been rounded.
        OutputError: the page or a figure cannot be written.
    """
    tables = QuantizationTables.read(directory)
    if not tables.models:
        raise InputError(f"no network of {directory} has been rounded yet, so there is nothing to write about")
    plates = {rendered.name: rendered.caption for rendered in render_quantization(directory, names=_fitting(tables))}
    page = build_page(tables, read_manifest(directory), plates)
    try:
        (directory / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write into {directory}: {error}") from error
    return directory / PAGE


def _fitting(tables: QuantizationTables) -> list[str]:
    return [name for name, figure in QUANTIZATION_FIGURES.items() if figure.applies(tables) is None]


def build_page(tables: QuantizationTables, manifest: Mapping[str, Any], plates: Mapping[str, str]) -> str:
    """Return the page as Markdown.

    Args:
        tables: of the study.
        manifest: of its directory.
        plates: caption of each figure that lies in ``figures``, by name.
    """
    parts = [
        f"# {manifest.get('title') or 'Bits by planes'}",
        str(manifest.get("question", "")),
        "## What it shows",
        _list(findings(tables)),
        "## Where the suggestion fails",
        _list(failures(tables)),
        "## Numbers",
        table_of(tables),
        _legend(tables),
        "## Figures",
        *(f"![{QUANTIZATION_FIGURES[name].title}](figures/{name}.png)\n\n{text}" for name, text in plates.items()),
        "## What this cannot say",
        _list(limits(tables)),
        "## How it was made",
        _made(tables, manifest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_of(tables: QuantizationTables) -> str:
    """Return the Markdown table: a row per model."""
    first, margin = tables.references[0], margin_by_validation(tables, tables.references[0])
    means = means_over_seeds(tables)
    need = predictions(tables, margin).loc[lambda rows: rows["reference"] == first].set_index("model")["need"]
    header = ["model", "weights", "float (%)", *(f"{bits} bit" for bits in SHOWN_BITS), "needs", "planes", "lost"]
    header += ["margin alone", "lost", "by error, lost"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for model in tables.models:
        rows = means.loc[means["model"] == model]
        by_bits = rows.loc[rows["method"] == "uniform"].set_index("bits")["test_lost"]
        own = rows.loc[(rows["reference"] == first) & (rows["margin"] == margin)].set_index("method")
        exact = rows.loc[rows["method"] == "float"]
        cells = [model, numbers.count(exact["parameters"].item()), f"{exact['test_accuracy'].item():.1f}"]
        cells += [_points(float(by_bits[bits])) if bits in by_bits.index else numbers.DASH for bits in SHOWN_BITS]
        cells += [f"{need[model]:.1f}", *_spent(own, "suggested"), *_spent(own, "flat")]
        lines.append([*cells, _spent(own, "by_error")[1]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spent(rows: pd.DataFrame, method: str) -> list[str]:
    bits, lost = rows["mean_bits"][method], rows["test_lost"][method]
    return [f"{bits:.2f}", _points(float(lost))]


def _points(value: float) -> str:
    """Return points lost with one place and no negative zero."""
    return f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")


def _legend(tables: QuantizationTables) -> str:
    first = tables.references[0]
    return (
        "Means over seeds. *k bit*: points of test accuracy lost with k bits for all; *needs*: fewest bits for all "
        "from which on at most a point is lost; *planes*: mean bits per weight that the planes suggest against the "
        f"reference {first}, margin {margin_by_validation(tables, first)}, and the points lost; *margin alone*: the "
        "same without looking at planes; *by error*: as many bits as *planes*, spent where the rounding error of the "
        "weights falls most."
    )


def _made(tables: QuantizationTables, manifest: Mapping[str, Any]) -> str:
    bad = tables.accuracies.loc[tables.accuracies["status"] != "ok"]
    lines = [
        f"Command: `{manifest['command']}`." if manifest.get("command") else "",
        f"{numbers.models(len(tables.models))}, {tables.losses['network'].nunique()} networks.",
        f"Rounding: {manifest['source']}." if manifest.get("source") else "",
        f"Plan {manifest['plan_hash']}; complexity-lab {manifest['versions']['complexity-lab']}, "
        f"torch {manifest['versions']['torch']}, {manifest['created']}.",
        *(f"Failed: {row['network']}: {row['error']}." for row in bad.to_dict("records")),
    ]
    return " ".join(line for line in lines if line)


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
