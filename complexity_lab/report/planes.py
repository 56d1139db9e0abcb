"""Bit planes in a report: what they say over the models, in sentences, a line per plane, and a row per model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.names import plane_list
from complexity_lab.report.plates import csv_uri
from complexity_lab.report.sortable import Column, SortableTable, choice, of_hundred, rows_of
from complexity_lab.statistics import (
    Interval,
    MetricSummary,
    SurveyTables,
    plane_ratios,
    summarize_metrics,
)
from complexity_lab.statistics.rows import plane_of
from complexity_lab.statistics.saturation import is_plane_metric
from complexity_lab.statistics.significance import q_values
from complexity_lab.statistics.summary import SIGNIFICANCE

REFERENCES: Final = {
    "initial": "initial weights, mean over seeds",
    "own": "the initial weights that training started from",
    "shuffled": "the trained weights themselves, values permuted in each tensor",
}
FEWEST_MODELS: Final = 6  # a signed rank of fewer cannot reach 0.05
NOISES: Final = 2.0  # sd of shuffles that a model must be below them


@dataclass(frozen=True, kw_only=True)
class PlaneLine:
    """One bit plane over the models, trained in percent of initial weights."""

    plane: int  # 0 is the least significant
    n_compared: int
    n_below: int
    below: Interval  # share, Wilson
    median_percent: Interval
    wilcoxon_p: float
    q_value: float  # of that, Benjamini-Hochberg over the planes
    n_significant: int  # models that changed by more than their own seeds vary

    @property
    def direction(self) -> int:
        """-1 if the plane fell over the models, 1 if it rose, 0 if neither is shown."""
        if not self.q_value <= SIGNIFICANCE or self.median_percent.estimate == 100:
            return 0
        return -1 if self.median_percent.estimate < 100 else 1


@dataclass(frozen=True, kw_only=True)
class PlaneSection:
    """Everything that a report says about bit planes."""

    findings: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]  # name and text
    lines: tuple[PlaneLine, ...]  # most significant first
    table: SortableTable


def plane_section(tables: SurveyTables, rng: np.random.Generator) -> PlaneSection | None:
    """Return the section on bit planes; None if no model has them before and after training."""
    known = tables.ratios.loc[tables.ratios["metric"].map(lambda metric: is_plane_metric(str(metric))).astype(bool)]
    if known["ratio"].isna().all():  # also if there is none
        return None
    ratios = plane_ratios(tables.models, tables.measurements)
    lines = plane_lines(summarize_metrics(known.loc[known["metric"] != "qubd"], rng=rng))
    sums = summarize_metrics(known.loc[known["metric"] == "qubd"], rng=rng)
    findings = [
        *(_about_sum(sums[0], len(lines)) if sums else []),
        *about_planes(lines),
        *about_shuffles(ratios.loc[(ratios["reference"] == "shuffled") & ratios["plane"].isna()]),
        *_about_saturation(known.loc[(known["metric"] == "qubd") & known["ratio"].notna()]),
    ]
    return PlaneSection(findings=tuple(findings), rules=_rules(tables.measurements), lines=lines, table=_table(ratios))


def plane_lines(summaries: Sequence[MetricSummary]) -> tuple[PlaneLine, ...]:
    """Return a line per summary of a plane, the most significant plane first."""
    q = q_values(np.array([each.wilcoxon_p for each in summaries], dtype=float))
    lines = [
        PlaneLine(
            plane=plane,
            n_compared=each.n_compared,
            n_below=each.n_below,
            below=each.below,
            median_percent=_times_hundred(each.median_ratio),
            wilcoxon_p=each.wilcoxon_p,
            q_value=float(value),
            n_significant=each.n_significant,
        )
        for each, value in zip(summaries, q, strict=True)
        if (plane := plane_of(each.metric)) is not None
    ]
    return tuple(sorted(lines, key=lambda line: -line.plane))


def about_planes(lines: Sequence[PlaneLine]) -> list[str]:
    """Return which planes fell and rose over the models, and which changed most."""
    if not lines:
        return []
    models = max(line.n_compared for line in lines)
    moved = max(lines, key=lambda line: abs(line.median_percent.estimate - 100))
    top = ", the most significant," if moved.plane == lines[0].plane else ""
    who = "the one model compared" if models == 1 else f"the median of {numbers.models(moved.n_compared)}"
    most = (
        f"The largest change is that of plane {moved.plane}{top} which is at "
        f"{numbers.near_hundred(moved.median_percent.estimate)} of the initial weights in {who}"
        f"{_interval(moved.median_percent)}."
    )
    if models < FEWEST_MODELS:
        few = f"{numbers.models(models)} cannot show which planes change in general (six or more could)."
        return [most, few]
    return [_tested(lines), most]


def about_shuffles(table: pd.DataFrame) -> list[str]:
    """Return how the sum over planes compares with shuffles of the same values, one row per model."""
    known = table.loc[table["percent"].notna()]
    if known.empty:
        return []
    percent, noise = known["percent"].to_numpy(float), known["noise"].to_numpy(float)
    clear = int((percent < 100 - NOISES * noise).sum())
    by_one = int(((percent < 100 - NOISES * noise) & (percent < 99)).sum())
    whole, median = numbers.models(len(known)), numbers.near_hundred(float(np.median(percent)))
    if len(known) == 1:
        verb = "is" if clear else "is not"
        start = f"Held against shuffles of its own values, the one model is at {median} and {verb} clearly below them"
    else:
        start = f"Held against shuffles of their own values, models are at {median} in the median; {clear} of {whole}"
        start += f" {'is' if clear == 1 else 'are'} below them by more than two of their standard deviations"
        start += f", {by_one} of these by more than 1{numbers.GLUE}%"
    return [
        f"{start}. Only this part is arrangement; the rest of a change is that the range of levels and the shape of "
        "the distribution of values changed."
    ]


def _tested(lines: Sequence[PlaneLine]) -> str:
    fallen, risen, open_ = ([line.plane for line in lines if line.direction == d] for d in (-1, 1, 0))
    parts = [f"{plane_list(planes)} {verb}" for planes, verb in ((fallen, "fell"), (risen, "rose")) if planes]
    by = f"signed rank over models, Benjamini-Hochberg over {len(lines)} planes"
    if not parts:
        return f"No plane changed in one direction over the models ({by})."
    text = " and ".join(parts)
    rest = f"; for {plane_list(open_)} no change is shown" if open_ else ""
    return f"Over the models, {text} ({by}){rest}."


def _about_sum(found: MetricSummary, planes: int) -> list[str]:
    if found.n_compared == 1:
        return []
    share = f"{numbers.percent(found.below.estimate)}; {numbers.share_range(found.below.low, found.below.high)}"
    median = _times_hundred(found.median_ratio)
    open_ = "" if found.below.low > 0.5 or found.below.high < 0.5 else ", which does not settle whether most fall"
    p = signed_rank_words(found.wilcoxon_p)
    return [
        f"QuBD, the sum over {planes} bit planes, fell in {found.n_below} of {numbers.models(found.n_compared)} "
        f"({share}){open_}; the median is {numbers.near_hundred(median.estimate)} of the initial "
        f"weights{_interval(median)}{p}. {found.n_significant} changed by more than their own seeds vary."
    ]


def signed_rank_words(p_value: float) -> str:
    """Return the signed rank test as the end of a clause; empty where it is undefined."""
    if math.isnan(p_value):
        return ""
    verb = "is rejected" if p_value <= SIGNIFICANCE else "is not rejected"
    return f"; that models do not change {verb} (signed rank, {numbers.p_value(p_value)})"


def _about_saturation(table: pd.DataFrame) -> list[str]:
    known = table.loc[table["saturation"].notna()]
    full = int(known["saturated"].sum())
    if not full:
        return []
    return [
        f"In {full} of {numbers.models(len(known))} half of the weights or more lie in tensors so large that random "
        "bits show every block: there, planes hardly leave 100 %, and a ratio near it says little."
    ]


def _interval(percent: Interval) -> str:
    if math.isnan(percent.low):
        return ""
    low, high = numbers.near_hundred(percent.low), numbers.near_hundred(percent.high)
    return f" (95{numbers.GLUE}% interval {low} to {high})"


def _times_hundred(interval: Interval) -> Interval:
    return Interval(100 * interval.estimate, 100 * interval.low, 100 * interval.high, interval.level)


def _rules(measurements: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return what was recorded about the rules: presets, and where they depart from the publication."""
    rows = measurements.loc[(measurements["metric"] == "qubd") & (measurements["status"] == "ok")]
    if "preset" not in rows:
        return ()
    presets = [str(name) for name in rows["preset"].dropna().unique()]
    departures = rows[["preset", "departures"]].dropna().drop_duplicates()
    several = len(presets) > 1
    return (
        ("rules", ", ".join(presets) or "none by name"),
        *(
            (f"departures of {preset}" if several else "departures from the publication", text)
            for preset, text in departures.itertuples(index=False, name=None)
        ),
    )


