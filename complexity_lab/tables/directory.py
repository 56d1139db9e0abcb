"""The directory of a study: one Parquet part per task and table, and one commit record per task that says it is done.

A task is finished when its commit record is there: the id of the task, the plan and the directory that it was done
for, and of each part its number of rows and SHA-256. The record is written last, by atomic rename. Whatever a killed
process leaves behind has no record: it is never read, and removed when the study goes on. A part that no longer is what
its record says is measured again. A published directory has one ``TABLE.parquet`` per table instead of parts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from complexity_lab.errors import InputError, OutputError, PlanMismatchError
from complexity_lab.files import exclusive_lock, write_atomically, writing
from complexity_lab.tables.arrow import row_type, schema, to_arrow, to_frame, to_parquet
from complexity_lab.tables.commit import Commit, Part, part_stem
from complexity_lab.tables.layout import COMMITS, MANIFEST, RUNNING, STUDY_LOCK, WRITE_LOCK
from complexity_lab.tables.rows import ROWS, Row

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2
"""Of the directory and its tables; raised when older programs could not read them."""

FOR_READERS = ("title", "question", "source", "figures")  # of a manifest; they decide no row and may change
OWNED_FILES = re.compile(r"\..*\.tmp|.*-[0-9a-f]{64}\.(parquet|json)")
"""Names that may be removed when they are of no record; a user's notes may lie beside them."""


