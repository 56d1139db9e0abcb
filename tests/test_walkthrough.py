"""What the walkthrough names exists, and the row that it shows is the one that ships."""

import re
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
FOLDERS = {path.name for path in (ROOT / "complexity_lab").iterdir() if path.is_dir()}
SPANS = dict.fromkeys(re.findall(r"`(\w+(?:\.\w+)+)`", PAGE))
NAMES = [name for name in SPANS if name.split(".")[0] in FOLDERS and not name.endswith(".html")]


def found(name):
    """Return what a dotted name below the package stands for: a module as far as there are any, then attributes."""
    parts, thing = name.split("."), import_module("complexity_lab")
    for number, part in enumerate(parts):
        try:
            thing = import_module(".".join(["complexity_lab", *parts[: number + 1]]))
        except ModuleNotFoundError:
            thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name):
    assert found(name) is not None


def test_the_names_are_found_in_the_page():
    assert len(NAMES) > 30
    with pytest.raises(AttributeError):
        found("study.engine.run_survey")


def test_the_row_is_the_one_that_ships():
    table = PAGE.split("The row, without what is null:\n\n")[1].split("\n\n")[0].splitlines()
    head, row = ([cell.strip() for cell in line.strip("|").split("|")] for line in (table[0], table[2]))
    shown = dict(zip(head, row, strict=True))
    rows = pd.read_parquet(ROOT / "data" / "digits" / "measurements.parquet")
    for column in ("model", "state", "scope", "tensor", "metric"):
        rows = rows[rows[column] == shown[column]]
    rows = rows[(rows["seed"] == int(shown["seed"])) & rows["null"].isna()].dropna(axis="columns")
    assert rows.columns.tolist() == head
    assert {name: as_shown(value) for name, value in rows.iloc[0].items()} == shown


def as_shown(value):
    """Return a cell as the page has it: text as it is, whole numbers without a point, others with two digits."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
