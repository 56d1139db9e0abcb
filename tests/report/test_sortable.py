from complexity_lab.figures import numbers
from complexity_lab.report.sortable import Cell, Column, choice, rows_of

COLUMNS = (Column("model", "model", "its name"), Column("ratio", "ratio", "trained over initial", numbers.ratio))
RECORDS = [
    {"model": "b", "ratio": 0.5, "null_model": "x"},
    {"model": "a", "ratio": float("nan"), "null_model": "y"},
    {"model": "c", "ratio": None, "null_model": "x"},
]


def test_cells_show_text_and_sort_by_numbers():
    rows = rows_of(RECORDS, COLUMNS, ("null_model",))
    assert rows[0].cells == (Cell("b", "b"), Cell("0.500", 0.5))
    assert [row.cells[1].key for row in rows[1:]] == [None, None]
    assert rows[1].cells[1].text == numbers.DASH
    assert rows[1].tags == {"null-model": "y"}


def test_a_filter_lists_what_there_is_once_and_only_if_there_is_a_choice():
    rows = rows_of(RECORDS, COLUMNS, ("null_model",))
    (found,) = choice("null-model", "Null", rows, "y")
    assert found.options == ("x", "y")
    assert found.chosen == "y"
    assert choice("null-model", "Null", rows, "z")[0].chosen == ""
    assert choice("null-model", "Null", rows[:1]) == ()
    assert choice("null-model", "Null", ()) == ()
