"""A survey directory: one Parquet part per model and table, each appearing by atomic rename.

The part of ``models`` is written last, so its presence means that the model is finished. Whatever a killed process
leaves behind is a temporary file, or parts without their ``models`` part, and both are removed when the survey goes on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.files import alone, write_atomically, writing
from complexity_lab.tables.schema import TABLES, schema

if TYPE_CHECKING:
    import pandas as pd

TableName = Literal["models", "measurements", "histograms"]
Row = Mapping[str, Any]
WRITE_ORDER: tuple[TableName, ...] = ("histograms", "measurements", "models")  # models last: it marks completion
MANIFEST = "manifest.json"
RUNNING = ".running"
OURS = re.compile(r"\..*\.tmp|.*-[0-9a-f]{8}\.parquet")  # what may be removed; a user's notes may lie beside it
SURVEY_LOCK = ".survey.lock"  # held by the survey that writes here
WRITE_LOCK = ".write.lock"  # held while the parts of one model appear


@dataclass(frozen=True)
class Store:
    """Reads and writes one survey directory."""

    directory: Path

    def prepare(self, manifest: Mapping[str, Any]) -> bool:
        """Create the directory, or check that it holds a survey of the same plan; return whether it existed.

        Raises:
            PlanMismatchError: it holds a survey of another plan; the message shows the difference.
            OutputError: it cannot be written, or holds files that are not a survey.
        """
        with writing(self.directory):
            if (self.directory / MANIFEST).exists():
                found = read_manifest(self.directory)
                refuse_other_plan(found, manifest, self.directory)
                self._note_other_versions(found, manifest)
                self._remove_debris()
                return True
            if self.directory.exists() and any(not path.name.startswith(".") for path in self.directory.iterdir()):
                raise OutputError(f"{self.directory} is not empty and not a survey; name a new directory with --out")
            self.directory.mkdir(parents=True, exist_ok=True)
            self._write_manifest(manifest)  # first: whatever comes after can be made again by the next run
            for table in TABLES:
                (self.directory / table).mkdir(exist_ok=True)
            return False

    def _write_manifest(self, manifest: Mapping[str, Any]) -> None:
        write_atomically(self.directory / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())

    def _note_other_versions(self, found: dict[str, Any], manifest: Mapping[str, Any]) -> None:
        """Add this run to the manifest if it uses other package versions than the last one."""
        runs = found.get("runs", [])
        last = (runs or [found])[-1].get("versions")
        if last != manifest.get("versions"):
            this = {key: manifest.get(key) for key in ("created", "versions", "command")}
            self._write_manifest({**found, "runs": [*runs, this]})

    def _remove_debris(self) -> None:
        """Remove temporary files, and parts of models that were not finished.

        A worker that outlived its killed survey may still be writing, hence the lock.
        """
        with FileLock(self.directory / WRITE_LOCK):
            self._remove_parts()

    def _remove_parts(self) -> None:
        for note in (self.directory / RUNNING).glob("*"):
            note.unlink()
        done = {path.name for path in (self.directory / "models").glob("*.parquet") if _is_readable(path)}
        for table in TABLES:
            (self.directory / table).mkdir(exist_ok=True)
            for path in (self.directory / table).iterdir():
                if OURS.fullmatch(path.name) and path.name not in done:
                    path.unlink()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other surveys out of the directory; the lock dies with the process.

        Raises:
            OutputError: another survey is running in it, or it cannot be created.
        """
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        busy = f"another survey is running in {self.directory}; wait for it or use --out"
        with alone(self.directory / SURVEY_LOCK, busy):
            yield

    def done(self) -> set[str]:
        """Return the ids of finished models, failed ones included."""
        return set(self.outcomes())

    def failed(self) -> set[str]:
        """Return the ids of finished models whose status is not ok."""
        return {model for model, error in self.outcomes().items() if error is not None}

    def outcomes(self) -> dict[str, str | None]:
        """Return the error of each finished model, None where it is ok, in the order of ids."""
        found = {}
        for path in (self.directory / "models").glob("*.parquet"):
            for row in pq.read_table(path, columns=["model", "status", "error"], partitioning=None).to_pylist():
                found[row["model"]] = None if row["status"] == "ok" else row["error"] or "no reason recorded"
        return dict(sorted(found.items()))

    def mark_running(self, model: str) -> None:
        """Note that a worker has begun a model; the note goes when its rows are written."""
        with writing(self.directory):
            (self.directory / RUNNING).mkdir(parents=True, exist_ok=True)
            write_atomically(self.directory / RUNNING / part_name(model), model.encode())

    def running(self) -> set[str]:
        """Return the models that were begun and not finished."""
        return {path.read_text(encoding="utf-8") for path in (self.directory / RUNNING).glob("*.parquet")}

    def forget(self, models: set[str]) -> None:
        """Remove the rows of models, which will then be measured again."""
        with writing(self.directory):
            for model in models:
                for table in reversed(WRITE_ORDER):
                    (self.directory / table / part_name(model)).unlink(missing_ok=True)

    def write(self, model: str, rows: Mapping[TableName, Sequence[Row]], metadata: Mapping[str, str]) -> None:
        """Write the rows of one model; it is finished when this returns, and not before.

        Raises:
            OutputError: no space left, or the directory cannot be written.
        """
        with writing(self.directory), FileLock(self.directory / WRITE_LOCK):
            for table in WRITE_ORDER:
                arrow = pa.Table.from_pylist(list(rows[table]), schema=schema(TABLES[table], dict(metadata)))
                sink = pa.BufferOutputStream()
                pq.write_table(arrow, sink, compression="zstd")
                write_atomically(self.directory / table / part_name(model), sink.getvalue())
            (self.directory / RUNNING / part_name(model)).unlink(missing_ok=True)


