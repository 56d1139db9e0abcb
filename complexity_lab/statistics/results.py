"""A study's directory as statistics see it: its tables read once, and every statistic computed once, when asked for.

Frames are shared and to be treated as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import pandas as pd

from complexity_lab.statistics.manifest import Manifest
from complexity_lab.tables import columns as c
from complexity_lab.tables.arrow import row_type, to_frame
from complexity_lab.tables.directory import read_manifest, read_table

SEED: Final = 0  # of bootstraps and permutations; each statistic starts anew, so that none depends on what came before


class Results:
    """The manifest and tables of one study; subclasses add what can be said of their kind.

    Tables that are handed in are not read, so that results can be made without a directory.

    Attributes:
        manifest: what the study says about itself.
        directory: where it lies; None if it was made from tables.
    """

    RECORDS: ClassVar[str] = ""  # the table with one row per task; the first that has rows if empty

    def __init__(self, manifest: Manifest, tables: Mapping[str, pd.DataFrame], directory: Path | None = None) -> None:
        self.manifest = manifest
        self.directory = directory
        self._tables = dict(tables)

    def table(self, name: str) -> pd.DataFrame:
        """Return a stored table, with no rows if the study has none of that name.

        Raises:
            UnknownNameError: no kind of study has such a table.
            InputError: a part is not what its record says.
        """
        if name not in self._tables:
            row = row_type(name)
            self._tables[name] = to_frame(row, []) if self.directory is None else read_table(self.directory, name)
        return self._tables[name]

    def file(self, name: str) -> Path | None:
        """Return a file that lies next to the tables, None if there is none."""
        file = None if self.directory is None else self.directory / name
        return file if file is not None and file.exists() else None

    @property
    def kind(self) -> str:
        """Kind of study."""
        return self.manifest.kind

    @property
    def name(self) -> str:
        """Name of the study; empty if it has none."""
        return self.manifest.name

    @property
    def title(self) -> str:
        """Title of the study; empty if it has none."""
        return self.manifest.title

    @property
    def question(self) -> str:
        """What the study asks; empty if it does not say."""
        return self.manifest.question

    @property
    def source(self) -> str:
        """Publication that the study goes back to; empty if none."""
        return self.manifest.source

    @property
    def plan(self) -> Mapping[str, Any]:
        """The plan, as JSON types."""
        return self.manifest.plan

    @property
    def models(self) -> pd.DataFrame:
        """One row per model of a zoo."""
        return self.table("models")

    @property
    def runs(self) -> pd.DataFrame:
        """One row per training or series."""
        return self.table("runs")

    @property
    def measurements(self) -> pd.DataFrame:
        """Every number about weights."""
        return self.table("measurements")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Losses and accuracies, step by step."""
        return self.table("curves")

    @property
    def records(self) -> pd.DataFrame:
        """One row per finished task: what it came to."""
        if self.RECORDS:
            return self.table(self.RECORDS)
        found = [self.table(name) for name in ("models", "runs", "networks")]
        return next((table for table in found if len(table)), found[0])

    @cached_property
    def ok(self) -> pd.DataFrame:
        """Records of tasks that ended well."""
        return self.records.loc[self.records[c.STATUS] == "ok"]

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Records of tasks that failed or were skipped: ``model status error_type error``."""
        columns = [c.MODEL, c.STATUS, c.ERROR_TYPE, c.ERROR]
        return self.records.loc[self.records[c.STATUS] != "ok", columns].reset_index(drop=True)


def open_results(directory: Path) -> Results:
    """Return the results of a study; its kind decides the class, and a kind without one of its own gets ``Results``.

    Raises:
        InputError: the directory holds no study, or an older version wrote it.
    """
    from complexity_lab.statistics.rounding_results import RoundingResults
    from complexity_lab.statistics.step_results import TrainingResults, TrajectoryResults
    from complexity_lab.statistics.survey_results import SurveyResults

    kinds: dict[str, type[Results]] = {
        "survey": SurveyResults,
        "training": TrainingResults,
        "trajectory": TrajectoryResults,
        "series": TrajectoryResults,
        "rounding": RoundingResults,
    }
    manifest = Manifest.of(read_manifest(directory))
    return kinds.get(manifest.kind, Results)(manifest, {}, directory)