@dataclass(frozen=True)
class StudyDirectory:
    """Reads and writes one directory; small and picklable."""

    path: Path

    def prepare(self, manifest: Mapping[str, Any]) -> bool:
        """Create the directory, or check that it holds the same plan; return whether it existed.

        Raises:
            PlanMismatchError: it holds another plan; the message shows the difference.
            InputError: an older version wrote it, or its manifest is damaged.
            OutputError: it cannot be written, or holds files that are not a study.
        """
        with writing(self.path):
            if (self.path / MANIFEST).exists():
                found = read_manifest(self.path)
                refuse_other_plan(found, manifest, self.path)
                if "published" in found:
                    raise OutputError(f"{self.path} holds published tables, which no study goes on with; use --out")
                self._add_run(found, manifest)
                return True
            self._refuse_foreign()
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_manifest(manifest)  # first: whatever comes after can be made again by the next run
            return False

    def _refuse_foreign(self) -> None:
        """Leave a directory that holds something else as it is."""
        if (self.path / MANIFEST).exists() or not self.path.exists():
            return
        if any(not path.name.startswith(".") for path in self.path.iterdir()):
            raise OutputError(f"{self.path} is not empty and not a study; name a new directory with --out")

    def _write_manifest(self, manifest: Mapping[str, Any]) -> None:
        write_atomically(self.path / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())

    def _add_run(self, found: dict[str, Any], manifest: Mapping[str, Any]) -> None:
        """Take over what the study file says to readers, and add this run unless the last one was the same."""
        last, this = found["runs"][-1], manifest["runs"][-1]
        again = all(last.get(key) == this[key] for key in ("versions", "command"))
        runs = found["runs"] if again else [*found["runs"], this]
        now = {**found, **{key: manifest[key] for key in FOR_READERS if key in manifest}, "runs": runs}
        if now != found:
            self._write_manifest(now)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from running a study in the directory; the lock dies with the process.

        Raises:
            OutputError: another process is at work in it, it cannot be created, or holds files that are not a study.
        """
        busy = f"another process is at work in {self.path}; wait for it or use --out"
        with ExitStack() as held:
            with writing(self.path):
                self._refuse_foreign()
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(exclusive_lock(self.path / STUDY_LOCK, busy))
            yield

    def commits(self) -> dict[str, Commit]:
        """Return the records of finished tasks by key, in the order of keys; damaged and misplaced ones are none."""
        found = {}
        for path in (self.path / COMMITS).glob("*.json"):
            commit = Commit.read(path)
            if commit is not None and path.name == f"{part_stem(commit.task)}.json":
                found[commit.task] = commit
        return dict(sorted(found.items()))

    def resume(self) -> list[str]:
        """Remove what is of no record, and records whose parts are not what they say; return the keys of these.

        A worker that outlived its killed study may still be writing, hence the lock.
        """
        with writing(self.path), FileLock(self.path / WRITE_LOCK):
            self.forget_running()
            manifest = read_manifest(self.path)
            commits = self.commits()
            damaged = [key for key, commit in commits.items() if not self._intact(commit, manifest)]
            self._forget(damaged)
            for key in damaged:
                del commits[key]
            kept = self._files(commits)
            for path in self.path.glob(".*.tmp"):
                path.unlink()  # half a manifest, or half a file that all tasks share
            for folder in self._folders():
                for path in folder.iterdir():
                    if OWNED_FILES.fullmatch(path.name) and (folder.name, path.name) not in kept:
                        path.unlink()
            return damaged

    @staticmethod
    def _files(commits: Mapping[str, Commit]) -> set[tuple[str, str]]:
        """Return the folder and the name of every file of these records."""
        stems = {key: part_stem(key) for key in commits}
        parts = {(table, f"{stems[key]}.parquet") for key, commit in commits.items() for table in commit.parts}
        return parts | {(COMMITS, f"{stem}.json") for stem in stems.values()}

    def _folders(self) -> list[Path]:
        names = (COMMITS, *(row.TABLE for row in ROWS))
        return [self.path / name for name in names if (self.path / name).is_dir()]

    def _intact(self, commit: Commit, manifest: Mapping[str, Any]) -> bool:
        """Tell whether a task was done for this directory and all its rows are as they were written."""
        same = (commit.plan_hash, commit.directory_id) == (manifest["plan_hash"], manifest["directory_id"])
        return same and all(
            _digest(self._part(table, commit.task)) == part.sha256 for table, part in commit.parts.items()
        )

    def _part(self, table: str, task: str) -> Path:
        return self.path / table / f"{part_stem(task)}.parquet"

    def unrecorded(self, commits: Mapping[str, Commit] | None = None) -> list[str]:
        """Return Parquet files in the folders of tables that are of no record, relative to the directory.

        Args:
            commits: what ``commits()`` gave, where reading them once more would take long.
        """
        known = self._files(self.commits() if commits is None else commits)
        return sorted(
            f"{folder.name}/{path.name}"
            for folder in self._folders()
            for path in folder.glob("*.parquet")
            if (folder.name, path.name) not in known
        )

    def mark_running(self, task: str) -> None:
        """Note that a worker has begun a task; the note goes when its rows are written.

        Raises:
            OutputError: the directory was removed, or cannot be written.
        """
        with writing(self.path):
            self._refuse_removed(task)
            (self.path / RUNNING).mkdir(exist_ok=True)
            write_atomically(self.path / RUNNING / part_stem(task), task.encode())

    def running(self) -> set[str]:
        """Return the tasks that were begun and not finished."""
        found = set()
        for note in (self.path / RUNNING).glob("[!.]*"):
            with suppress(FileNotFoundError):  # a worker has just finished it
                found.add(note.read_text(encoding="utf-8"))
        return found

    def forget_running(self) -> None:
        """Remove the notes of tasks that were begun."""
        with writing(self.path):
            for note in (self.path / RUNNING).glob("*"):
                note.unlink(missing_ok=True)

    def forget(self, tasks: Iterable[str]) -> None:
        """Remove the records and rows of tasks, which will then be done again."""
        with writing(self.path), FileLock(self.path / WRITE_LOCK):
            self._forget(tasks)

    def _forget(self, tasks: Iterable[str]) -> None:
        for task in tasks:
            (self.path / COMMITS / f"{part_stem(task)}.json").unlink(missing_ok=True)
            for folder in self._folders():
                (folder / f"{part_stem(task)}.parquet").unlink(missing_ok=True)

    def write(self, commit: Commit, rows: Iterable[Row], *, study: str, metadata: Mapping[str, str]) -> None:
        """Write the rows of one task, which is finished when this returns, and not before.

        Args:
            commit: of the task; its ``parts`` are filled in here.
            rows: of any tables.
            study: name of the study, in every row.
            metadata: of the Parquet files.

        Raises:
            OutputError: no space left, the directory cannot be written, or it was made anew since the task began.
        """
        by_table: dict[type[Row], list[Row]] = {}
        for row in rows:
            by_table.setdefault(type(row), []).append(row)
        files, parts = {}, {}  # all before the first is written: rows of a wrong type leave nothing
        for kind, found in by_table.items():
            data = to_parquet(to_arrow(kind, found, study=study, metadata=metadata))
            files[kind.TABLE], parts[kind.TABLE] = data, Part(len(found), hashlib.sha256(data).hexdigest())
        with writing(self.path):
            self._refuse_removed(commit.task)  # to lock in a directory is to make it
        with writing(self.path), FileLock(self.path / WRITE_LOCK):
            self._refuse_other_directory(commit)
            for folder in self._folders():  # an earlier attempt may have been killed after its first part
                if folder.name not in (COMMITS, *files):
                    self._part(folder.name, commit.task).unlink(missing_ok=True)
            for table, data in files.items():
                path = self._part(table, commit.task)
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, data)
            (self.path / COMMITS).mkdir(exist_ok=True)
            record = replace(commit, parts=parts)
            write_atomically(self.path / COMMITS / f"{part_stem(commit.task)}.json", record.to_json())
            (self.path / RUNNING / part_stem(commit.task)).unlink(missing_ok=True)

    def _refuse_other_directory(self, commit: Commit) -> None:
        try:
            found = read_manifest(self.path)["directory_id"]
        except InputError:
            found = None
        if found != commit.directory_id:
            raise OutputError(self._gone(commit.task))

    def _refuse_removed(self, task: str) -> None:
        if not (self.path / MANIFEST).exists():
            raise OutputError(self._gone(task))

    def _gone(self, task: str) -> str:
        return f"{self.path} was removed or made anew while {task} was measured; its rows are dropped"


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a study's directory.

    Raises:
        InputError: the directory holds no study, an older version wrote it, or its manifest is damaged.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{directory} holds no {MANIFEST}, wanted the directory of a study") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{directory / MANIFEST} is damaged ({error}); run the study in a new directory") from None
    if not isinstance(manifest, dict):
        raise InputError(f"{directory / MANIFEST} is damaged (no JSON object); run the study in a new directory")
    if manifest.get("format") != FORMAT:
        raise InputError(_other_version(directory, manifest))
    wrong = [key for key, kind in _TYPES.items() if not (manifest.get(key) and isinstance(manifest[key], kind))]
    if not wrong and not all(isinstance(each, dict) for each in manifest["runs"]):
        wrong = ["runs"]
    if not wrong and not _lists_parts(manifest.get("published", {})):
        wrong = ["published"]
    if wrong:
        raise InputError(f"{directory / MANIFEST} is damaged (no {wrong[0]}); run the study in a new directory")
    return manifest


_TYPES: dict[str, type] = {"kind": str, "plan": dict, "plan_hash": str, "directory_id": str, "runs": list}


def _lists_parts(published: object) -> bool:
    return isinstance(published, dict) and all(
        isinstance(part, dict) and part.keys() == {"rows", "sha256"} for part in published.values()
    )


def _other_version(directory: Path, manifest: Mapping[str, Any]) -> str:
    """Say which version reads a directory of another format."""
    versions = manifest.get("versions")
    version = versions.get("complexity-lab") if isinstance(versions, dict) else None
    written = manifest.get("format")
    if not isinstance(written, int) or written < FORMAT:
        return (
            f"{directory} was written by complexity-lab {version or '0.1.0'}, and only 0.1 reads its tables; "
            "install that version, or run the study again in a new directory"
        )
    return f"{directory} has format {written}, this version reads {FORMAT}; install a newer complexity-lab"


def read_table(directory: Path, table: str) -> pd.DataFrame:
    """Return one table of a study, sorted so that it does not depend on the order of work; finished tasks only.

    Raises:
        UnknownNameError: there is no such table.
        InputError: the directory holds no study, or a part is not what its record says.
    """
    row = row_type(table)
    manifest = read_manifest(directory)
    if "published" in manifest:
        return to_frame(row, _published(directory, table, manifest["published"]))
    store = StudyDirectory(directory)
    found = [
        _checked(store.path / table / f"{part_stem(key)}.parquet", commit.parts[table])
        for key, commit in store.commits().items()
        if table in commit.parts
    ]
    return to_frame(row, found)


def _published(directory: Path, table: str, published: Mapping[str, Any]) -> list[pa.Table]:
    if table not in published:
        return []
    return [_checked(directory / f"{table}.parquet", Part(**published[table]))]


def _checked(path: Path, part: Part) -> pa.Table:
    """Read a part that is what its record says."""
    data = path.read_bytes() if path.is_file() else None
    if data is None or hashlib.sha256(data).hexdigest() != part.sha256:
        what = "is missing" if data is None else "is not what was written"
        raise InputError(f"{path} {what}; run the study again, which measures it again, or restore the file")
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)  # read_table is made for many files at once


def refuse_other_plan(found: Mapping[str, Any], wanted: Mapping[str, Any], directory: Path) -> None:
    """Raise ``PlanMismatchError`` if two manifests have different plans, showing what differs."""
    one, other = ({"kind": each["kind"], **each["plan"]} for each in (found, wanted))
    if found["plan_hash"] == wanted["plan_hash"] and one == other:
        return
    differences = [
        f"{key}: there {_short(one.get(key))}, now {_short(other.get(key))}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]
    raise PlanMismatchError(
        f"{directory} holds results of another plan ({'; '.join(differences) or 'its hash differs'}); "
        "name a new directory with --out"
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..." + (f" ({len(value)})" if isinstance(value, list) else "")


def publish(directory: Path, target: Path, tables: Sequence[str] | None = None) -> dict[str, int]:
    """Write every table of a study as one ``TABLE.parquet``, and the manifest; return the number of rows of each.

    Args:
        directory: of the study.
        target: created if missing; files of the same names are replaced.
        tables: which; all that have rows if None. Histograms can be made again from the weights and may be left out.

    Raises:
        InputError: the directory holds no study, or a part is not what its record says.
        OutputError: the target cannot be written.
    """
    manifest, published, written = read_manifest(directory), {}, {}
    metadata = {"plan_hash": manifest["plan_hash"]}
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        for row in ROWS:
            frame = read_table(directory, row.TABLE)
            if frame.empty or (tables is not None and row.TABLE not in tables):
                continue
            arrow = pa.Table.from_pandas(frame, schema=schema(row), preserve_index=False)
            data = to_parquet(arrow.replace_schema_metadata(metadata))
            write_atomically(target / f"{row.TABLE}.parquet", data)
            published[row.TABLE] = asdict(Part(len(frame), hashlib.sha256(data).hexdigest()))
            written[row.TABLE] = len(frame)
        content = json.dumps({**manifest, "published": published}, indent=1) + "\n"
        write_atomically(target / MANIFEST, content.encode())
    return written
