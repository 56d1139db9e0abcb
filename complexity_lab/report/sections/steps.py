"""Networks measured step by step: where complexity ends, when it fell, what it goes with, and a series step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.figures.labels import main_first, metric_label
from complexity_lab.report.section import KeyNumber, Section, Sections
from complexity_lab.report.table import (
    Column,
    Record,
    SortableTable,
    Value,
    hundredths,
    one_decimal,
    signed,
    sortable,
    whole,
)
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.learning import CONDITIONS, paired
from complexity_lab.statistics.step_results import StepResults
from complexity_lab.statistics.training import sd_of
from complexity_lab.tables import columns as c

MOST_METRICS: Final = 4  # in a table with a column or two for each
_LOSSES: Final = {
    c.TRAIN_LOSS: "training loss",
    c.TRAIN_ACCURACY: "training accuracy",
    c.VALIDATION_LOSS: "validation loss",
    c.VALIDATION_ACCURACY: "validation accuracy",
    c.TEST_ACCURACY_FINAL: "test accuracy",
}
_RATIOS: Final = (d.RATIO, d.RATIO_SHUFFLED)
_ORDER: Final = [c.PARAMETERS, c.EXAMPLES, c.LABELS, c.WEIGHT_DECAY]
FALLEN: Final = "fallen"
_ACCURACIES: Final = (c.TRAIN_ACCURACY, c.VALIDATION_ACCURACY, c.TEST_ACCURACY_FINAL)


def _metric(row: Record) -> str:
    return metric_label(row[c.METRIC])


def percent(ratio: float) -> str:
    """Return a ratio in percent.

    >>> percent(0.97).replace(numbers.NBSP, " ")
    '97.0 %'
    """
    return numbers.near_hundred(100 * ratio)


def _fallen(row: Record) -> str | None:
    return f"{row[FALLEN]:.0f} of {row[d.N]:.0f}" if pd.notna(row[FALLEN]) else None


_METRIC: Final = Column("metric", _metric, "what was measured", filtered=True)
_RUN: Final = (
    Column("run", c.NAME, "network and how it was trained"),
    Column("seed", c.SEED, "of weights and order of examples", whole),
)
_CONDITIONS: Final = (
    Column("network", c.ARCHITECTURE, "its type and sizes", filtered=True),
    Column("parameters", c.PARAMETERS, "trainable parameters", numbers.count),
    Column("examples", c.EXAMPLES, "training examples", whole),
    Column("labels", c.LABELS, "true, or random ones that can only be memorized", filtered=True),
    Column("weight decay", c.WEIGHT_DECAY, "of the optimizer", lambda value: f"{value:g}", filtered=False),
)
_GROUP_COLUMNS: Final = (
    *_CONDITIONS,
    _METRIC,
    Column("seeds", d.SEEDS, "runs that ended well", whole),
    *(Column(_LOSSES[name], name, "last weights, mean over seeds", one_decimal) for name in _ACCURACIES),
    Column("lowest validation loss at step", d.BEST, "median over seeds", whole),
    Column(
        "of the start",
        d.RATIO,
        "last weights, in percent of the reference step, mean ± sd over seeds",
        percent,
        sd=sd_of(d.RATIO),
    ),
    Column(
        "of shuffled self",
        d.RATIO_SHUFFLED,
        "last weights, in percent of the same weights shuffled, mean ± sd over seeds",
        percent,
        sd=sd_of(d.RATIO_SHUFFLED),
    ),
    Column("fell at step", d.FELL, "median over the seeds that fell", whole),
    Column("seeds that fell", _fallen, "how many of them"),
    Column(
        "ρ with validation loss",
        d.RHO,
        "over the steps, of the ratio to the shuffled self, or to the start without shuffles; 95 % bootstrap interval",
        hundredths,
        low=d.LOW,
        high=d.HIGH,
    ),
)
_EXTREME_COLUMNS: Final = (
    *_RUN,
    _METRIC,
    Column("last step", d.LAST_STEP, "the last with a number", whole),
    Column("of the start", d.LAST_RATIO, "there, in percent of the reference step", percent),
    Column("of shuffled self", d.LAST_RATIO_SHUFFLED, "there, in percent of the same weights shuffled", percent),
    Column("lowest at step", d.LOWEST_STEP, "of the ratio to the start", whole),
    Column("lowest", d.LOWEST_RATIO, "that ratio in percent", percent),
)
_LOSS_COLUMNS: Final = (
    *_RUN,
    Column("loss", lambda row: _LOSSES[row[d.COLUMN]], "training or validation", filtered=True),
    Column("smallest at step", c.STEP, "the first step where it is smallest", whole),
    Column("value", d.LOSS, "nats as a rule", lambda value: numbers.significant(value, 4)),
)
_PAIR_COLUMNS: Final = (
    Column("number", "number", "of the last weights; ratios in percentage points", filtered=True),
    Column("first", d.FIRST, "runs with"),
    Column("second", d.SECOND, "otherwise equal runs with"),
    Column("pairs", "pairs", "of runs that differ in nothing else", whole),
    Column("first lower in", "lower", "pairs"),
    Column("mean difference", d.DIFFERENCE, "first − second, percentage points", signed),
    Column("from", d.LOW, "smallest difference", signed),
    Column("to", d.HIGH, "largest difference", signed),
)


def sections(results: StepResults) -> list[Section]:
    """Return what there is: of a series its steps, of trainings their ends."""
    if results.ratios.empty:
        return []
    series = results.kind == "series"
    tables = [_steps(results)] if series else [_groups(results), *_pairs(results)]
    runs = results.ratios[c.MODEL].nunique()
    if len(results.extremes):
        about = "Where numbers of whole networks end, and where they were lowest."
        tables.append(_own(results.extremes, _EXTREME_COLUMNS, name="extremes", about=about))
    if len(results.smallest_losses):
        about = "Smallest losses."
        tables.append(_own(results.smallest_losses, _LOSS_COLUMNS, name="smallest_losses", about=about))
    shuffled = bool(results.ratios[d.RATIO_SHUFFLED].notna().any())
    terms = ["bdm", "ratio_steps", "saturation"]
    terms += ["qubd"] if results.ratios[c.PLANE].notna().any() else []
    terms += ["shuffled", "landmarks"] if shuffled else []
    return [
        Section(
            name="steps-numbers",
            title="Step by step" if series else "Every group of runs",
            group="steps",
            tables=tuple(tables),
            key_numbers=(*_key_numbers(results, runs),),
            terms=(*terms, *(() if series else ("rho_steps",))),
        )
    ]


def _own(table: pd.DataFrame, columns: tuple[Column, ...], *, name: str, about: str) -> SortableTable:
    return sortable(table, columns, name=name, about=about, chosen=_main(table), csv=table)


def _main(table: pd.DataFrame) -> dict[str, str]:
    """Return the filter that shows the main metric first, where there are many rows."""
    if c.METRIC not in table or table[c.METRIC].nunique() == len(table):
        return {}
    return {"metric": metric_label(main_first(table[c.METRIC])[0])}


def _key_numbers(results: StepResults, runs: int) -> Iterator[KeyNumber]:
    yield KeyNumber("runs measured" if runs != 1 else "run measured", str(runs))
    yield KeyNumber("steps measured, all runs", whole(len(results.ratios[[c.MODEL, c.STEP]].drop_duplicates())))
    last = results.last.loc[results.last[c.PLANE].isna()]
    for metric in main_first(results.metrics)[:2]:
        rows = last.loc[last[c.METRIC] == metric]
        for column, words in ((d.RATIO, "the start"), (d.RATIO_SHUFFLED, "shuffled self")):
            middle = float(rows[column].astype(float).median())
            if math.isfinite(middle):
                median = f", median of {len(rows)} runs" if len(rows) > 1 else ""
                yield KeyNumber(f"{metric_label(metric)} at the end, of {words}{median}", percent(middle))


def _groups(results: StepResults) -> SortableTable:
    """Return a row per group of runs that differ only in their seed, and metric."""
    last, keys = results.last.loc[results.last[c.PLANE].isna()], [c.GROUP, c.METRIC]
    ends = {column: (column, "mean") for column in _RATIOS} | {sd_of(column): (column, "std") for column in _RATIOS}
    about = {name: (name, "first") for name in CONDITIONS if name != c.GROUP}
    table = last.groupby(keys, sort=False).agg(**about, **{d.SEEDS: (c.MODEL, "size")}, **ends).reset_index()
    marks = results.landmarks.groupby(keys).agg(
        **{d.BEST: (d.BEST, "median"), d.FELL: (d.FELL, "median"), FALLEN: (d.FELL, "count"), d.N: (d.FELL, "size")}
    )
    accuracies = results.last_losses.groupby(c.GROUP)[list(_ACCURACIES)].mean()
    table = table.merge(marks.reset_index(), on=keys, how="left").merge(_ranks(results), on=keys, how="left")
    table = table.merge(accuracies.reset_index(), on=c.GROUP, how="left")
    order = {metric: rank for rank, metric in enumerate(main_first(table[c.METRIC]))}
    return sortable(
        table.assign(rank=table[c.METRIC].map(order)).sort_values(["rank", *_ORDER], kind="stable"),
        _GROUP_COLUMNS,
        name="groups",
        about="The last weights of every group of runs that differ in their seed only.",
        chosen=_main(table),
        csv=results.last,
    )


def _ranks(results: StepResults) -> pd.DataFrame:
    """Return rho with the validation loss by group and metric: of the ratio to the shuffled self where there is one."""
    found = results.rank_over_time
    found = found.loc[(found[d.LOSS] == c.VALIDATION_LOSS) & found[c.PLANE].isna()]
    ordered = found.sort_values(d.COLUMN, kind="stable")  # ratio before ratio_shuffled, which then stays
    keys = [c.GROUP, c.METRIC]
    return ordered.drop_duplicates(keys, keep="last")[[*keys, d.RHO, d.LOW, d.HIGH]]


def _pairs(results: StepResults) -> Iterator[SortableTable]:
    """Return what differs between runs that differ in labels, or in weight decay, and in nothing else."""
    last = results.last.loc[results.last[c.PLANE].isna()]
    decays = sorted(last[c.WEIGHT_DECAY].dropna().unique())
    labels = set(last[c.LABELS].dropna())
    rows: list[dict[str, object]] = []
    if len(decays) == 2:
        words = {value: f"weight decay {value:g}" for value in decays}
        rows += _differences(results, c.WEIGHT_DECAY, decays[1], decays[0], words)
    if labels == {"true", "random"}:
        rows += _differences(results, c.LABELS, "true", "random", {name: f"{name} labels" for name in labels})
    if rows:
        about = "Pairs of runs that differ in one thing only, at their last step."
        yield sortable(rows, _PAIR_COLUMNS, name="pairs", about=about)


def _differences(
    results: StepResults, by: str, first: float | str, second: float | str, words: dict[float | str, str]
) -> Iterator[dict[str, object]]:
    last = results.last.loc[results.last[c.PLANE].isna()]
    chosen = [
        (metric, column)
        for metric in main_first(results.metrics)[:MOST_METRICS]
        for column in (d.RATIO, d.RATIO_SHUFFLED)
    ]
    tables = {
        f"{metric_label(metric)}, of {'the start' if column == d.RATIO else 'shuffled self'}": (
            last.loc[last[c.METRIC] == metric],
            column,
        )
        for metric, column in chosen
    }
    tables["test accuracy"] = (results.last_losses, c.TEST_ACCURACY_FINAL)
    for number, (table, column) in tables.items():
        differences = 100 * paired(table, column, by, first, second)[d.DIFFERENCE].astype(float).dropna()  # type: ignore[arg-type]
        if len(differences):
            yield {
                **{"number": number, d.FIRST: words[first], d.SECOND: words[second], "pairs": len(differences)},
                "lower": f"{int((differences < 0).sum())} of {len(differences)}",
                **{d.DIFFERENCE: differences.mean(), d.LOW: differences.min(), d.HIGH: differences.max()},
            }


def _steps(results: StepResults) -> SortableTable:
    """Return a row per step with losses, and the ratios of a few metrics."""
    metrics = main_first(results.metrics)[:MOST_METRICS]
    sums = results.ratios.loc[results.ratios[c.PLANE].isna()]
    rows = []
    for row in results.steps.to_dict("records"):
        here = sums.loc[(sums[c.MODEL] == row[c.MODEL]) & (sums[c.STEP] == row[c.STEP])].set_index(c.METRIC)
        rows.append(row | {d.RATIO: here[d.RATIO].to_dict(), d.RATIO_SHUFFLED: here[d.RATIO_SHUFFLED].to_dict()})
    losses = [
        Column(
            words,
            name,
            "at this step",
            one_decimal if name in _ACCURACIES else lambda value: numbers.significant(value, 4),
        )
        for name, words in _LOSSES.items()
        if name in results.steps
    ]
    ratios = [
        Column(f"{metric_label(metric)}, {words}", _of(metric, column), f"in percent: {meaning}", percent)
        for metric in metrics
        for column, words, meaning in (
            (d.RATIO, "of the start", "of the reference step"),
            (d.RATIO_SHUFFLED, "of shuffled self", "of the same weights shuffled"),
        )
    ]
    return sortable(
        rows,
        [
            Column("step", c.STEP, "optimizer steps taken", whole),
            *losses,
            *ratios,
            Column("failed because", c.REASON, ""),
        ],
        name="steps",
        about="Every checkpoint.",
        sorted_by="step",
        csv=results.ratios,
    )


def _of(metric: str, column: str) -> Value:
    return lambda row: row[column].get(metric)


SECTIONS = Sections(kinds=("trajectory", "series"), build=sections, rank=10)