def _table(ratios: pd.DataFrame) -> SortableTable:
    """Return a row per model and reference, with the sum and every plane in percent."""
    planes = sorted((int(plane) for plane in ratios["plane"].dropna().unique()), reverse=True)
    keys = ["model", "family", "parameters", "reference"]
    wide = ratios.assign(column=ratios["plane"].map(lambda plane: "sum" if np.isnan(plane) else f"{plane:.0f}"))
    wide = wide.pivot_table(index=keys, columns="column", values="percent", sort=False, dropna=True).reset_index()
    sums = ratios.loc[ratios["plane"].isna(), ["model", "reference", "n", "sd"]]
    wide = wide.merge(sums, on=["model", "reference"], how="left")
    wide = wide.sort_values(["reference", "sum", "model"], key=_reference_order, ignore_index=True)
    columns = (
        Column("model", "model", "id in the zoo"),
        Column("family", "family", "family of architectures"),
        Column("parameters", "parameters", "trainable parameters", numbers.count),
        Column("reference", "in percent of", "; ".join(f"{name}: {text}" for name, text in REFERENCES.items())),
        Column("sum", "sum", "QuBD, the sum over planes, in percent of the reference", numbers.near_hundred),
        Column("sd", "± sd", "spread of that over seeds, percentage points; unknown for one seed", of_hundred),
        *(Column(str(p), f"plane {p}", _plane_meaning(p, planes), numbers.near_hundred) for p in planes),
    )
    rows = rows_of(wide.to_dict("records"), columns, ("family", "reference"))
    return SortableTable(
        name="plane-table",
        label="Bit planes of every model",
        about="QuBD of trained weights in percent of a reference; below 100 is simpler.",
        columns=columns,
        rows=rows,
        sorted_by="sum",
        choices=(*choice("family", "Family", rows), *choice("reference", "In percent of", rows, "initial")),
        csv=csv_uri(ratios),
        csv_name="plane_ratios",
    )


def _reference_order(values: "pd.Series[float]") -> "pd.Series[float]":
    order = {name: float(place) for place, name in enumerate(REFERENCES)}
    return values.map(order) if values.name == "reference" else values


def _plane_meaning(plane: int, planes: Sequence[int]) -> str:
    where = {planes[0]: ", the most significant", planes[-1]: ", the least significant"}.get(plane, "")
    return f"plane {plane}{where}, in percent of the reference"
