"""The layers of the package: who may import whom, what stays light, and where printing is allowed."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import complexity_lab

ROOT = Path(complexity_lab.__file__).parent
EVERYWHERE = {"errors", "arrays", "cache", "files"}  # top-level modules that every folder may use
MAY_IMPORT = {
    "binary": set(),
    "weights": set(),
    "tables": set(),
    "estimators": {"binary"},
    "controls": {"binary"},
    "momos": {"weights", "binary"},
    "zoo": {"weights", "momos"},
    "trajectory": {"binary", "controls", "estimators", "tables", "weights", "zoo"},
    "experiments": {"binary", "estimators", "momos", "tables", "trajectory", "weights"},
    "quantization": {"binary", "estimators", "tables", "weights", "zoo"},
    "statistics": {"tables", "controls"},
    "survey": {"zoo", "weights", "binary", "estimators", "controls", "tables"},
    "figures": {"tables", "statistics"},
    "report": {"tables", "statistics", "figures"},
    "bench": {"binary", "controls", "estimators", "momos", "survey", "tables", "zoo"},
    "cli": {
        *("binary", "estimators", "survey", "tables", "statistics", "figures", "report", "zoo", "bench"),
        *("controls", "experiments", "momos", "quantization", "trajectory", "weights"),
    },
}
FILES = sorted(ROOT.rglob("*.py"))


def imported(path):
    """Names imported from the package by one file, at any depth of the code, as dotted paths."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("complexity_lab"):
            yield node.module
            if node.module == "complexity_lab":
                yield from (f"complexity_lab.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("complexity_lab"))


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else None


def test_every_folder_is_in_the_table():
    assert {folder_of(path) for path in FILES} - {None} == set(MAY_IMPORT)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_it_may(folder):
    allowed = MAY_IMPORT[folder] | EVERYWHERE | {folder}
    breaches = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        if folder_of(path) == folder
        for name in imported(path)
        if len(name.split(".")) > 1 and name.split(".")[1] not in allowed
    ]
    assert not breaches


def test_the_table_has_no_cycle():
    assert list(TopologicalSorter(MAY_IMPORT).static_order())


def test_zoo_uses_only_the_models_of_momos():
    names = {name for path in (ROOT / "zoo").glob("*.py") for name in imported(path) if ".momos" in name}
    assert names <= {"complexity_lab.momos.models"}


def test_only_the_command_line_prints():
    printing = [
        str(path.relative_to(ROOT))
        for path in FILES
        if folder_of(path) != "cli"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not printing


def test_files_are_short_and_named_after_something():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > 400}
    assert not [name for name in lengths if Path(name).stem in ("utils", "helpers", "common", "base", "misc")]


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import complexity_lab", "torch timm numpy pandas matplotlib scipy numba rich"),
        ("import complexity_lab.cli.app", "torch timm numpy pandas matplotlib scipy numba joblib pyarrow"),
        ("import complexity_lab.survey.single", "torch timm matplotlib pandas numba joblib pyarrow sklearn"),
        ("import complexity_lab.zoo.catalogue, complexity_lab.zoo.selection", "torch timm pandas sklearn"),
        ("import complexity_lab.statistics, complexity_lab.estimators.estimator", "torch timm matplotlib"),
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
    assert set(complexity_lab.__all__) == set(complexity_lab._WHERE)
