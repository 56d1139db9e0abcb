"""What every study has: tasks that failed, numbers that could not be made, and the records of its tasks."""

from __future__ import annotations

from collections.abc import Iterator

from complexity_lab.figures.labels import metric_label, null_label
from complexity_lab.report.provenance import words
from complexity_lab.report.table import Column, Record, SortableTable, sortable, whole
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.layers import skipped_tensors
from complexity_lab.statistics.results import Results
from complexity_lab.tables import columns as c

_TASK = "model, run or network"
_FAILURES = (
    Column("task", c.MODEL, _TASK),
    Column("status", c.STATUS, "failed or skipped", filtered=True),
    Column("error", c.ERROR_TYPE, "its type", filtered=True),
    Column("reason", c.ERROR, "what went wrong"),
)
_TENSORS = (
    Column("kind", c.KIND, "of the tensor", filtered=True),
    Column("tensors", c.TENSORS, "how many, each once whatever the number of states, seeds, steps and metrics", whole),
    Column("models", d.MODELS, "in how many models or runs", whole),
    Column("reason", c.REASON, "n stands for numbers in which reasons differ"),
    Column("for example", d.EXAMPLE, "name of one of them"),
)


def _metric(row: Record) -> str:
    return metric_label(row[c.METRIC])


def _null(row: Record) -> str | None:
    return null_label(row[c.NULL]) if isinstance(row[c.NULL], str) else None


_NUMBERS = (
    Column("metric", _metric, "what should have been measured"),
    Column("null model", _null, "if it is of one"),
    Column("reason", c.REASON, "why there is no number"),
    Column("models", d.MODELS, "in how many models or runs", whole),
)


def failures(results: Results) -> Iterator[SortableTable]:
    """Return what has no number, and why: tasks, tensors, and numbers of whole models."""
    if len(results.failures):
        about = "Tasks that did not end well; they are in no number of this page."
        yield sortable(results.failures, _FAILURES, name="failed_tasks", about=about, csv=results.failures)
    rows = results.measurements
    rows = rows.loc[rows[c.STATUS] != "ok"]
    if (rows[c.SCOPE] == "tensor").any():
        about = "Tensors without a number of their own; some are part of the number of their model."
        yield sortable(skipped_tensors(rows), _TENSORS, name="tensors_not_scored", about=about)
    whole_models = rows.loc[rows[c.SCOPE] == "model"]
    if len(whole_models):
        counts = whole_models.groupby([c.METRIC, c.NULL, c.REASON], dropna=False, sort=False)[c.MODEL].nunique()
        about = "Numbers of whole models that could not be made."
        yield sortable(counts.rename(d.MODELS).reset_index(), _NUMBERS, name="numbers_not_made", about=about)


def records_table(results: Results) -> SortableTable:
    """Return the record of every task as it is stored."""
    known = [str(name) for name in results.records.columns if results.records[name].notna().any() and name != c.STUDY]
    numeric = {name for name in known if results.records[name].dtype.kind in "iuf"}
    columns = [
        Column(words(name), name, "as stored", (lambda value: f"{value:g}") if name in numeric else None)
        for name in known
    ]
    return sortable(results.records, columns, name="records", about="Every task.", csv=results.records)
