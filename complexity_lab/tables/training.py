"""The rows of training runs: one Parquet part per run and table, each appearing by atomic rename.

The part of ``runs`` is written last, so its presence means that the run is finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from complexity_lab.errors import InputError
from complexity_lab.files import write_atomically, writing
from complexity_lab.tables.schema import TRAINING_TABLES, schema
from complexity_lab.tables.store import part_name, read_manifest

if TYPE_CHECKING:
    import pandas as pd

TrainingTable = Literal["runs", "epochs"]
Row = Mapping[str, Any]


def write_run(directory: Path, run: Row, epochs: Sequence[Row], metadata: Mapping[str, str]) -> None:
    """Write the rows of one run, which is finished when this returns, and not before.

    Raises:
        OutputError: the directory cannot be written.
    """
    rows: dict[str, Sequence[Row]] = {"epochs": epochs, "runs": [run]}
    with writing(directory):
        for table, columns in TRAINING_TABLES.items():
            arrow = pa.Table.from_pylist(list(rows[table]), schema=schema(columns, dict(metadata)))
            sink = pa.BufferOutputStream()
            pq.write_table(arrow, sink, compression="zstd")
            (directory / table).mkdir(parents=True, exist_ok=True)
            write_atomically(directory / table / part_name(run["run"]), sink.getvalue())


def finished_runs(directory: Path) -> dict[str, str | None]:
    """Return the error of each finished run by its key, None where it is ok."""
    found = {}
    for path in sorted((directory / "runs").glob("*.parquet")):
        for row in pq.read_table(path, columns=["run", "status", "error"], partitioning=None).to_pylist():
            found[row["run"]] = None if row["status"] == "ok" else row["error"] or "no reason recorded"
    return found


def forget_runs(directory: Path, runs: Iterable[str]) -> None:
    """Remove the rows of runs, which will then be trained again."""
    with writing(directory):
        for run in runs:
            for table in reversed(TRAINING_TABLES):
                (directory / table / part_name(run)).unlink(missing_ok=True)


def read_training(directory: Path, table: TrainingTable) -> pd.DataFrame:
    """Return one table of a training experiment, sorted so that it does not depend on the order of work.

    Raises:
        InputError: the directory holds no such experiment, or a part is damaged.
    """
    read_manifest(directory)
    try:
        tables = [pq.read_table(path, partitioning=None) for path in sorted((directory / table).glob("*.parquet"))]
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"a part of {directory / table} is damaged ({error}); remove it and run again") from None
    columns = schema(TRAINING_TABLES[table])
    frame: pd.DataFrame = pa.concat_tables([columns.empty_table(), *tables], promote_options="default").to_pandas()
    keys = ["run"] if table == "runs" else ["run", "epoch"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)
