"""A page in Markdown about one series of checkpoints: what was measured, a table of steps, figures, what failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from complexity_lab.errors import InputError
from complexity_lab.figures import numbers
from complexity_lab.figures.course import main_first
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.render import RenderedFigure
from complexity_lab.files import write_atomically, writing
from complexity_lab.statistics.trajectory import TrajectoryTables, by_step, extremes, smallest_loss
from complexity_lab.tables.store import read_manifest

PAGE: Final = "series.md"
_LOSSES: Final = {
    "train_loss": "training loss",
    "train_accuracy": "training accuracy",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
}


def shown_metrics(tables: TrajectoryTables, most: int = 4) -> list[str]:
    """Return the metrics of a table with room for few: the main ones first, planes never."""
    return main_first(tables.metrics)[:most]


def step_table(tables: TrajectoryTables) -> list[list[str]]:
    """Return a table of text: its head, then a row per step with losses where there are any, and ratios in percent.

    What does not exist is a dash; why is said elsewhere.
    """
    metrics = shown_metrics(tables)
    frame = by_step(tables, metrics)
    columns: dict[str, Any] = {"step": lambda row: f"{row['step']:,}"}
    for name, words in _LOSSES.items():
        if frame[name].notna().any():
            columns[words] = _percent(name) if name.endswith("accuracy") else _plain(name)
    for metric in metrics:
        columns[f"{metric_label(metric)}, % of start"] = _near(f"{metric}_ratio")
        if frame[f"{metric}_shuffled"].notna().any():
            columns[f"{metric_label(metric)}, % of shuffled self"] = _near(f"{metric}_shuffled")
    return [list(columns), *([text(row) for text in columns.values()] for row in frame.to_dict("records"))]


def _plain(name: str) -> Any:
    return lambda row: numbers.significant(row[name], 4)


def _percent(name: str) -> Any:
    return lambda row: numbers.percent(row[name], 3)


def _near(name: str) -> Any:
    return lambda row: numbers.near_hundred(100 * row[name]).removesuffix(f"{numbers.GLUE}%")


def write_series_page(directory: Path, figures: Sequence[RenderedFigure] = ()) -> Path:
    """Write ``series.md`` into the directory of a series and return its path.

    Args:
        directory: of the series.
        figures: drawn into it before, linked by their place relative to it.

    Raises:
        InputError: the directory holds no series.
        OutputError: it cannot be written.
    """
    manifest = read_manifest(directory)
    tables = TrajectoryTables.read(directory)
    if tables.series.empty:
        raise InputError(f"{directory} holds no finished series; run it again to its end")
    parts = [_head(manifest["plan"], tables), _findings(tables), _figures(figures, directory)]
    parts += ["## Steps", _markdown(step_table(tables)), _failures(tables), _reading(tables), _origin(manifest)]
    with writing(directory):
        write_atomically(directory / PAGE, ("\n\n".join(filter(None, parts)) + "\n").encode())
    return directory / PAGE


def _head(plan: dict[str, Any], tables: TrajectoryTables) -> str:
    series, steps = tables.series.iloc[0], tables.steps["step"]
    size = f" of {numbers.count(series['parameters'])} parameters" if pd.notna(series["parameters"]) else ""
    count = steps.nunique()
    return (
        f"# {series['name']}: complexity over training\n\n"
        f"{count} checkpoint{'s' if count != 1 else ''}{size} from `{plan['source']}`, steps {steps.min():,} to "
        f"{steps.max():,}. Ratios are relative to step {int(series['reference']):,}.{_rules(plan)}"
    )


def _rules(plan: dict[str, Any]) -> str:
    text = ""
    if plan["rules"] is not None:
        text += f" Bit planes: {plan['rules']['bits']}, by the rules {plan['preset'] or 'fixed'}."
    if plan["shuffles"]:
        text += f" Shuffled selves: {plan['shuffles']} permutations of the values of every tensor, seed {plan['seed']}."
    return text


def _findings(tables: TrajectoryTables) -> str:
    """Return one line per metric, and where the loss was smallest."""
    lines = []
    found = extremes(tables)
    for row in found.loc[found["metric"].isin(shown_metrics(tables))].to_dict("records") if len(found) else []:
        shuffled = row["last_ratio_shuffled"]
        against = f", {numbers.near_hundred(100 * shuffled)} of its shuffled self" if math.isfinite(shuffled) else ""
        lines.append(
            f"- {metric_label(row['metric'])} ends at {numbers.near_hundred(100 * row['last_ratio'])} of the start "
            f"(step {row['last_step']:,}{against}); it was lowest at step {row['lowest_step']:,}, with "
            f"{numbers.near_hundred(100 * row['lowest_ratio'])}."
        )
    for column, words in (("validation_loss", "validation"), ("train_loss", "training")):
        for row in smallest_loss(tables, column).to_dict("records"):
            lines.append(
                f"- The {words} loss is smallest at step {row['step']:,}: {numbers.significant(row['loss'], 4)}."
            )
    return "\n".join(lines)


def _figures(figures: Sequence[RenderedFigure], directory: Path) -> str:
    parts = []
    for figure in figures:
        place = figure.png.relative_to(directory) if figure.png.is_relative_to(directory) else figure.png
        parts.append(f"![{figure.title}]({place.as_posix()})\n\n*{figure.caption}*")
    return "\n\n".join(parts)


def _markdown(rows: list[list[str]]) -> str:
    head, *body = [[cell.replace("|", "\\|").replace(numbers.GLUE, " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---:"] * len(head), *body))


def _failures(tables: TrajectoryTables) -> str:
    if tables.failures.empty:
        return ""
    lines = [f"- step {row['step']:,} ({row['source']}): {row['reason']}" for row in tables.failures.to_dict("records")]
    return (
        "## What failed\n\n" + "\n".join(lines) + "\n\nThe other checkpoints stand; `--retry-failed` tries these again."
    )


def _reading(tables: TrajectoryTables) -> str:
    text = (
        "## How to read this\n\nLess is simpler. A ratio to the start mixes two things: the values of the weights have "
        "another distribution than before training, and they are arranged otherwise."
    )
    if tables.ratios["ratio_shuffled"].notna().any():
        text += (
            " The ratio to the shuffled self is about arrangement alone: the same values in random places of the same "
            "tensors are 100 %, and what is arranged may lie on either side."
        )
    compressors = [metric for metric in tables.metrics if metric.partition(":")[0] in ("gzip", "bz2", "lzma", "zstd")]
    if compressors:
        text += f" Of {', '.join(compressors)} the compressed sizes are compared."
    return text + " Large networks saturate the blocks that are counted, and their ratios stay near 100 %."


def _origin(manifest: dict[str, Any]) -> str:
    command = f" by `{manifest['command']}`" if manifest.get("command") else ""
    version = manifest["versions"]["complexity-lab"]
    return (
        f"Begun {manifest['created']}{command}, complexity-lab {version}. All numbers: `steps/` and `series/`, Parquet."
    )
