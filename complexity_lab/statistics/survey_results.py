"""What can be said of a survey."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from complexity_lab.statistics.accuracy import model_accuracy, read_accuracy
from complexity_lab.statistics.associations import MAIN_METRICS, Association, associations
from complexity_lab.statistics.decomposition import decompose
from complexity_lab.statistics.initial import initial_weights
from complexity_lab.statistics.layers import compare_tensors, layers, skipped_tensors
from complexity_lab.statistics.manifest import Manifest
from complexity_lab.statistics.nulls import null_table
from complexity_lab.statistics.planes import plane_profiles, plane_ratios, tensor_profiles
from complexity_lab.statistics.ratios import compare, metrics_of
from complexity_lab.statistics.resolution import resolution_table
from complexity_lab.statistics.results import SEED, Results
from complexity_lab.statistics.rows import model_rows
from complexity_lab.statistics.summary import MetricSummary, ZooSummary, summarize, summarize_metrics
from complexity_lab.tables import layout


class SurveyResults(Results):
    """A survey: models of a zoo, initial and trained. ``published`` is what ``accuracy.csv`` holds, None without."""

    RECORDS = "models"

    def __init__(
        self,
        manifest: Manifest,
        tables: Mapping[str, pd.DataFrame],
        directory: Path | None = None,
        *,
        published: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(manifest, tables, directory)
        self._published = published

    @cached_property
    def published(self) -> pd.DataFrame | None:
        """Accuracies that lie next to the tables, see ``read_accuracy``.

        Raises:
            InputError: the file is damaged.
        """
        file = self.file(layout.ACCURACY)
        return self._published if file is None else read_accuracy(file)

    @cached_property
    def accuracies(self) -> pd.DataFrame:
        """The accuracy of each model and where it is from, see ``model_accuracy``."""
        return model_accuracy(self.models, self.published)

    @cached_property
    def nulls(self) -> pd.DataFrame:
        """What every null model scores, see ``null_table``."""
        return null_table(model_rows(self.models, self.measurements))

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """Trained against initial weights, see ``compare``."""
        return compare(self.models, self.measurements)

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics that were compared, in the order of the plan."""
        return metrics_of(self.ratios)

    @cached_property
    def decomposition(self) -> pd.DataFrame:
        """Every drop in parts, see ``decompose``."""
        return decompose(self.ratios)

    @cached_property
    def resolution(self) -> pd.DataFrame:
        """Every change next to the noise of the method, see ``resolution_table``."""
        return resolution_table(self.ratios)

    @cached_property
    def initial(self) -> pd.DataFrame:
        """Initial weights, see ``initial_weights``."""
        return initial_weights(self.models, self.measurements)

    @cached_property
    def plane_profiles(self) -> pd.DataFrame:
        """Bit planes of models by state, see ``planes.plane_profiles``."""
        return plane_profiles(self.models, self.measurements)

    @cached_property
    def plane_ratios(self) -> pd.DataFrame:
        """Bit planes of models against each reference, see ``planes.plane_ratios``."""
        return plane_ratios(self.models, self.measurements, self.ratios)

    @cached_property
    def tensors(self) -> pd.DataFrame:
        """Every tensor, metric and plane, trained against initial, see ``compare_tensors``."""
        return compare_tensors(self.models, self.measurements)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """Matrices and embeddings, see ``layers.layers``."""
        return layers(self.tensors)

    @cached_property
    def tensor_profiles(self) -> pd.DataFrame:
        """Bit planes of tensors, see ``planes.tensor_profiles``."""
        return tensor_profiles(self.tensors)

    @cached_property
    def skipped_tensors(self) -> pd.DataFrame:
        """Tensors that were not scored, by reason, see ``layers.skipped_tensors``."""
        return skipped_tensors(self.measurements)

    @cached_property
    def associations(self) -> list[Association]:
        """What the ratio goes with, see ``associations.associations``."""
        return associations(self.ratios, self.accuracies, rng=np.random.default_rng(SEED))

    @cached_property
    def main_metric(self) -> str:
        """The metric that the survey is first of all about: the first of MAIN_METRICS that was compared, else any."""
        return next((name for name in (*MAIN_METRICS, *self.metrics) if name in self.metrics), MAIN_METRICS[0])

    @cached_property
    def summaries(self) -> dict[str, ZooSummary]:
        """The headline numbers of each metric, sums over planes, see ``summarize``; always of the main metric."""
        return {
            name: summarize(self.models, self.ratios, rng=np.random.default_rng(SEED), metric=name)
            for name in dict.fromkeys((self.main_metric, *self.metrics))
        }

    @property
    def summary(self) -> ZooSummary:
        """The headline numbers of the main metric."""
        return self.summaries[self.main_metric]

    @cached_property
    def metric_summaries(self) -> list[MetricSummary]:
        """One record per metric and plane, see ``summarize_metrics``."""
        return summarize_metrics(self.ratios, seed=SEED)
