"""What can be said of networks that were measured step by step: trajectories, series, MoMos experiments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from complexity_lab.statistics.learning import landmarks, rank_over_time
from complexity_lab.statistics.losses import NUMBERS, read_losses
from complexity_lab.statistics.manifest import Manifest
from complexity_lab.statistics.orderings import orderings
from complexity_lab.statistics.results import Results
from complexity_lab.statistics.training import means_over_seeds, with_methods, with_published
from complexity_lab.statistics.trajectory import (
    POINT,
    extremes,
    numbers,
    ratios,
    smallest_losses,
    step_failures,
    tensor_ratios,
    with_runs,
)
from complexity_lab.tables import columns as c
from complexity_lab.tables import layout


class StepResults(Results):
    """Runs measured at several steps. ``given`` losses are those of a series, as ``read_losses`` returns them."""

    RECORDS = "runs"

    def __init__(
        self,
        manifest: Manifest,
        tables: Mapping[str, pd.DataFrame],
        directory: Path | None = None,
        *,
        given: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(manifest, tables, directory)
        self._given = given

    @cached_property
    def given(self) -> pd.DataFrame | None:
        """Losses that lie next to the tables of a series; None without.

        Raises:
            InputError: the file is damaged.
        """
        file = self.file(layout.LOSSES)
        return self._given if file is None else read_losses(file)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per training or series; of a series, whose checkpoints have a record each, the first that is ok."""
        ordered = self.records.sort_values(c.STATUS, key=lambda status: status != "ok", kind="stable")
        return ordered.drop_duplicates(c.MODEL).sort_values(c.MODEL, kind="stable", ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per run and step: where its weights are from, losses and accuracies.

        Of a series, a number that ``losses.csv`` holds counts, not what was stored; its steps without weights are left
        out.
        """
        stored = self.table("curves")
        if self.given is None:
            return stored
        found = stored.merge(self.given, on=c.STEP, how="left", suffixes=("_stored", ""))
        filled = {name: found[name].fillna(found[f"{name}_stored"]) for name in NUMBERS}
        return found.assign(**filled)[list(stored.columns)]

    @cached_property
    def losses(self) -> pd.DataFrame:
        """Points of curves that have any loss or accuracy, with the columns of their run."""
        return with_runs(self.runs, self.curves)

    @cached_property
    def step_failures(self) -> pd.DataFrame:
        """Steps whose network could not be measured: ``model step source reason``."""
        return step_failures(self.measurements, self.curves)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per run and step, also of those that failed: ``model step epoch``, losses, ``source reason``."""
        failed = self.step_failures[[*POINT, c.REASON]]
        return self.curves[[*POINT, *NUMBERS, c.SOURCE]].merge(failed, on=POINT, how="left")

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """Every number of whole networks, to the start and to the shuffled self, see ``trajectory.ratios``."""
        return ratios(numbers(self.runs, self.measurements, self.curves))

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics of whole networks, in the order of their names."""
        return sorted(self.ratios[c.METRIC].unique())

    @cached_property
    def tensor_ratios(self) -> pd.DataFrame:
        """Every number of tensors that has shuffles, see ``trajectory.tensor_ratios``."""
        return tensor_ratios(self.runs, self.measurements)

    @cached_property
    def extremes(self) -> pd.DataFrame:
        """Ratios at the end, and where they were lowest, see ``trajectory.extremes``."""
        return extremes(self.ratios)

    @cached_property
    def smallest_losses(self) -> pd.DataFrame:
        """The smallest losses of each run, see ``trajectory.smallest_losses``."""
        return smallest_losses(self.losses)

    @property
    def _outcome(self) -> pd.DataFrame:
        return self.runs.loc[self.runs[c.STATUS] == "ok", [c.MODEL, c.TEST_ACCURACY_FINAL, c.SECONDS]]

    @cached_property
    def last(self) -> pd.DataFrame:
        """The rows of ``ratios`` of each run's last step, with its test accuracy and seconds."""
        last = self.ratios.loc[self.ratios[c.STEP] == self.ratios.groupby(c.MODEL)[c.STEP].transform("max")]
        return last.merge(self._outcome, on=c.MODEL).reset_index(drop=True)

    @cached_property
    def last_losses(self) -> pd.DataFrame:
        """One row per run that ended well and has losses: those of its last step, with test accuracy and seconds."""
        last = self.losses.drop_duplicates(c.MODEL, keep="last")
        return last.merge(self._outcome, on=c.MODEL).reset_index(drop=True)

    @cached_property
    def landmarks(self) -> pd.DataFrame:
        """When each run learned, was best, and its complexity fell, see ``learning.landmarks``."""
        return landmarks(self.ratios)

    @cached_property
    def rank_over_time(self) -> pd.DataFrame:
        """Whether complexity and losses move together, see ``learning.rank_over_time``."""
        return rank_over_time(self.ratios)


class TrajectoryResults(StepResults):
    """Networks measured while they learn, or series of checkpoints."""


class TrainingResults(StepResults):
    """A MoMos experiment."""

    @cached_property
    def method_curves(self) -> pd.DataFrame:
        """Curves of runs that ended well, with the columns of their method."""
        return with_methods(self.runs, self.curves)

    @cached_property
    def means_over_seeds(self) -> pd.DataFrame:
        """One row per network and method, see ``training.means_over_seeds``."""
        return means_over_seeds(self.runs, self.ratios)

    @cached_property
    def with_published(self) -> pd.DataFrame:
        """The means with what the paper prints, see ``training.with_published``."""
        return with_published(self.means_over_seeds)

    @cached_property
    def orderings(self) -> pd.DataFrame:
        """Differences of the accuracies that the paper orders, see ``orderings.orderings``."""
        return orderings(self.means_over_seeds)
