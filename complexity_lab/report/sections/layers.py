"""Single tensors of a survey: one row each, those that changed most where there are too many."""

from __future__ import annotations

from typing import Final

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.section import Section, Sections
from complexity_lab.report.table import Column, of_hundred, one_decimal, sortable
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.layers import MATRICES
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

MOST_ROWS: Final = 2000
"""Rows in the page, half a kilobyte each; a hundred pretrained models have some fifteen thousand tensors."""

METRIC: Final = "bdm"
TOP_PLANE: Final = "top_plane_percent"
PERCENT_SD: Final = "percent_sd"
_KEYS: Final = [c.MODEL, c.TENSOR]
_FACTS: Final = [c.KIND, c.SHAPE, d.DEPTH, c.WEIGHTS]
_COLUMNS: Final = (
    Column("model", c.MODEL, "id in the zoo", filtered=True),
    Column("tensor", c.TENSOR, "name of the parameter"),
    Column("kind", c.KIND, "matrix or embedding; norms and biases start constant and have no ratio", filtered=True),
    Column("shape", c.SHAPE, "of the parameter"),
    Column("depth", d.DEPTH, "position among the model's compared tensors, 0 (first) to 100 % (last)", one_decimal),
    Column("weights", c.WEIGHTS, "values scored", numbers.count),
    Column("BDM ratio", d.RATIO, "BDM of trained over initial sign bits; below 1 is simpler", numbers.ratio),
    Column("± sd", d.RATIO_SD, "spread of the ratio over seeds", numbers.power),
    Column("QuBD", d.PERCENT, "sum over bit planes, trained in percent of initial weights", numbers.near_hundred),
    Column("top plane", TOP_PLANE, "the most significant plane, in percent of initial weights", numbers.near_hundred),
    Column("± sd of QuBD", PERCENT_SD, "spread over seeds, percentage points", of_hundred),
    Column(
        "of shuffled",
        d.SHUFFLED_PERCENT,
        "QuBD in percent of the same tensor with its values permuted: below 100 is arrangement",
        numbers.near_hundred,
    ),
)


def layer_rows(results: SurveyResults) -> pd.DataFrame:
    """Return a row per model and tensor that has a BDM or a QuBD ratio, in the order of models and depth."""
    bits = results.layers.loc[results.layers[c.METRIC] == METRIC, [*_KEYS, *_FACTS, d.RATIO, d.RATIO_SD]]
    planes = results.tensor_profiles
    planes = planes.loc[planes[c.KIND].isin(MATRICES)]
    top = planes.loc[planes[c.PLANE] == planes[c.PLANE].max(), [*_KEYS, d.PERCENT]]
    sums = planes.loc[planes[c.PLANE].isna(), [*_KEYS, *_FACTS, d.PERCENT, d.SD, d.SHUFFLED_PERCENT]]
    sums = sums.rename(columns={d.SD: PERCENT_SD}).merge(
        top.rename(columns={d.PERCENT: TOP_PLANE}), on=_KEYS, how="left"
    )
    table = bits.merge(sums, on=_KEYS, how="outer", suffixes=("", "_planes"), sort=False)
    facts = {name: table[name].where(table[name].notna(), table[f"{name}_planes"]) for name in _FACTS}
    table = table.assign(**facts).drop(columns=[f"{name}_planes" for name in _FACTS])
    known = table.loc[table[[d.RATIO, d.PERCENT]].notna().any(axis=1)]
    order = {model: place for place, model in enumerate(results.models[c.MODEL])}
    ranks = known.assign(**{c.MODEL: known[c.MODEL].map(order)}).sort_values([c.MODEL, d.DEPTH], kind="stable")
    return known.loc[ranks.index].reset_index(drop=True)


def sections(results: SurveyResults, most: int = MOST_ROWS) -> list[Section]:
    """Return the table of tensors, at most about ``most`` rows; none if no tensor was compared.

    Where there are more, each model keeps those that changed most, equally many per model.
    """
    table = layer_rows(results)
    if table.empty:
        return []
    kept = _capped(table, most)
    shown = sortable(
        kept,
        _COLUMNS,
        name="layers",
        about="Trained against initial weights, tensor by tensor.",
        sorted_by="QuBD" if table[d.RATIO].isna().all() else "BDM ratio",
        note=_left_out(table, kept),
        csv=table,
    )
    note = (
        "Tensors differ in size: small ones move more, and large ones are saturated. Compare like tensors of different "
        "models rather than the tensors of one."
    )
    return [Section(name="layers-numbers", title="Every layer", group="layers", note=note, tables=(shown,))]


def _capped(table: pd.DataFrame, most: int) -> pd.DataFrame:
    if len(table) <= most:
        return table
    change = pd.concat([(table[d.RATIO] - 1).abs(), (table[d.PERCENT] / 100 - 1).abs()], axis=1).max(axis=1)
    each = max(most // table[c.MODEL].nunique(), 1)
    rank = change.groupby(table[c.MODEL], sort=False).rank(method="first", ascending=False)
    return table.loc[rank <= each]


def _left_out(table: pd.DataFrame, kept: pd.DataFrame) -> str:
    if len(kept) == len(table):
        return ""
    each = int(kept.groupby(c.MODEL).size().max())
    return (
        f"{len(kept):,} of {len(table):,} tensors are listed: of each model at most the {each} that changed most. All "
        "are in the study's table of measurements (scope tensor)."
    )


SECTIONS = Sections(kinds=("survey",), build=sections, rank=40)
