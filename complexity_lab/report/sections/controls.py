"""Null models of a survey: which there are, what a drop consists of, and whether it is above the noise."""

from __future__ import annotations

from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.figures.labels import metric_label, null_label
from complexity_lab.report.section import Fact, Section, Sections
from complexity_lab.report.sections.survey import FACTS
from complexity_lab.report.table import Column, Record, SortableTable, signed, sortable, whole
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.associations import MAIN_METRICS
from complexity_lab.statistics.decomposition import PARTS, THREE, percent_of
from complexity_lab.statistics.nulls import null_descriptions
from complexity_lab.statistics.rows import KEYS
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

FAR: Final = 2.0  # standard deviations
_PART_MEANINGS: Final = {
    d.SIGN_BIAS: ("sign bias", "initial − independent bits with the trained share of ones, over initial"),
    d.LOCATION_SCALE: ("location, scale", "initial − normal values with each tensor's mean and sd, over initial"),
    d.DISTRIBUTION: ("value distribution", "that null − shuffled weights, over initial; else part of arrangement"),
    d.ARRANGEMENT: ("arrangement", "shuffled − trained weights, over initial"),
}


def _metric(row: Record) -> str:
    return metric_label(row[c.METRIC])


def _below_shuffle(row: Record) -> float:
    return float(100 * (1 - row[d.TRAINED_MEAN] / row[d.SHUFFLE_MEAN]))


def _resolved(row: Record) -> str | None:
    return None if pd.isna(row[d.LIMIT]) else "yes" if row[d.RESOLVED] else "no"


def _limited_by(row: Record) -> str | None:
    return None if pd.isna(row[d.LIMIT]) else str(row[d.LIMITED_BY])


def _in_percent(value: float) -> str:
    return numbers.percent(value / 100)


_COLUMNS: Final = (
    *FACTS,
    Column("metric", _metric, "what was measured", filtered=True),
    Column("ratio", d.RATIO, "trained over initial; below 1 is simpler", numbers.ratio),
    Column("drop", lambda row: row[d.DROP] / row[d.INITIAL_MEAN], "1 − ratio; the parts add up to it", numbers.percent),
    *(Column(label, percent_of(part), meaning, _in_percent) for part, (label, meaning) in _PART_MEANINGS.items()),
    Column("below shuffles", _below_shuffle, "1 − trained / mean of its shuffles", _in_percent),
    Column("z of shuffles", d.Z_SHUFFLE, "(trained − mean of its shuffles) / their sd", signed),
    Column("z of first null", d.Z_NULL, "(trained − independent bits, or normal values) / their sd", signed),
    Column("resolution", d.LIMIT, "smallest change of the ratio that counts, see below", numbers.percent),
    Column("set by", _limited_by, "the null model at this size, seeds, or permutations of neurons"),
    Column("resolved", _resolved, "whether the change is above the resolution", filtered=True),
)
_SUMMARY_COLUMNS: Final = (
    Column("metric", lambda row: metric_label(row[c.METRIC]), "what was measured"),
    Column("models", "models", "with a null model", whole),
    Column("z of shuffles below −2", "far", "of those with shuffles"),
    Column("change above resolution", "resolved", "to either side, of those whose resolution is known"),
    Column("median resolution", d.LIMIT, "smallest change that counts", numbers.percent),
    Column("dropped, in three parts", "dropped", "models with all null models whose number dropped", whole),
    *(
        Column(
            f"median {label}", percent_of(part), f"of these, in percent of the initial value: {meaning}", _in_percent
        )
        for part, (label, meaning) in _PART_MEANINGS.items()
    ),
)


def sections(results: SurveyResults) -> list[Section]:
    """Return the section; none if no model was compared with a null model."""
    parts = results.decomposition.loc[results.decomposition[c.PLANE].isna()]
    chosen = [metric for metric in MAIN_METRICS if (parts[c.METRIC] == metric).any()]
    if not chosen:
        return []
    limits = results.resolution[[*KEYS, d.RATIO, d.LIMIT, d.LIMITED_BY, d.RESOLVED]]
    table = parts.loc[parts[c.METRIC].isin(chosen)].merge(limits, on=KEYS, how="left")
    return [
        Section(
            name="controls-numbers",
            title="Trained weights and their null models",
            group="controls",
            facts=_drawn(results),
            tables=(_summary(table, chosen), _every_model(results, table, chosen)),
            terms=("null", "resolution"),
        )
    ]


def _drawn(results: SurveyResults) -> tuple[Fact, ...]:
    drawn = set(results.nulls.loc[results.nulls[c.STATE] == "trained", c.NULL])
    return tuple(Fact(null_label(name), told) for name, told in null_descriptions().items() if name in drawn)


def _summary(table: pd.DataFrame, metrics: list[str]) -> SortableTable:
    rows = []
    for metric in metrics:
        own = table.loc[table[c.METRIC] == metric]
        shuffled, known = own[d.Z_SHUFFLE].dropna(), own.loc[own[d.LIMIT].notna()]
        three = own.loc[(own[d.PARTS] == THREE) & (own[d.DROP] > 0)]
        rows.append(
            {
                **{c.METRIC: metric, "models": len(own), "dropped": len(three)},
                "far": f"{int((shuffled < -FAR).sum())} of {len(shuffled)}" if len(shuffled) else "",
                "resolved": f"{int(known[d.RESOLVED].astype(bool).sum())} of {len(known)}" if len(known) else "",
                d.LIMIT: known[d.LIMIT].median(),
                **{percent_of(part): three[percent_of(part)].median() for part in PARTS},
            }
        )
    about = "Null models over the models of the survey; medians of parts need not add up."
    return sortable(rows, _SUMMARY_COLUMNS, name="null_summary", about=about)


def _every_model(results: SurveyResults, table: pd.DataFrame, metrics: list[str]) -> SortableTable:
    ranks = table.assign(rank=table[c.METRIC].map({metric: rank for rank, metric in enumerate(metrics)}))
    return sortable(
        ranks.sort_values(["rank", d.RATIO, c.MODEL], kind="stable"),
        _COLUMNS,
        name="null_models",
        about="Trained weights beside their null models; parts in percent of the initial value.",
        chosen={"metric": metric_label(metrics[0])},
        csv=results.decomposition,
    )


SECTIONS = Sections(kinds=("survey",), build=sections, rank=50)
