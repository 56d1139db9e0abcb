"""The layers of the package: who may import whom, what stays light, who prints, who spells a column."""

import ast
import subprocess
import sys
from dataclasses import fields
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import complexity_lab
from complexity_lab.tables import columns
from complexity_lab.tables.rows import ROWS

ROOT = Path(complexity_lab.__file__).parent
EVERYWHERE = {"errors", "arrays", "cache", "files", "counted"}  # top-level modules that every folder may use
MAY_IMPORT = {
    "binary": set(),
    "weights": set(),
    "tables": set(),
    "estimators": {"binary"},
    "controls": {"binary", "estimators"},
    "training": {"tables"},
    "momos": {"weights", "binary", "training"},
    "zoo": {"weights", "training", "momos"},
    "quantization": {"weights", "binary", "estimators", "controls", "tables"},
    "measurement": {"weights", "binary", "estimators", "controls", "tables", "zoo"},
    "study": {"zoo", "weights", "estimators", "measurement", "training", "momos", "quantization", "tables"},
    "statistics": {"tables", "controls"},
    "figures": {"tables", "statistics"},
    "report": {"tables", "statistics", "figures"},
    "bench": {"binary", "controls", "estimators", "measurement", "momos", "study", "zoo"},
    "cli": {
        *("bench", "estimators", "figures", "measurement", "momos", "quantization", "report", "statistics", "study"),
        *("tables", "training", "weights", "zoo"),
    },
}
ONLY = {("zoo", "momos"): {"complexity_lab.momos.models"}}  # parts of a folder that another one may use
FILES = sorted(ROOT.rglob("*.py"))


def imported(path):
    """Names that a file uses of the package: imported at any depth, or as ``module:name`` that is imported later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("complexity_lab"):
            yield node.module
            if node.module == "complexity_lab":
                yield from (f"complexity_lab.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("complexity_lab"))


def named_later():
    """Modules that tables and constants name as ``complexity_lab.folder.module:attribute``, by their own folder."""
    for path in (*FILES, *ROOT.rglob("*.toml")):
        for word in path.read_text().replace("'", '"').split('"'):
            module, colon, attribute = word.partition(":")
            if colon and module.startswith("complexity_lab.") and attribute.isidentifier():
                yield folder_of(path), module


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else None


USES = {(folder_of(path), name) for path in FILES for name in imported(path)} | set(named_later())
USED = {
    (folder, name.split(".")[1], name)
    for folder, name in USES
    if folder and len(name.split(".")) > 1 and name.split(".")[1] != folder
}


def test_every_folder_is_in_the_table():
    assert {folder_of(path) for path in FILES} - {None} == set(MAY_IMPORT)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_it_may(folder):
    allowed = MAY_IMPORT[folder] | EVERYWHERE
    assert not [name for user, used, name in USED if user == folder and used not in allowed]


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_every_entry_of_the_table_is_used(folder):
    assert {used for user, used, _ in USED if user == folder} - EVERYWHERE == MAY_IMPORT[folder]


def test_the_table_has_no_cycle():
    assert list(TopologicalSorter(MAY_IMPORT).static_order())


@pytest.mark.parametrize(("pair", "allowed"), ONLY.items(), ids=str)
def test_some_folders_use_only_a_part_of_another(pair, allowed):
    assert {name for user, used, name in USED if (user, used) == pair} == allowed


def test_only_the_command_line_prints():
    printing = [
        str(path.relative_to(ROOT))
        for path in FILES
        if folder_of(path) != "cli"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not printing


def test_column_names_are_those_of_the_rows():
    named = {value for name, value in vars(columns).items() if name.isupper()}
    assert named == {field.name for row in ROWS for field in fields(row)}


STORED = {field.name for row in ROWS for field in fields(row)}
NO_FRAMES = {
    "Literal",
    "each.metadata",
    "manifest",
    "report",
    "notes",
    "lines",
    "stored",
    "found",
    "entry",
    "read_manifest(directory)",
    "METHODS",
    "lost",
    "of",
    "term",
}
OF_TABLES = {"loc", "sort_values", "groupby", "merge", "drop", "drop_duplicates", "set_index", "dropna", "isin"}


def listed(node):
    """The expression itself, or what a list, tuple or keyword holds; what is compared is a value and no column."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [each for element in node.elts for each in listed(element)]
    return listed(node.value) if isinstance(node, ast.keyword) else [node]


def spelled_columns(path):
    """Stored columns that a file spells: as the key of a frame, or to a method that takes columns."""
    for node in ast.walk(ast.parse(path.read_text())):
        inside = ()
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) not in NO_FRAMES:
            rows_first = ast.unparse(node.value).endswith(".loc") and isinstance(node.slice, ast.Tuple)
            inside = listed(node.slice)[1:] if rows_first else listed(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OF_TABLES:
            inside = (each for argument in (*node.args, *node.keywords) for each in listed(argument))
        for each in inside:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in STORED:
                yield f"{path.relative_to(ROOT)}:{each.lineno} {each.value!r}"


READERS_OF_TABLES = ("statistics", "figures", "report", "cli", "api")


@pytest.mark.parametrize("folder", READERS_OF_TABLES)
def test_no_column_is_spelled_outside_tables(folder):
    paths = [path for path in FILES if folder_of(path) == folder or path.stem == folder]
    assert not [found for path in paths for found in spelled_columns(path)]


def test_no_metric_name_is_glued_together():
    glued = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        and isinstance(node.values[0], ast.Constant)
        and str(node.values[0].value).startswith(("qubd_", "bdm_"))
    ]
    assert not glued


def test_files_are_short_and_named_after_something():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > 400}
    assert not [name for name in lengths if Path(name).stem in ("utils", "helpers", "common", "base", "misc")]


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import complexity_lab", "torch timm numpy pandas matplotlib scipy numba rich"),
        ("import complexity_lab.cli.app", "torch timm numpy pandas matplotlib scipy numba joblib pyarrow"),
        ("import complexity_lab.measurement.single", "torch timm matplotlib pandas numba joblib pyarrow sklearn"),
        ("import complexity_lab.zoo.catalogue, complexity_lab.zoo.selection", "torch timm pandas sklearn"),
        ("import complexity_lab.statistics.results, complexity_lab.estimators.estimator", "torch timm matplotlib"),
        ("import complexity_lab.figures.registry, complexity_lab.study.plan", "torch timm matplotlib seaborn"),
    ],
)
def test_imports_stay_light(code, heavy):
    check = f"import sys; {code}; print(*(name for name in {heavy.split()!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_the_readme_shows_this_table_and_every_folder():
    readme = (ROOT / "README.md").read_text()
    for folder, allowed in MAY_IMPORT.items():
        shown = ", ".join(sorted(allowed)) or "–"
        assert f"| {folder} | {shown} |" in readme, folder


def test_the_public_names_exist_and_are_documented():
    for name in complexity_lab.__all__:
        assert getattr(complexity_lab, name).__doc__, name
