"""A survey as a whole: how many models became simpler, by every metric, and a table of the models."""

from __future__ import annotations

import math

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.figures.labels import metric_label
from complexity_lab.report.section import KeyNumber, Section, Sections
from complexity_lab.report.table import Column, SortableTable, one_decimal, signed, sortable, whole
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.decomposition import share_of
from complexity_lab.statistics.summary import MetricSummary, ZooSummary
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

FACTS = (
    Column("model", c.MODEL, "id in the zoo"),
    Column("family", c.FAMILY, "family of architectures", filtered=True),
    Column("parameters", c.PARAMETERS, "trainable parameters", numbers.count),
)
_STATUS = Column("status", c.STATUS, "ok, failed or skipped", filtered=True)
_SATURATION = Column("saturation", d.SATURATION, "blocks over possible blocks", signed)
_COMPARED = (
    *FACTS,
    Column("ratio", d.RATIO, "trained over initial, means over seeds; below 1 is simpler", numbers.ratio),
    Column("± sd", d.RATIO_SD, "spread of the ratio over seeds, one standard deviation", numbers.power),
    Column("drop", d.EFFECT, "1 − ratio", numbers.percent),
    Column("z", d.Z, "(trained − initial mean) / sd over initial seeds", signed),
    Column("q", d.Q_VALUE, "p-value against its own seeds, Benjamini-Hochberg over the models", numbers.power),
    Column("ones", d.ONES_FRACTION_TRAINED, "share of trained weights above zero", one_decimal),
    _SATURATION,
    Column(
        "sign bias",
        share_of(d.SIGN_BIAS),
        "share of the drop that the share of ones explains; outside 0 to 100 % if parts oppose",
        numbers.percent,
    ),
    Column("accuracy", d.ACCURACY, "on held-out data: of the file of accuracies, else of the zoo itself", one_decimal),
    _STATUS,
)
_INITIAL = (
    *FACTS,
    Column("initial", d.MEAN, "mean over initial seeds", signed),
    Column("sd / mean", d.RELATIVE_SD, "standard deviation over initial seeds, relative", numbers.power),
    Column("below fair bits", d.GAP, "1 − mean / expectation of as many fair bits", numbers.percent),
    Column("ones", d.ONES_FRACTION, "share of initial weights above zero", one_decimal),
    _SATURATION,
    _STATUS,
)


def metric_of(row: MetricSummary) -> str:
    """Return what a metric, or its bit plane, is called."""
    return metric_label(row.metric, row.plane)


METRIC_COLUMNS = (
    Column("metric", metric_of, "what was measured"),
    Column("models", lambda row: row.n_compared, "compared", whole),
    Column("below 1", lambda row: row.n_below, "models whose ratio is below 1", whole),
    Column(
        "share below 1",
        lambda row: row.below.estimate,
        "with its 95 % Wilson interval",
        lambda value: f"{100 * value:.0f}{numbers.NBSP}%",
        low=lambda row: row.below.low,
        high=lambda row: row.below.high,
    ),
    Column(
        "median ratio",
        lambda row: row.median_ratio.estimate,
        "over models, with its 95 % bootstrap interval",
        numbers.ratio,
        low=lambda row: row.median_ratio.low,
        high=lambda row: row.median_ratio.high,
    ),
    Column("signed rank p", lambda row: row.wilcoxon_p, "Wilcoxon, two-sided, of log ratio = 0", numbers.power),
    Column("q ≤ 0.05", lambda row: row.n_significant, "models tested against their own seeds", whole),
)


def lie_below(found: ZooSummary) -> str:
    """Return the summary of one metric as a sentence, in the same words whatever the numbers are."""
    low, middle, high = (
        numbers.ratio(value) for value in (found.median_ratio.low, found.median_ratio.estimate, found.median_ratio.high)
    )
    return (
        f"{metric_label(found.metric)}: {found.n_below} of {numbers.models(found.n_compared)} lie below 1 (95"
        f"{numbers.NBSP}% Wilson interval {numbers.share_range(found.below.low, found.below.high)}), {found.n_above} "
        f"above; median {middle} (95{numbers.NBSP}% bootstrap interval {low} to {high}), range "
        f"{numbers.ratio(found.lowest_ratio)} to {numbers.ratio(found.highest_ratio)}; Wilcoxon signed rank of log "
        f"ratios {numbers.p_value(found.wilcoxon_p)}; q ≤ 0.05 against the own seeds in {found.n_significant} of "
        f"{found.n_tested} tested, {found.n_significant_below} of them below 1."
    )


