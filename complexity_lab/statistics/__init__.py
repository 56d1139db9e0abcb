"""Statistics over a survey, table to table: ratios, tests, nulls, the split of the drop, and the headline numbers.

Every function takes and returns data frames or frozen records; none reads files except ``SurveyTables.read``.
"""

from complexity_lab.statistics.correlation import RankCorrelation, spearman
from complexity_lab.statistics.decomposition import decompose
from complexity_lab.statistics.initial import initial_weights
from complexity_lab.statistics.intervals import Interval, median_interval, signed_rank_p, wilson
from complexity_lab.statistics.layers import compare_layers, skipped_tensors
from complexity_lab.statistics.ratios import RATIO_COLUMNS, compare
from complexity_lab.statistics.summary import MetricSummary, ZooSummary, summarize, summarize_metrics
from complexity_lab.statistics.survey_tables import SurveyTables

__all__ = [
    "RATIO_COLUMNS",
    "Interval",
    "MetricSummary",
    "RankCorrelation",
    "SurveyTables",
    "ZooSummary",
    "compare",
    "compare_layers",
    "decompose",
    "initial_weights",
    "median_interval",
    "signed_rank_p",
    "skipped_tensors",
    "spearman",
    "summarize",
    "summarize_metrics",
    "wilson",
]
