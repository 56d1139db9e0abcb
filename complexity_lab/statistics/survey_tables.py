"""A survey as the statistics see it: its tables, and the comparison computed once."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from complexity_lab.statistics.ratios import compare
from complexity_lab.tables import store


@dataclass(frozen=True, eq=False)
class SurveyTables:
    """The tables of one survey directory, to be treated as read-only. ``ratios`` is computed on first use."""

    models: pd.DataFrame
    measurements: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> "SurveyTables":
        """Read a survey directory.

        Raises:
            InputError: the directory holds no survey.
        """
        return cls(
            models=store.read_table(directory, "models"),
            measurements=store.read_table(directory, "measurements"),
            manifest=store.read_manifest(directory),
        )

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """Trained against initial weights, see :func:`complexity_lab.statistics.ratios.compare`."""
        return compare(self.models, self.measurements)
