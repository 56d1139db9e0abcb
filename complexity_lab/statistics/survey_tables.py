"""A survey as the statistics see it: its tables, and the comparison computed once."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from complexity_lab.statistics.accuracy import ACCURACY_FILE, model_accuracy, read_accuracy
from complexity_lab.statistics.ratios import compare
from complexity_lab.tables import store


@dataclass(frozen=True, eq=False)
class SurveyTables:
    """The tables of one survey directory, to be treated as read-only.

    ``accuracy`` is what ``accuracy.csv`` beside the tables holds, None without it. What is derived from the tables is
    computed on first use.
    """

    models: pd.DataFrame
    measurements: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)
    accuracy: pd.DataFrame | None = None

    @classmethod
    def read(cls, directory: Path) -> "SurveyTables":
        """Read a survey directory.

        Raises:
            InputError: the directory holds no survey, or a damaged ``accuracy.csv``.
        """
        published = directory / ACCURACY_FILE
        return cls(
            models=store.read_table(directory, "models"),
            measurements=store.read_table(directory, "measurements"),
            manifest=store.read_manifest(directory),
            accuracy=read_accuracy(published) if published.exists() else None,
        )

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """Trained against initial weights, see :func:`complexity_lab.statistics.ratios.compare`."""
        return compare(self.models, self.measurements)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        """The accuracy of each model, see :func:`complexity_lab.statistics.accuracy.model_accuracy`."""
        return model_accuracy(self.models, self.accuracy)