def _is_readable(part: Path) -> bool:
    """Tell whether a part is whole; one that was damaged from outside is measured again."""
    try:
        pq.read_table(part, partitioning=None)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def part_name(model: str) -> str:
    """Return the file name of a model's part: readable, safe on every file system, unique."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", model)[:80].strip(".")
    return f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:8]}.parquet"


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a survey directory.

    Raises:
        InputError: the directory is no survey, or its manifest is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{directory} holds no {MANIFEST}, wanted the directory of a survey or of an experiment"
        ) from None
    except ValueError as error:
        raise InputError(f"{directory / MANIFEST} is damaged ({error}); survey into a new directory") from None
    return manifest


def read_table(directory: Path, table: TableName) -> pd.DataFrame:
    """Return one table of a survey, sorted so that it does not depend on the order of work.

    Raises:
        InputError: the directory is no survey, or a part is damaged.
    """
    read_manifest(directory)
    parts = sorted((directory / table).glob("*.parquet"))
    try:
        tables = [pq.read_table(path, partitioning=None) for path in parts]
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"a part of {directory / table} is damaged ({error}); remove it and survey again") from None
    columns = schema(TABLES[table])
    frame: pd.DataFrame = pa.concat_tables([columns.empty_table(), *tables], promote_options="default").to_pandas()
    keys = [name for name in ("model", "state", "seed", "scope") if name in columns.names]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def refuse_other_plan(found: Mapping[str, Any], wanted: Mapping[str, Any], directory: Path) -> None:
    """Raise ``PlanMismatchError`` if two manifests have different plans, showing what differs."""
    if found["plan_hash"] == wanted["plan_hash"]:
        return
    differences = [
        f"{key}: there {_short(found['plan'].get(key))}, now {_short(wanted['plan'].get(key))}"
        for key in sorted({*found["plan"], *wanted["plan"]})
        if found["plan"].get(key) != wanted["plan"].get(key)
    ]
    raise PlanMismatchError(
        f"{directory} holds results of another plan ({'; '.join(differences)}); name a new directory with --out"
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..." + (f" ({len(value)})" if isinstance(value, list) else "")
