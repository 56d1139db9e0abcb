"""Null models in a report: what a drop consists of, how far weights are below their nulls, and what can be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.names import metric_name
from complexity_lab.report.plates import csv_uri
from complexity_lab.report.sortable import Column, SortableTable, choice, rows_of, signed
from complexity_lab.statistics import SurveyTables, decompose, resolution_table
from complexity_lab.statistics.decomposition import THREE
from complexity_lab.statistics.rows import NULL_METRIC, NULLS
from complexity_lab.statistics.saturation import is_plane_metric

METRICS: Final = ("bdm", "bdm_2d", "qubd")
"""Metrics in the table; single planes are in the CSV of it."""

FAR: Final = 2.0  # standard deviations
MUCH: Final = 0.01  # fraction of the null's mean
PARTS: Final = {
    "sign_bias": "sign bias",
    "location_scale": "location and scale",
    "distribution": "value distribution",
    "arrangement": "arrangement",
}
NULL_WORDS: Final = {
    "iid": "independent bits with the trained share of ones (exact)",
    "shuffle": "values permuted within each tensor",
    "shuffle_channel": "values permuted within each output channel",
    "shuffle_row": "values permuted within each line along the last axis",
    "gaussian": "normal values with each tensor's mean and sd",
    "permutation": "neurons in another order, the function kept",
}
_COLUMNS: Final[tuple[Column, ...]] = (
    Column("model", "model", "id in the zoo"),
    Column("metric_name", "metric", "what was measured"),
    Column("ratio", "ratio", "trained over initial; below 1 is simpler", numbers.ratio),
    Column("drop_share", "drop", "1 − ratio; the parts to the right add up to it", numbers.percent),
    Column(
        "sign_bias_part",
        "sign bias",
        "initial − independent bits with the trained share of ones, over initial",
        numbers.percent,
    ),
    Column(
        "location_scale_part",
        "location, scale",
        "initial − normal values with each trained tensor's mean and sd, over initial",
        numbers.percent,
    ),
    Column(
        "distribution_part",
        "value distribution",
        "that null − shuffled trained weights, over initial; without shuffles part of arrangement",
        numbers.percent,
    ),
    Column("arrangement_part", "arrangement", "shuffled − trained weights, over initial", numbers.percent),
    Column("below_shuffle", "below shuffles", "1 − trained / mean of its shuffles", numbers.percent),
    Column("z_shuffle", "z of shuffles", "(trained − mean of its shuffles) / their sd", signed),
    Column("z_null", "z of first null", "(trained − independent bits, or normal values) / their sd", signed),
    Column(
        "limit",
        "resolution",
        "smallest change of the ratio that counts: 3 sd of the null at this size, of seeds, or of reordered neurons, "
        "whichever is largest",
        numbers.percent,
    ),
    Column("limited_by", "set by", "which of the three that is"),
    Column("verdict", "resolved", "whether the change is above the resolution"),
)


@dataclass(frozen=True, kw_only=True)
class ControlSection:
    """Everything that a report says about null models."""

    findings: tuple[str, ...]
    nulls: tuple[tuple[str, str], ...]  # null models that were drawn, and what each keeps
    missing: tuple[str, ...]  # reasons why some could not be
    table: SortableTable


def control_section(tables: SurveyTables) -> ControlSection | None:
    """Return the section on null models; None if no model was compared with one."""
    ratios = tables.ratios.loc[tables.ratios["ratio"].notna()]
    parts = decompose(ratios)
    chosen = [metric for metric in METRICS if (parts["metric"] == metric).any()]
    if not chosen:
        return None
    resolution = resolution_table(ratios)
    table = _joined(parts, resolution)
    findings = [
        sentence
        for metric in chosen
        for sentence in (
            *about_shuffles(parts.loc[parts["metric"] == metric], metric),
            *about_parts(parts.loc[parts["metric"] == metric], metric),
            *about_resolution(resolution.loc[resolution["metric"] == metric], metric),
        )
    ]
    return ControlSection(
        findings=tuple(findings),
        nulls=tuple((null, NULL_WORDS[null]) for null in NULLS if _has(ratios, null)),
        missing=_missing(tables.measurements),
        table=_table(table, chosen),
    )


def about_shuffles(parts: pd.DataFrame, metric: str) -> list[str]:
    """Return how many models are below their shuffles by FAR standard deviations, and by MUCH."""
    known = parts.loc[parts["z_shuffle"].notna()]
    if known.empty:
        return []
    far = known["z_shuffle"] < -FAR
    much = far & (known["trained_mean"] < (1 - MUCH) * known["shuffle_mean"])
    name, whole = metric_name(metric), numbers.models(len(known))
    percent = f"{100 * MUCH:.0f}{numbers.GLUE}%"
    if len(known) == 1:
        z = signed(abs(float(known["z_shuffle"].iloc[0])))
        side = "below" if known["z_shuffle"].iloc[0] < 0 else "above"
        size = "more" if much.any() else "less"
        return [
            f"{name}: the one model is {z} standard deviations {side} shuffles of its own values, "
            f"{size} than {percent}."
        ]
    chance = "About one in forty models would be so far below by chance."
    return [
        f"{name}: {int(far.sum())} of {whole} {'is' if far.sum() == 1 else 'are'} below shuffles of their own values "
        f"by more than two standard deviations of these, {int(much.sum())} of them also by more than {percent}. "
        f"{chance if 0 < far.sum() <= 0.1 * len(known) + 1 else ''}".strip()
    ]


def about_parts(parts: pd.DataFrame, metric: str) -> list[str]:
    """Return what the drop consists of in the median of the models that dropped."""
    three = parts.loc[(parts["parts"] == THREE) & parts["arrangement_share"].notna()]
    if three.empty:
        return []
    first = "location_scale" if three["sign_bias"].isna().all() else "sign_bias"
    shares = {part: float(three[f"{part}_share"].median()) for part in (first, "distribution", "arrangement")}
    words = [f"{PARTS[part]} {numbers.percent(share)}" for part, share in shares.items()]
    drop = float((three["drop"] / three["initial_mean"]).median())
    if len(three) == 1:
        return [
            f"{metric_name(metric)}: the drop of {numbers.percent(drop)} is {', '.join(words[:-1])} and {words[-1]}."
        ]
    return [
        f"{metric_name(metric)}: {numbers.models(len(three))} dropped, by {numbers.percent(drop)} in the median; the "
        f"medians of the parts of the drop are {', '.join(words[:-1])} and {words[-1]}."
    ]


def about_resolution(table: pd.DataFrame, metric: str) -> list[str]:
    """Return how many changes are above what can be told at all."""
    known = table.loc[table["limit"].notna()]
    if known.empty:
        return []
    resolved, whole = int(known["resolved"].sum()), numbers.models(len(known))
    by = known["limited_by"].value_counts()
    words = {"null": "the null model at this size", "seeds": "seeds", "permutations": "reordered neurons"}
    limit = words[str(by.index[0])]
    most = f"in {int(by.iloc[0])} of them it is set by {limit}" if len(known) > 1 else f"it is set by {limit}"
    median = numbers.percent(float(known["limit"].median()))
    size = f"median {median}; " if len(known) > 1 else f"{median}; "
    return [
        f"{metric_name(metric)}: the change is above the resolution ({size}{most}) in {resolved} of {whole}, to "
        "either side."
    ]


def _has(ratios: pd.DataFrame, null: str) -> bool:
    return bool(ratios[f"{null}_mean"].notna().any())


def _joined(parts: pd.DataFrame, resolution: pd.DataFrame) -> pd.DataFrame:
    """Return a row per model and metric: the parts of its drop relative to the initial mean, and its resolution."""
    table = parts.merge(
        resolution[["model", "metric", "ratio", "limit", "limited_by", "resolved"]], on=["model", "metric"], how="left"
    )
    known = table["limit"].notna()
    return table.assign(
        metric_name=table["metric"].map(metric_name),
        drop_share=table["drop"] / table["initial_mean"],
        below_shuffle=1 - table["trained_mean"] / table["shuffle_mean"],
        verdict=table["resolved"].map({True: "yes", False: "no"}).where(known, "unknown"),
        limited_by=table["limited_by"].where(known, numbers.DASH),
        **{f"{part}_part": table[f"{part}_percent"] / 100 for part in PARTS},
    )


def _table(table: pd.DataFrame, metrics: Sequence[str]) -> SortableTable:
    chosen = table.loc[table["metric"].isin(metrics)]
    places = {metric: place for place, metric in enumerate(metrics)}
    chosen = chosen.assign(place=chosen["metric"].map(places))
    chosen = chosen.sort_values(["place", "ratio", "model"], kind="stable", ignore_index=True)
    columns = tuple(column for column in _COLUMNS if column.text is None or chosen[column.key].notna().any())
    rows = rows_of(chosen.to_dict("records"), columns, ("family", "metric_name"))
    return SortableTable(
        name="control-table",
        label="Null models of every model",
        about="Trained weights beside their null models; parts in percent of the initial value.",
        columns=columns,
        rows=rows,
        sorted_by="ratio",
        choices=(
            *choice("family", "Family", rows),
            *choice("metric-name", "Metric", rows, metric_name(metrics[0])),
        ),
        csv=csv_uri(table.drop(columns=["metric_name", "verdict", *(f"{part}_part" for part in PARTS)])),
        csv_name="null_models",
    )


def _missing(measurements: pd.DataFrame) -> tuple[str, ...]:
    """Return why null models are missing: one sentence per null and reason."""
    kept = (measurements["status"] != "ok") & (measurements["scope"] == "model")
    rows = measurements.loc[kept, ["model", "metric", "reason"]]
    rows = rows.join(rows["metric"].astype(str).str.extract(NULL_METRIC)).dropna(subset="null")
    found = []
    for (null, reason), group in rows.groupby(["null", "reason"], sort=False):
        bases = dict.fromkeys("bit planes" if is_plane_metric(base) else metric_name(base) for base in group["base"])
        models = numbers.models(group["model"].nunique())
        found.append(f"{NULL_WORDS[str(null)]}: {', '.join(bases)} of {models}, because {reason}")
    return tuple(found)
