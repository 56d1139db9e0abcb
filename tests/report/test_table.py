import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.table import LARGEST_CSV, Column, csv_uri, sortable, whole

ROWS = [
    {"name": name, "x": x, "kind": "odd" if len(name) % 2 else "even"}
    for name, x in (("a", 2.0), ("bb", None), ("c", 1.0))
]
COLUMNS = (
    Column("name", "name", "id"),
    Column("x", "x", "number", whole),
    Column("half", lambda row: row["x"] and row["x"] / 2, "x / 2", numbers.ratio),
    Column("kind", "kind", "odd or even", filtered=True),
    Column("nothing", lambda row: None, "unknown", whole),
    Column("empty", lambda row: "", "no words"),
)


def test_sorted_with_unknown_last_and_without_empty_columns():
    table = sortable(ROWS, COLUMNS, name="t", about="numbers", sorted_by="x")
    assert [row[0].text for row in table.rows] == ["c", "a", "bb"]
    assert [row[1].text for row in table.rows] == ["1", "2", numbers.DASH]
    assert [column.label for column in table.columns] == ["name", "x", "half", "kind"]
    assert table.sorted_by == 1


def test_filters_where_there_are_many_rows_and_several_options():
    few = sortable(ROWS, COLUMNS, name="t", about="")
    many = sortable(3 * ROWS, COLUMNS, name="t", about="", chosen={"kind": "even"})
    one = sortable([ROWS[0]] * 9, COLUMNS, name="t", about="")
    assert (few.filters, few.searched) == ((), False)
    assert [(each.options, each.chosen) for each in many.filters] == [(("odd", "even"), "even")]
    assert (one.filters, one.searched) == ((), True)


def test_spreads_and_intervals_are_written_behind_their_numbers():
    interval = Column("x", "x", "", numbers.ratio, low="low", high="high")
    spread = Column("y", "x", "", numbers.ratio, sd="low")
    rows = [{"x": 0.5, "low": 0.25, "high": 0.75}, {"x": 0.5, "low": None, "high": 0.75}]
    table = sortable(rows, (interval, spread), name="t", about="")
    texts = [[cell.text.replace(numbers.NBSP, " ") for cell in row] for row in table.rows]
    assert texts == [["0.500 (0.250 to 0.750)", "0.500 ± 0.250"], ["0.500", "0.500"]]


def test_large_tables_have_no_csv():
    assert csv_uri(pd.DataFrame({"a": [1]})) == "data:text/csv;base64,YQoxCg=="
    assert csv_uri(pd.DataFrame({"a": range(LARGEST_CSV)})) is None
