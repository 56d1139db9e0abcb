"""Bit planes of a survey: a line per plane over the models, and a row per model and reference."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.section import Fact, Section, Sections
from complexity_lab.report.sections.survey import FACTS, METRIC_COLUMNS
from complexity_lab.report.table import Column, SortableTable, of_hundred, sortable
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rows import PLANE_METRIC
from complexity_lab.statistics.significance import q_values
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

REFERENCES: Final = {
    "initial": "initial weights, mean over seeds",
    "own": "the initial weights that training started from",
    "shuffled": "the trained weights, values permuted in each tensor",
}


def sections(results: SurveyResults) -> list[Section]:
    """Return the section; none without planes of both states."""
    if results.plane_ratios.empty:
        return []
    return [
        Section(
            name="planes-numbers",
            title="Every plane",
            group="planes",
            facts=rules(results.measurements),
            tables=(*_lines(results), _by_model(results)),
            terms=("qubd",),
        )
    ]


def rules(measurements: pd.DataFrame) -> tuple[Fact, ...]:
    """Return what was recorded about the rules of bit planes: presets, and departures from the publication."""
    rows = measurements.loc[(measurements[c.METRIC] == PLANE_METRIC) & (measurements[c.STATUS] == "ok")]
    presets = ", ".join(str(name) for name in rows[c.PRESET].dropna().unique())
    departures = rows[[c.PRESET, c.DEPARTURES]].dropna().drop_duplicates()
    return (
        *((Fact("rules of bit planes", presets),) if presets else ()),
        *(Fact(f"departures of {preset}", text) for preset, text in departures.itertuples(index=False, name=None)),
    )


def _lines(results: SurveyResults) -> list[SortableTable]:
    summaries = [each for each in results.metric_summaries if each.metric == PLANE_METRIC]
    planes = sorted((each for each in summaries if each.plane is not None), key=lambda each: -(each.plane or 0))
    q = dict(zip(planes, q_values(np.array([each.wilcoxon_p for each in planes], dtype=float)), strict=True))
    columns = [
        *METRIC_COLUMNS,
        Column("q over planes", q.get, "of the signed rank, Benjamini-Hochberg over the planes", numbers.power),
    ]
    sums = [each for each in summaries if each.plane is None]
    about = "QuBD and each bit plane over the models, most significant plane first: trained over initial weights."
    return [sortable([*sums, *planes], columns, name="planes", about=about)] if summaries else []


def _by_model(results: SurveyResults) -> SortableTable:
    """Return a row per model and reference, with the sum and every plane in percent."""
    ratios = results.plane_ratios
    planes = sorted((int(plane) for plane in ratios[c.PLANE].dropna().unique()), reverse=True)
    rows = []
    for (_, reference), group in ratios.groupby([c.MODEL, c.REFERENCE], sort=False):
        sums = group.loc[group[c.PLANE].isna()]
        known = dict(zip(group[c.PLANE].fillna(-1).astype(int), group[d.PERCENT], strict=True))
        facts = {name: group[name].iloc[0] for name in (c.MODEL, c.FAMILY, c.PARAMETERS)}
        spread = float(sums[d.SD].iloc[0]) if len(sums) else np.nan
        rows.append(facts | {c.REFERENCE: reference, d.SD: spread, d.PERCENT: known})
    order = list(REFERENCES)
    rows.sort(key=lambda row: (order.index(row[c.REFERENCE]), row[d.PERCENT].get(-1, np.inf), row[c.MODEL]))
    columns = (
        *FACTS,
        Column(
            "in percent of",
            c.REFERENCE,
            "; ".join(f"{name}: {text}" for name, text in REFERENCES.items()),
            None,
            filtered=True,
        ),
        _percent_column(-1, "sum", "QuBD, the sum over planes, in percent of the reference"),
        Column("± sd", d.SD, "spread of the sum over seeds, percentage points", of_hundred),
        *(_percent_column(plane, f"plane {plane}", _meaning(plane, planes)) for plane in planes),
    )
    return sortable(
        rows,
        columns,
        name="plane_ratios",
        about="QuBD of trained weights in percent of a reference; below 100 is simpler.",
        chosen={"in percent of": "initial"},
        csv=ratios,
    )


def _percent_column(plane: int, label: str, meaning: str) -> Column:
    return Column(label, lambda row: row[d.PERCENT].get(plane), meaning, numbers.near_hundred)


def _meaning(plane: int, planes: list[int]) -> str:
    ends = {planes[-1]: ", the least significant", planes[0]: ", the most significant"}
    return f"plane {plane}{ends.get(plane, '')}, in percent of the reference"


SECTIONS = Sections(kinds=("survey",), build=sections, rank=30)
