"""What the ratio goes with over the models of a survey: accuracy, size and family."""

from __future__ import annotations

import math

from complexity_lab.figures import numbers
from complexity_lab.figures.labels import metric_label
from complexity_lab.report.section import Section, Sections
from complexity_lab.report.table import Column, sortable, whole
from complexity_lab.statistics.survey_results import SurveyResults

_STATISTICS = {"rho": "ρ", "partial rho": "partial ρ", "eta squared": "η²"}
_COLUMNS = (
    Column("ratio of", lambda each: metric_label(each.metric), "metric", filtered=True),
    Column("with", lambda each: each.quantity, "over models"),
    Column("measure", lambda each: _STATISTICS[each.statistic], "Spearman's ρ, or η² of ranks"),
    Column(
        "estimate",
        lambda each: each.estimate.estimate,
        "with its 95 % bootstrap interval over models",
        numbers.significant,
        low=lambda each: max(each.estimate.low, -1.0),
        high=lambda each: min(each.estimate.high, 1.0),
    ),
    Column("p", lambda each: each.p_value, "of permutations", numbers.power),
    Column("q", lambda each: each.q_value, "Benjamini-Hochberg over this table", numbers.power),
    Column("models", lambda each: each.n, "with both numbers", whole),
    Column("undefined because", lambda each: each.reason, "why there is no estimate"),
)


def sections(results: SurveyResults) -> list[Section]:
    """Return the section; none where no association could be estimated."""
    if all(math.isnan(each.p_value) for each in results.associations):
        return []
    about = "What the ratio goes with. ρ above 0: a higher ratio where there is more of it."
    table = sortable(results.associations, _COLUMNS, name="associations", about=about)
    return [
        Section(
            name="models-associations",
            title="What the ratio goes with",
            group="models",
            tables=(table,),
            terms=("association",),
        )
    ]


SECTIONS = Sections(kinds=("survey",), build=sections, rank=20)
