"""A study of rounding: what was lost with how many bits, and how suggestions by planes compare with other ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.section import KeyNumber, Section, Sections
from complexity_lab.report.table import Column, SortableTable, Value, hundredths, one_decimal, signed, sortable, whole
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.intervals import signed_rank_p
from complexity_lab.statistics.rounding import NETWORK, TOLERANCE
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.tables import columns as c

SHOWN_BITS: Final = (1, 2, 3, 4, 5)  # of uniform rounding
REFERENCES: Final = {
    "shuffle": "shuffled self",
    "initial": "own initial weights",
    "random": "random initializations",
}
_OTHERS: Final = {
    "flat": "flat: planes ignored",
    "by_error": "by error: as many bits, spent by rounding error",
    "bare": "bare: chance ignored",
}
_LOSSES: Final = "percentage points of test accuracy lost, mean over seeds"
_NETWORK: Final = Column("network", c.ARCHITECTURE, "architecture")
_REFERENCE: Final = Column(
    "reference",
    lambda row: REFERENCES.get(row[c.REFERENCE], row[c.REFERENCE]),
    "what planes are held against",
    filtered=True,
)
_MARGIN: Final = Column("margin", c.MARGIN, "planes kept below the structure", whole)
_COMPARISON_COLUMNS: Final = (
    _REFERENCE,
    _MARGIN,
    Column("other way", lambda row: _OTHERS.get(row[d.OTHER], row[d.OTHER]), "of spending bits", filtered=True),
    Column("networks", d.N, "compared", whole),
    Column("mean difference of losses", d.MEAN, "suggestion − other, percentage points of test accuracy", hundredths),
    Column("median", "median", "of these differences", hundredths),
    Column("suggestion loses less in", "less", "networks"),
    Column(
        "signed rank p", d.P_VALUE, "of the differences, over networks; not corrected for several tests", numbers.power
    ),
    Column("mean difference of bits", c.MEAN_BITS, "suggestion − other, bits per weight", hundredths),
)
_PREDICTION_COLUMNS: Final = (
    Column("reference", lambda row: REFERENCES.get(row.reference, row.reference), "what planes are held against"),
    Column("networks", lambda row: row.plain.n, "ranked", whole),
    Column(
        "ρ of suggested and needed bits",
        lambda row: row.plain.rho.estimate,
        "Spearman's rank correlation over networks with its 95 % bootstrap interval",
        hundredths,
        low=lambda row: row.plain.rho.low,
        high=lambda row: row.plain.rho.high,
    ),
    Column("p", lambda row: row.plain.p_value, "of permutations", numbers.power),
    Column("ρ with parameters held fixed", lambda row: row.given_size.rho.estimate, "partial", hundredths),
    Column("undefined because", lambda row: row.given_size.reason, "why there is no partial ρ"),
    Column("ρ of parameters and needed bits", lambda row: row.by_size.rho.estimate, "without planes", hundredths),
)
_RANK_COLUMNS: Final = (
    Column("known beforehand", lambda row: row.predictor, "of a layer", filtered=True),
    Column("bits", lambda row: row.bits, "that this layer alone was rounded to", whole),
    Column(
        "ρ with the rise of the loss",
        lambda row: row.rho.estimate,
        "over the layers of a network, median over networks with its 95 % bootstrap interval",
        hundredths,
        low=lambda row: row.rho.low,
        high=lambda row: row.rho.high,
    ),
    Column("networks", lambda row: row.models, "where it is defined", whole),
)
_BROKEN_COLUMNS: Final = (
    _MARGIN,
    Column("network", c.MODEL, "architecture and seed", filtered=True),
    Column("tensor", c.TENSOR, "name"),
    Column("shape", c.SHAPE, "of the tensor"),
    Column("bits", c.BITS, "suggested, and tried with this tensor alone", whole),
    Column("lost", d.LOST, "percentage points of validation accuracy", hundredths),
)


def sections(results: RoundingResults) -> list[Section]:
    """Return the tables; none before a network has been rounded."""
    if not results.architectures:
        return []
    main = results.references[0]
    margin = results.margins[main]
    tables = (
        _every_network(results, main, margin),
        sortable(
            _comparisons(results),
            _COMPARISON_COLUMNS,
            name="comparisons",
            about="Suggestions less other ways of spending bits.",
        ),
        sortable(
            results.rank_predictions(margin),
            _PREDICTION_COLUMNS,
            name="predictions",
            about=f"Do suggestions rank networks as their needs do? Margin {margin}.",
            csv=results.predictions,
        ),
        sortable(
            results.layer_ranks(main),
            _RANK_COLUMNS,
            name="layer_ranks",
            about=f"Layers rounded one at a time; planes held against: {REFERENCES.get(main, main)}.",
        ),
        _broken(results, main),
    )
    return [
        Section(
            name="rounding-tables",
            title="Every network",
            group="rounding",
            note=_images(results),
            tables=tables,
            key_numbers=_key_numbers(results, main, margin),
            terms=("qubd", "shuffled", "suggestion", "need"),
        )
    ]


def _suggested(results: RoundingResults, reference: str, margin: int) -> pd.DataFrame:
    means = results.means_over_seeds
    chosen = (means[c.METHOD] == "suggested") & (means[c.REFERENCE] == reference) & (means[c.MARGIN] == margin)
    return means.loc[chosen]


def _key_numbers(results: RoundingResults, reference: str, margin: int) -> tuple[KeyNumber, ...]:
    rows = _suggested(results, reference, margin)
    kept = int((rows[d.TEST_LOST] <= TOLERANCE + 1e-9).sum())
    return (
        KeyNumber("networks rounded", str(results.losses[c.MODEL].nunique())),
        KeyNumber(f"margin by validation, {REFERENCES.get(reference, reference)}", str(margin)),
        KeyNumber("bits per weight there, mean", hundredths(rows[c.MEAN_BITS].mean())),
        KeyNumber("lose at most a point of test accuracy", str(kept), f"of {len(rows)}"),
        KeyNumber("mean loss, points", hundredths(rows[d.TEST_LOST].mean())),
    )


def _images(results: RoundingResults) -> str:
    first = results.losses.iloc[0]
    test, validation = int(first[c.TEST_IMAGES]), int(first[c.VALIDATION_IMAGES])
    return (
        f"{test:,} test and {validation:,} validation images: one image is {100 / test:.2f} and {100 / validation:.2f} "
        "percentage points."
    )


def _every_network(results: RoundingResults, reference: str, margin: int) -> SortableTable:
    means = results.means_over_seeds
    needs = results.needs.groupby(c.ARCHITECTURE)[d.NEED].mean()
    rows = []
    for network in results.architectures:
        own = means.loc[means[c.ARCHITECTURE] == network]
        exact = own.loc[own[c.METHOD] == "float"].iloc[0]
        uniform = own.loc[own[c.METHOD] == "uniform"].set_index(c.BITS)[d.TEST_LOST]
        there = own.loc[(own[c.REFERENCE] == reference) & (own[c.MARGIN] == margin)].set_index(c.METHOD)
        rows.append(
            {
                **{name: exact[name] for name in (*NETWORK, d.SEEDS, c.TEST_ACCURACY)},
                **{d.NEED: needs[network], c.BITS: uniform.to_dict()},
                **{name: there[name].to_dict() for name in (c.MEAN_BITS, d.TEST_LOST)},
            }
        )
    methods = (("suggested", "suggested"), ("flat", "flat"), ("by_error", "by error"))
    columns = (
        _NETWORK,
        Column("family", c.FAMILY, "of architectures", filtered=True),
        Column("weights", c.PARAMETERS, "trainable parameters", numbers.count),
        Column("seeds", d.SEEDS, "trained networks", whole),
        Column("float (%)", c.TEST_ACCURACY, "test accuracy before rounding, mean over seeds", signed),
        *(
            Column(f"{bits} bit", _at(c.BITS, bits), f"the same bits for all tensors: {_LOSSES}", signed)
            for bits in SHOWN_BITS
        ),
        Column("needs", d.NEED, "fewest bits for all from which on at most a point is lost", signed),
        *(
            column
            for method, label in methods
            for column in (
                Column(f"{label}, bits", _at(c.MEAN_BITS, method), "mean bits per weight", hundredths),
                Column(f"{label}, lost", _at(d.TEST_LOST, method), _LOSSES, hundredths),
            )
        ),
    )
    about = (
        "Percentage points of test accuracy lost by rounding; suggestions with margin "
        f"{margin}, planes held against: {REFERENCES.get(reference, reference)}."
    )
    return sortable(rows, columns, name="networks", about=about, csv=means)


def _at(column: str, key: object) -> Value:
    return lambda row: row[column].get(key)


def _comparisons(results: RoundingResults) -> Iterator[dict[str, object]]:
    for (reference, margin, other), rows in results.comparisons.groupby([c.REFERENCE, c.MARGIN, d.OTHER], sort=False):
        lost = rows[d.TEST_LOST].to_numpy(float)
        lost = np.where(np.abs(lost) < 1e-9, 0.0, lost)  # of two means over seeds
        yield {
            **{c.REFERENCE: reference, c.MARGIN: margin, d.OTHER: other, d.N: len(rows)},
            **{d.MEAN: lost.mean(), "median": float(np.median(lost)), c.MEAN_BITS: rows[c.MEAN_BITS].mean()},
            "less": f"{int((lost < 0).sum())} of {len(rows)}",
            d.P_VALUE: signed_rank_p(np.exp(lost)),  # which takes logs
        }


def _broken(results: RoundingResults, reference: str) -> SortableTable:
    """Return the layers that cost more than TOLERANCE when rounded alone as suggested, and of how many."""
    margins = sorted(int(margin) for margin in results.predictions[c.MARGIN].unique())
    counts = {margin: results.share_that_break(reference, margin) for margin in margins}
    found = [results.layers_that_break(reference, margin).assign(**{c.MARGIN: margin}) for margin in margins]
    parts = "; ".join(
        f"margin {margin}: {broken} of {tried} ({one_decimal(broken / tried) if tried else numbers.DASH})"
        for margin, (broken, tried) in counts.items()
    )
    return sortable(
        pd.concat(found) if found else [],
        _BROKEN_COLUMNS,
        name="layers_that_break",
        about=(
            "Layers rounded one at a time to what their planes suggest that cost more than "
            f"{TOLERANCE:g} percentage point of validation accuracy: {parts}."
        ),
    )


SECTIONS = Sections(kinds=("rounding",), build=sections, rank=10)
