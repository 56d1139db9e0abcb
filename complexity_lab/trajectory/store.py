"""A directory of trajectories: its manifest, its tables ``steps`` and ``series``, and what of a run is done so far.

A run is finished when its part of ``series`` is there. Until then its rows may wait in pieces, one per checkpoint or
part of a training, so that what was killed goes on from there; they go when the run is finished.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from complexity_lab.errors import OutputError
from complexity_lab.files import alone, write_atomically, writing
from complexity_lab.tables.provenance import machine, now, versions
from complexity_lab.tables.steps import finished_series, forget_series, read_part, write_series
from complexity_lab.tables.store import MANIFEST, part_name, read_manifest, refuse_other_plan

KIND = "trajectory"  # of the plan in the manifest
PIECES = ".pieces"
LOCK = ".trajectory.lock"
Row = Mapping[str, Any]


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Return a short hash of a plan of JSON types."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrajectoryStore:
    """Reads and writes one directory; small and picklable."""

    directory: Path

    def prepare(self, plan: Mapping[str, Any]) -> dict[str, str]:
        """Create the directory, or check that it holds the same plan; return the metadata of its parts.

        Args:
            plan: all that decides the rows, JSON types; ``kind`` is added.

        Raises:
            PlanMismatchError: it holds another plan; the message shows the difference.
            OutputError: it cannot be written, or holds files that are no trajectories.
        """
        plan = {"kind": KIND} | json.loads(json.dumps(plan))
        decided = plan_hash(plan)
        manifest = {
            "plan": plan,
            "plan_hash": decided,
            "created": now(),
            "versions": versions(),
            "machine": machine(),
            "command": _command(),
        }
        with writing(self.directory):
            self._create(manifest)
        return {"complexity_lab": versions()["complexity-lab"], "plan_hash": decided}

    def _create(self, manifest: dict[str, Any]) -> None:
        if (self.directory / MANIFEST).exists():
            refuse_other_plan(read_manifest(self.directory), manifest, self.directory)
            return
        if self.directory.exists() and any(not path.name.startswith(".") for path in self.directory.iterdir()):
            raise OutputError(
                f"{self.directory} is not empty and holds no trajectories; name a new directory with --out"
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self.directory / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes out of the directory; the lock dies with the process.

        Raises:
            OutputError: another process works in it, or it cannot be created.
        """
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        busy = f"another process is working in {self.directory}; wait for it or use --out"
        with alone(self.directory / LOCK, busy):
            yield

    def outcomes(self) -> dict[str, str | None]:
        """Return the error of each finished run by its key, None where it is ok."""
        return finished_series(self.directory)

    def forget(self, runs: Iterable[str]) -> None:
        """Remove the rows and pieces of runs, which will then be made again."""
        runs = list(runs)
        forget_series(self.directory, runs)
        for run in runs:
            self._remove_pieces(run)

    def write(self, series: Row, steps: Sequence[Row], metadata: Mapping[str, str]) -> None:
        """Write the rows of one run, which is finished when this returns, and not before.

        Args:
            series: the row of ``series``; columns that are missing are null.
            steps: all rows of ``steps``, also those that waited in pieces.
            metadata: of the parts, from ``prepare``.

        Raises:
            OutputError: no space left, or the directory cannot be written.
        """
        write_series(self.directory, series, steps, metadata)
        self._remove_pieces(series["run"])

    def steps(self, run: str) -> list[dict[str, Any]]:
        """Return the rows that a run's part of ``steps`` holds; none if there is no part."""
        return read_part(self.directory, "steps", run)

    def write_piece(self, run: str, piece: str, rows: Sequence[Row]) -> None:
        """Keep rows of a run that is not finished, JSON types; a piece of the same name is replaced.

        Raises:
            OutputError: the directory cannot be written.
        """
        content = {"piece": piece, "rows": list(rows)}
        with writing(self.directory):
            self._folder(run).mkdir(parents=True, exist_ok=True)
            write_atomically(
                self._folder(run) / f"{part_name(piece).removesuffix('.parquet')}.json", json.dumps(content).encode()
            )

    def pieces(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """Return the rows that wait, by piece, in the order of the pieces' names."""
        contents = [json.loads(path.read_text(encoding="utf-8")) for path in self._folder(run).glob("*.json")]
        return {content["piece"]: content["rows"] for content in sorted(contents, key=lambda each: each["piece"])}

    def _folder(self, run: str) -> Path:
        return self.directory / PIECES / part_name(run).removesuffix(".parquet")

    def _remove_pieces(self, run: str) -> None:
        with writing(self.directory):
            for path in self._folder(run).glob("*"):
                path.unlink(missing_ok=True)


def _command() -> str | None:
    """Return the command line that asked for this; None for the Python API."""
    return shlex.join(["complexity-lab", *sys.argv[1:]]) if Path(sys.argv[0]).name == "complexity-lab" else None
