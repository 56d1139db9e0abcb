"""MoMos trainings beside what the paper prints: its tables, where values differ, its orderings, and the recipes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.figures.momos import names
from complexity_lab.report.section import KeyNumber, Section, Sections
from complexity_lab.report.table import Column, Record, SortableTable, hundredths, sortable, whole
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.statistics.training import PAPER_RECIPE, same_when_printed, sd_of
from complexity_lab.tables import columns as c

DECIMALS: Final = {d.ACCURACY_PRINTED: 2, d.RAC_PRINTED: 1, d.BDM_RATIO_PRINTED: 2}
"""As the paper prints them."""


def method_label(row: Record) -> str:
    """Return ``baseline``, ``QAT, 8 bits`` or ``MoMos, s = 4, 1 %``, with QAT where both are used."""
    kind = row[c.METHOD_KIND]
    if kind == "baseline":
        return "baseline"
    if kind == "qat":
        return f"QAT, {int(row[c.BITS])} bits"
    if kind == "momos" and pd.notna(row[c.S]) and math.isfinite(row[c.CAPACITY]):
        return f"MoMos, {names.mosaic_label(row[c.S], row[c.CAPACITY])}"
    return str(row[c.METHOD])


def network_label(row: Record) -> str:
    """Return the name of a network as the paper writes it."""
    return names.network_label(str(row[c.ARCHITECTURE]))


def three_decimals(value: float) -> str:
    """Return a number with three decimals."""
    return f"{value:.3f}"


def one_place(value: float) -> str:
    """Return a number with one decimal."""
    return f"{value:.1f}"


def general(value: float) -> str:
    """Return a number in its shortest form."""
    return f"{value:g}"


_NETWORK: Final = Column("network", network_label, "as the paper names it", filtered=True)
TABLE_COLUMNS: Final = (
    _NETWORK,
    Column("method", method_label, "s: values in a block; percent: capacity"),
    Column(
        "accuracy (%)",
        d.ACCURACY,
        "test accuracy of the last weights, mean ± sd over seeds",
        hundredths,
        sd=d.ACCURACY_SD,
    ),
    Column("printed accuracy", d.ACCURACY_PRINTED, "on CIFAR-10", hundredths, sd=d.ACCURACY_SD_PRINTED),
    Column("RAC", c.RAC, "relative algorithmic compression", hundredths),
    Column("printed RAC", d.RAC_PRINTED, "in the paper", one_place),
    Column(
        "BDM ratio", d.BDM_RATIO, "sign bits, last over first step, mean ± sd", three_decimals, sd=sd_of(d.BDM_RATIO)
    ),
    Column("printed BDM ratio", d.BDM_RATIO_PRINTED, "in the paper", hundredths),
    Column("runs", d.SEEDS, "seeds that ended well", whole),
    Column("failed", lambda row: row[d.FAILED] or None, "seeds that failed", whole),
)
_DISCREPANCY_COLUMNS: Final = (
    _NETWORK,
    Column("method", method_label, "s: values in a block; percent: capacity"),
    Column("number", "number", "what is compared", filtered=True),
    Column("ours", "ours", "mean over seeds", hundredths),
    Column("printed", "printed", "in the paper, on CIFAR-10", hundredths),
    Column("difference", d.DIFFERENCE, "ours − printed", hundredths),
    Column("rounds to the printed value", "same", "whether ours rounds to the printed value", filtered=True),
    Column("paper's formula", d.RAC_FORMULA, "RAC by the paper's formula at the paper's parameter count", hundredths),
    Column("formula rounds to printed", "follows", "whether the printed value follows from it", filtered=True),
)
_ORDERING_COLUMNS: Final = (
    _NETWORK,
    Column("ordered by", d.ORDERING, "what the first method has more of", filtered=True),
    Column("s", c.S, "values in a block", whole),
    Column("first", "first_label", "method that the paper has higher"),
    Column("second", "second_label", "method that the paper has lower"),
    Column(
        "difference", d.DIFFERENCE, "accuracy of first − second, percentage points", hundredths, sd=d.STANDARD_ERROR
    ),
    Column("seeds", d.N, "of the method that has fewer; ± is the standard error of the difference", whole),
    Column("guessing (%)", d.GUESSING, "accuracy of guessing", one_place),
    Column("first accuracy (%)", d.ACCURACY, "mean over seeds", hundredths),
)
_RECIPE_COLUMNS: Final = (
    _NETWORK,
    Column("of the recipe", "name", "value of all runs of the network"),
    Column("ours", "ours", "in this study", general),
    Column("paper's program", "paper", "its default", general),
)
_RECIPE_NAMES: Final = {
    c.EPOCHS_PLANNED: "epochs at most",
    c.BATCH_SIZE: "images in a batch",
    c.LEARNING_RATE: "learning rate",
    c.IMAGE_SIZE: "pixels per side",
}


def sections(results: TrainingResults) -> list[Section]:
    """Return the tables; none before a run has ended well."""
    if results.ok.empty:
        return []
    rows = results.with_published
    note = (
        "Printed values are of arXiv 2602.14896, on CIFAR-10; accuracies on other images cannot be compared with them. "
        "Images change RAC only through the sizes of the first and the last layer."
    )
    return [
        Section(
            name="trainings-tables",
            title="Beside the paper's table",
            group="trainings",
            note=note,
            tables=tuple(_tables(results, rows)),
            key_numbers=_key_numbers(results),
            terms=("bdm", "momos", "rac", "ratio_steps"),
        )
    ]


def _key_numbers(results: TrainingResults) -> tuple[KeyNumber, ...]:
    hours = float(results.ok[c.SECONDS].sum()) / 3600
    return (
        KeyNumber("runs that ended well", whole(len(results.ok)), f"of {len(results.records)}"),
        KeyNumber("networks", str(results.means_over_seeds[c.ARCHITECTURE].nunique())),
        KeyNumber("methods", str(results.means_over_seeds[c.METHOD].nunique())),
        KeyNumber("hours of training", numbers.significant(hours, 3)),
    )


def _tables(results: TrainingResults, rows: pd.DataFrame) -> Iterator[SortableTable]:
    yield sortable(
        rows, TABLE_COLUMNS, name="paper_table", about="Every method, ours beside the printed values.", csv=rows
    )
    discrepancies = list(_discrepancies(rows))
    if discrepancies:
        about = "Every number that the paper prints, and how far ours is from it."
        yield sortable(discrepancies, _DISCREPANCY_COLUMNS, name="discrepancies", about=about)
    if len(results.orderings):
        labels = {row[c.METHOD]: method_label(row) for row in rows.to_dict("records")}
        ends = {
            "first_label": results.orderings[d.FIRST].map(labels),
            "second_label": results.orderings[d.SECOND].map(labels),
        }
        about = "Accuracies that the paper orders: difference ± its standard error."
        yield sortable(
            results.orderings.assign(**ends), _ORDERING_COLUMNS, name="orderings", about=about, csv=results.orderings
        )
    recipes = list(_recipes(results.runs))
    if recipes:
        yield sortable(recipes, _RECIPE_COLUMNS, name="recipes", about="Recipes, ours beside the paper's program.")


def _discrepancies(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    compared = (
        ("accuracy", d.ACCURACY, d.ACCURACY_PRINTED),
        ("RAC", c.RAC, d.RAC_PRINTED),
        ("BDM ratio", d.BDM_RATIO, d.BDM_RATIO_PRINTED),
    )
    for row in rows.to_dict("records"):
        for name, ours, printed in compared:
            if not (math.isfinite(row[printed]) and math.isfinite(row[ours])):
                continue
            formula = row[d.RAC_FORMULA] if name == "RAC" else math.nan
            yield {
                **{name: row[name] for name in (c.ARCHITECTURE, c.METHOD, c.METHOD_KIND, c.BITS, c.S, c.CAPACITY)},
                **{"number": name, "ours": row[ours], "printed": row[printed], d.RAC_FORMULA: formula},
                d.DIFFERENCE: row[ours] - row[printed],
                "same": _yes(same_when_printed(row[ours], row[printed], DECIMALS[printed])),
                "follows": _yes(same_when_printed(formula, row[printed], 1)) if math.isfinite(formula) else None,
            }


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _recipes(runs: pd.DataFrame) -> Iterator[dict[str, object]]:
    for network in names.in_paper_order(runs[c.ARCHITECTURE]):
        own = runs.loc[runs[c.ARCHITECTURE] == network]
        for column, name in _RECIPE_NAMES.items():
            for ours in own[column].dropna().unique():
                paper = PAPER_RECIPE[column].get(network)
                yield {c.ARCHITECTURE: network, "name": name, "ours": float(ours), "paper": paper}


SECTIONS = Sections(kinds=("training",), build=sections, rank=10)
