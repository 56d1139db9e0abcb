"""Complexity over training: one long table that series of checkpoints and watched trainings share, and its files.

A run has one Parquet part in ``steps`` and one in ``series``, each appearing by atomic rename. The part of ``series``
is written last, so its presence means that the run is finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from complexity_lab.errors import InputError
from complexity_lab.files import write_atomically, writing
from complexity_lab.tables.schema import Column, schema
from complexity_lab.tables.store import part_name

if TYPE_CHECKING:
    import pandas as pd

StepTable = Literal["steps", "series"]
Row = Mapping[str, Any]

STEPS: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run or series, unique in the directory"),
    ("step", pa.int64(), "optimizer steps taken; 0 is before training; of a series, the number in its name"),
    ("epoch", pa.float64(), "passes over the training data; null where that is not known"),
    ("seed", pa.int64(), "seed of the run; null where there is none"),
    ("scope", pa.string(), "model (the whole network) or tensor"),
    ("tensor", pa.string(), "name of the tensor, empty for scope model"),
    ("kind", pa.string(), "matrix, norm, bias, embedding or other; empty for scope model"),
    ("shape", pa.string(), "64x3x7x7; empty for scope model"),
    ("metric", pa.string(), "name as in measurements: bdm, qubd, qubd_plane0, qubd_shuffle_mean, gzip, ..."),
    ("value", pa.float64(), "the number, null unless status is ok"),
    ("unit", pa.string(), "unit of value"),
    ("scored", pa.int64(), "weights that entered the number"),
    ("dropped", pa.int64(), "weights that did not"),
    ("train_loss", pa.float64(), "of these weights, mean over training examples; of a watched epoch, see ``epochs``"),
    ("train_accuracy", pa.float64(), "fraction of training examples, as train_loss; null if unknown"),
    ("validation_loss", pa.float64(), "of these weights, mean over examples; null if unknown"),
    ("validation_accuracy", pa.float64(), "fraction of validation examples; null if unknown"),
    ("source", pa.string(), "file, revision or network that was measured"),
    ("status", pa.string(), "ok, failed or skipped"),
    ("reason", pa.string(), "why not ok, null if ok"),
)

SERIES: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run or series"),
    ("name", pa.string(), "what a reader calls it: a network and its training data"),
    ("group", pa.string(), "runs that differ only in their seed share it"),
    ("network", pa.string(), "architecture"),
    ("parameters", pa.int64(), "trainable parameters"),
    ("examples", pa.int64(), "training examples; null if unknown"),
    ("seed", pa.int64(), "of initialization, data order and split; null where there is none"),
    ("optimizer", pa.string(), "optimizer and its settings, in words; null if unknown"),
    ("reference", pa.int64(), "step that ratios are relative to; null: 0 if it was measured, else the first"),
    ("test_accuracy", pa.float64(), "of the last weights; fraction of test examples; null if unknown"),
    ("seconds", pa.float64(), "wall time; seconds"),
    ("status", pa.string(), "ok or failed"),
    ("error_type", pa.string(), "class of the error, null if ok"),
    ("error", pa.string(), "one sentence, null if ok"),
)

TRAJECTORY_TABLES = {"steps": STEPS, "series": SERIES}  # series last: a row of it marks completion
LOSSES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")  # the same in all rows of a step


def write_part(directory: Path, table: StepTable, run: str, rows: Sequence[Row], metadata: Mapping[str, str]) -> None:
    """Write the rows of one run in one table.

    Raises:
        OutputError: the directory cannot be written.
    """
    with writing(directory):
        (directory / table).mkdir(parents=True, exist_ok=True)
        arrow = pa.Table.from_pylist(list(rows), schema=schema(TRAJECTORY_TABLES[table], dict(metadata)))
        sink = pa.BufferOutputStream()
        pq.write_table(arrow, sink, compression="zstd")
        write_atomically(directory / table / part_name(run), sink.getvalue())


def write_series(directory: Path, series: Row, steps: Sequence[Row], metadata: Mapping[str, str]) -> None:
    """Write the rows of one run, which is finished when this returns, and not before.

    Raises:
        OutputError: the directory cannot be written.
    """
    for table, rows in (("steps", steps), ("series", [series])):
        write_part(directory, table, series["run"], rows, metadata)  # type: ignore[arg-type]  # the two literals


def finished_series(directory: Path) -> dict[str, str | None]:
    """Return the error of each finished run by its key, None where it is ok."""
    found = {}
    for path in sorted((directory / "series").glob("*.parquet")):
        for row in pq.read_table(path, columns=["run", "status", "error"], partitioning=None).to_pylist():
            found[row["run"]] = None if row["status"] == "ok" else row["error"] or "no reason recorded"
    return found


def forget_series(directory: Path, runs: Iterable[str]) -> None:
    """Remove the rows of runs, which will then be made again."""
    with writing(directory):
        for run in runs:
            for table in reversed(TRAJECTORY_TABLES):
                (directory / table / part_name(run)).unlink(missing_ok=True)


def read_part(directory: Path, table: StepTable, run: str) -> list[dict[str, Any]]:
    """Return the rows of one run; none if it has no part.

    Raises:
        InputError: the part is damaged.
    """
    part = directory / table / part_name(run)
    rows: list[dict[str, Any]] = _read(part, table).to_pylist() if part.exists() else []
    return rows


def read_steps(directory: Path, table: StepTable) -> pd.DataFrame:
    """Return one table of complexity over training, sorted so that it does not depend on the order of work.

    Rows of a run that is not finished are left out.

    Raises:
        InputError: the directory holds no such tables, or a part is damaged.
    """
    if not (directory / "series").is_dir():
        raise InputError(f"{directory} holds no table series; wanted the directory of a series or of a training")
    parts = sorted((directory / table).glob("*.parquet"))
    columns = schema(TRAJECTORY_TABLES[table])
    tables = [columns.empty_table(), *(_read(part, table) for part in parts)]
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
    if table == "steps":
        frame = frame.loc[frame["run"].isin(set(finished_series(directory)))]
    keys = ["run"] if table == "series" else ["run", "step"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _read(part: Path, table: StepTable) -> pa.Table:
    try:
        return pq.read_table(part, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{part} is damaged ({error}); remove the part of {table} and run again") from None