def sections(results: SurveyResults) -> list[Section]:
    """Return the summary and the table of models."""
    compared = results.summary.n_compared > 0
    summaries = [each for each in results.metric_summaries if each.plane is None]
    tables = [_models(results, compared=compared)]
    if summaries:
        about = "Every metric over the models, sums over bit planes."
        tables.insert(0, sortable(summaries, METRIC_COLUMNS, name="metrics", about=about))
    return [
        Section(
            name="models-summary",
            title="Every model",
            group="models",
            sentences=(lie_below(results.summary),) if compared else (),
            tables=tuple(tables),
            key_numbers=_compared_numbers(results.summary) if compared else _initial_numbers(results),
            terms=("bdm", "ratio", "spread", "q", "saturation") if compared else ("bdm", "saturation"),
        )
    ]


def _compared_numbers(found: ZooSummary) -> tuple[KeyNumber, ...]:
    name = metric_label(found.metric)
    return (
        KeyNumber(f"{name} ratio below 1", str(found.n_below), f"of {found.n_compared}"),
        KeyNumber(f"median {name} ratio", numbers.ratio(found.median_ratio.estimate)),
        KeyNumber("Wilcoxon signed rank, p", numbers.power(found.wilcoxon_p)),
        KeyNumber("q ≤ 0.05 against own seeds", str(found.n_significant), f"of {found.n_tested}"),
        KeyNumber("saturated", str(found.n_saturated), f"of {found.n_compared}"),
    )


def _initial_numbers(results: SurveyResults) -> tuple[KeyNumber, ...]:
    rows = _of_metric(results.initial, results.main_metric)
    gap, spread = (float(rows[name].astype(float).median()) for name in (d.GAP, d.RELATIVE_SD))
    name = metric_label(results.main_metric)
    found = [KeyNumber("models with initial weights", str(len(rows)))]
    if math.isfinite(gap):
        found.append(KeyNumber(f"median {name} below fair bits", numbers.percent(gap)))
    if math.isfinite(spread):
        found.append(KeyNumber(f"median sd / mean of {name} over seeds", numbers.percent(spread)))
    return tuple(found)


def _of_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    return table.loc[(table[c.METRIC] == metric) & table[c.PLANE].isna()]


def _models(results: SurveyResults, *, compared: bool) -> SortableTable:
    """Return every model; the status is left out where all are ok."""
    facts = results.models[[c.MODEL, c.FAMILY, c.PARAMETERS, c.STATUS]]
    columns, order = (_COMPARED, "ratio") if compared else (_INITIAL, "parameters")
    if compared:
        shares = _of_metric(results.decomposition, results.main_metric)[[c.MODEL, share_of(d.SIGN_BIAS)]]
        found = _of_metric(results.ratios, results.main_metric).merge(shares, on=c.MODEL, how="left")
        found = found.merge(results.accuracies[[c.MODEL, d.ACCURACY]], on=c.MODEL, how="left")
    else:
        found = _of_metric(results.initial, results.main_metric)
    new = [c.MODEL, *(name for name in found.columns if name not in facts.columns)]
    states = "trained against initial weights" if compared else "initial weights"
    failed = bool((facts[c.STATUS] != "ok").any())
    return sortable(
        facts.merge(found[new], on=c.MODEL, how="left"),
        [column for column in columns if failed or column is not _STATUS],
        name="models",
        about=f"{metric_label(results.main_metric)} of {states}.",
        sorted_by=order,
        csv=results.ratios if compared else results.initial,
    )


SECTIONS = Sections(kinds=("survey",), build=sections, rank=10)
