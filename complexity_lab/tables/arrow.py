"""Rows to Arrow and Parquet and back: types and meanings come from the row types, values from nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.tables.columns import STUDY
from complexity_lab.tables.rows import ROWS, Row

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "list<int32>": pa.list_(pa.int32()),
    "list<int64>": pa.list_(pa.int64()),
    "list<float64>": pa.list_(pa.float64()),
}


def row_type(table: str) -> type[Row]:
    """Return the row type of a table.

    Raises:
        UnknownNameError: there is no such table; the message suggests the nearest.
    """
    known = {row.TABLE: row for row in ROWS}
    if table not in known:
        hint = nearest_names(table, tuple(known)) or f"; there are {', '.join(known)}"
        raise UnknownNameError(f"no table is called {table!r}{hint}")
    return known[table]


def schema(row: type[Row]) -> pa.Schema:
    """Return the Arrow schema of a row type; each field carries its meaning as ``description``."""
    return pa.schema(
        pa.field(each.name, _KINDS[each.metadata["kind"]], metadata={"description": each.metadata["description"]})
        for each in fields(row)
    )


def to_arrow(
    row: type[Row], rows: Sequence[Row], *, study: str = "", metadata: Mapping[str, str] | None = None
) -> pa.Table:
    """Return rows of one type as an Arrow table with this metadata; all are of one study."""
    columns = {name: [getattr(each, name) for each in rows] for name in schema(row).names}
    columns[STUDY] = [study] * len(rows)
    return pa.table(columns, schema=schema(row).with_metadata(dict(metadata or {})))


def to_parquet(table: pa.Table) -> bytes:
    """Return the bytes of a Parquet file; pages carry checksums."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def to_frame(row: type[Row], tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Return tables of one row type as one data frame, sorted so that it does not depend on the order of work.

    Whole numbers stay whole where some are missing (``Int64``), and text is ``object``; sorting keeps the order of
    tensors within a model.
    """
    import pandas as pd

    wanted = schema(row)
    whole = pa.concat_tables(
        [wanted.empty_table(), *(each if each.schema.equals(wanted) else each.cast(wanted) for each in tables)]
    )
    frame: pd.DataFrame = whole.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.sort_values(list(row.SORTED_BY), kind="stable", ignore_index=True)
