"""Statistics over a survey, table to table: ratios, tests, nulls, the split of the drop, and the headline numbers.

Every function takes and returns data frames or frozen records; none reads files except ``SurveyTables.read`` and
``read_accuracy``.
"""

from complexity_lab.statistics.accuracy import model_accuracy, read_accuracy
from complexity_lab.statistics.associations import Association, associations
from complexity_lab.statistics.correlation import (
    GroupEffect,
    RankCorrelation,
    group_effect,
    partial_spearman,
    spearman,
)
from complexity_lab.statistics.decomposition import decompose
from complexity_lab.statistics.initial import initial_weights
from complexity_lab.statistics.intervals import Interval, median_interval, signed_rank_p, wilson
from complexity_lab.statistics.layers import compare_layers, skipped_tensors
from complexity_lab.statistics.planes import plane_profiles, plane_ratios, tensor_profiles
from complexity_lab.statistics.ratios import RATIO_COLUMNS, compare
from complexity_lab.statistics.resolution import resolution_table
from complexity_lab.statistics.summary import MetricSummary, ZooSummary, summarize, summarize_metrics
from complexity_lab.statistics.survey_tables import SurveyTables

__all__ = [
    "RATIO_COLUMNS",
    "Association",
    "GroupEffect",
    "Interval",
    "MetricSummary",
    "RankCorrelation",
    "SurveyTables",
    "ZooSummary",
    "associations",
    "compare",
    "compare_layers",
    "decompose",
    "group_effect",
    "initial_weights",
    "median_interval",
    "model_accuracy",
    "partial_spearman",
    "plane_profiles",
    "plane_ratios",
    "read_accuracy",
    "resolution_table",
    "signed_rank_p",
    "skipped_tensors",
    "spearman",
    "summarize",
    "summarize_metrics",
    "tensor_profiles",
    "wilson",
]
