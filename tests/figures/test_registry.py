"""Figures are found by themselves, and each keeps the contract of its kind."""

import subprocess
import sys
from textwrap import dedent

import pytest

from complexity_lab.figures import registry, survey
from complexity_lab.figures.drawing import draw
from complexity_lab.figures.figure import GROUPS
from complexity_lab.figures.labels import metric_label
from complexity_lab.figures.registry import all_figures, figures_for, figures_of
from tests.synthetic import make_survey

KINDS = {"survey", "training", "trajectory", "series", "rounding"}


@pytest.mark.parametrize("name", all_figures())
def test_every_figure_says_what_it_is(name):
    figure = all_figures()[name]
    assert figure.name == name
    assert name.isidentifier()
    assert set(figure.kinds) <= KINDS
    assert figure.kinds
    assert figure.group in GROUPS
    assert 0 < len(figure.title) < 80
    assert figure.title[0].isupper()
    assert not figure.title.endswith(".")


def test_groups_come_together_and_in_order():
    groups = list(dict.fromkeys(figure.group for figure in figures_of("survey").values()))
    assert groups == ["models", "planes", "layers", "controls"]
    assert len(figures_of("survey")) == 14
    assert figures_of("unheard of") == {}


def test_importing_the_registry_is_light():
    code = "import sys, complexity_lab.figures.registry, complexity_lab.figures.drawing as d; " + (
        "assert not {'matplotlib', 'seaborn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


FIGURE = """
    from complexity_lab.figures import theme
    from complexity_lab.figures.figure import Figure, unless_empty


    def prepare(results):
        return results.ratios[["model", "ratio"]]


    def draw(table, figure):
        figure.add_subplot().plot(table["ratio"], color=theme.INK)


    FIGURE = Figure(
        name="exercise", title="An exercise", kinds=("survey",), group="models", rank=1,
        applies=unless_empty(prepare, "no ratios"), prepare=prepare, draw=draw,
        caption=lambda table: f"{len(table)} ratios.",
    )
"""


def test_a_new_figure_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "exercise.py").write_text(dedent(FIGURE))
    monkeypatch.setattr(survey, "__path__", [*survey.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{survey.__name__}.exercise", raising=False)
    registry.all_figures.cache_clear()
    try:
        results = make_survey(n_models=2)
        assert next(iter(figures_for(results))) == "exercise"
        drawing = draw(results, ["exercise"])[0]
        assert drawing.caption == f"{len(results.ratios)} ratios."
        assert drawing.svg().startswith(b"<?xml")
    finally:
        registry.all_figures.cache_clear()
        sys.modules.pop(f"{survey.__name__}.exercise", None)


def test_every_metric_has_a_label_for_readers():
    from complexity_lab.estimators.estimator import REGISTRY

    labels = [metric_label(name) for name in REGISTRY]
    assert len(set(labels)) == len(labels)
    assert not any("_" in label for label in labels)
