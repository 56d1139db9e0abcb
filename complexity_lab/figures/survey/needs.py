"""Why a survey has no figures of a kind: what they need and it does not hold."""

from __future__ import annotations

from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.prepared import compared
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c


def ratios(results: SurveyResults, metric: str | None = None) -> str | None:
    """Return why there is no comparison of trained with initial weights, or None if there is one."""
    if len(compared(results.ratios, metric)):
        return None
    return f"no model has {metric_label(metric) if metric else 'any metric'} of both initial and trained weights"


def planes(results: SurveyResults) -> str | None:
    """Return why there are no bit planes of both states, or None if there are."""
    if not results.measurements[c.PLANE].notna().any():
        return "the survey holds no bit planes (metric qubd); survey with a preset or with bits"
    if ratios(results, PLANE_METRIC):
        return "no model has bit planes (metric qubd) of both initial and trained weights"
    return None


def tensor_planes(results: SurveyResults) -> str | None:
    """Return why there are no bit planes of single tensors, or None if there are."""
    missing = planes(results)
    if missing is None and not results.tensors[c.PLANE].notna().any():
        return "the survey holds no bit planes of tensors; survey without --no-tensor-rows"
    return missing
