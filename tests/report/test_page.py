import re
from dataclasses import replace

import pytest

from complexity_lab.errors import OutputError
from complexity_lab.figures.drawing import paint
from complexity_lab.figures.figure import GROUPS
from complexity_lab.figures.registry import figures_of
from complexity_lab.report.glossary import glossary
from complexity_lab.report.page import build_page, render, write_page
from complexity_lab.report.sections import all_sections
from complexity_lab.statistics.results import open_results
from complexity_lab.tables.rows import Measurement, Model
from tests import synthetic
from tests.report.pages import KINDS, Browser, column, results_of, table_of


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_whole_page_that_needs_nothing_else(kind):
    page = build_page(results_of(kind), [])
    html = render(page)
    browser = Browser(html)
    assert browser.open == []
    assert browser.tags.count("h1") == 1
    assert html.count(f"<h1>{page.title}") == 1
    assert all(link.startswith(("#", "data:")) for link in browser.links)
    assert {link[1:] for link in browser.links if link.startswith("#")} <= set(browser.ids)
    assert len(browser.ids) == len(set(browser.ids))
    assert not re.search(r"url\(|@import|<link|<iframe", html)
    assert all(table.rows for group in page.groups for section in group.sections for table in section.tables)
    assert not {"nan", "None", "<NA>"} & {text.strip() for text in browser.text}


@pytest.mark.parametrize("kind", KINDS)
def test_what_failed_is_listed_with_its_reason(kind):
    results = results_of(kind)
    page = build_page(results, [])
    assert (page.ok, page.not_ok) == (len(results.ok), len(results.failures))
    if page.not_ok:
        assert [cell.text for cell in column(table_of(page, "failed_tasks"), "task")] == list(results.failures["model"])
        assert [cell.text for cell in column(table_of(page, "failed_tasks"), "reason")] == list(
            results.failures["error"]
        )


def test_numbers_that_could_not_be_made_are_listed_with_metric_null_model_and_reason():
    fine = synthetic.row("a", "trained", 0, "bdm", 10.0)
    bad = replace(fine, null="shuffle", statistic="mean", value=None, status="failed", reason="too few values")
    study = synthetic.Study(kind="survey", rows=[synthetic.model_row("a"), fine, bad], plan={})
    (row,) = table_of(build_page(study.results, []), "numbers_not_made").rows
    assert [cell.text for cell in row] == ["BDM", "shuffled", "too few values", "1"]


def test_no_raw_metric_names_are_shown():
    html = render(build_page(results_of("survey"), []))
    visible = re.sub(r'href="data:[^"]*"|<script>.*|<dl class="facts">.*?</dl>', "", html, flags=re.DOTALL)
    assert not re.search(r"bdm_2d|\bbdm\b|qubd|block_entropy|shuffle_mean", visible)


def test_figures_come_before_tables_and_with_their_numbers():
    results = results_of("survey")
    chosen = [figures_of("survey")[name] for name in ("bdm_ratio", "controls")]
    drawings = [paint(figure, figure.prepare(results)) for figure in chosen]
    page = build_page(results, drawings)
    html = render(page)
    assert [picture.name for group in page.groups for picture in group.pictures] == ["bdm_ratio", "controls"]
    assert html.index('id="figure-bdm_ratio"') < html.index("<table")
    assert html.index('id="figure-bdm_ratio"') < html.index('id="figure-controls"')
    assert html.count('src="data:image/svg+xml;base64,') == 2
    assert drawings[0].caption.split(".")[0] in html


def test_html_in_names_is_inert():
    evil = '<script>alert("1")</script><img src="http://example.org/x">'
    study = synthetic.survey_study(n_models=2, tensors=1)
    rows = [replace(row, model=evil) if row.model == "mlp" else row for row in study.rows]
    rows = [replace(row, family=evil) if isinstance(row, Model) else row for row in rows]
    rows = [replace(row, tensor=evil) if isinstance(row, Measurement) and row.tensor else row for row in rows]
    texts = dict.fromkeys(("title", "question", "name", "source"), evil)
    named = replace(study, rows=rows, plan={**study.plan, "zoo": evil}, **texts)
    browser = Browser(render(build_page(named.results, [])))
    assert browser.tags.count("script") == 1
    assert "img" not in browser.tags
    assert evil in "".join(browser.text)


def test_written_as_a_whole_from_a_directory(tmp_path):
    directory = synthetic.survey_study(n_models=3).write(tmp_path / "study")
    out = tmp_path / "deep" / "page.html"
    assert write_page(open_results(directory), [], out) == out
    first = out.read_bytes()
    assert write_page(open_results(directory), [], out).read_bytes() == first
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_page(results_of("initial"), [], tmp_path / "file" / "page.html")


def test_provenance_has_every_run_with_command_and_versions():
    study = synthetic.survey_study(n_models=2)
    results = study.results
    manifest = results.manifest
    again = replace(manifest.runs[0], command=None, versions={"numpy": "9.9"}, created="2027-01-01T00:00:00+00:00")
    results.manifest = replace(manifest, runs=(*manifest.runs, again))
    page = build_page(results, [])
    assert [run.command for run in page.provenance.runs] == [manifest.runs[0].command, ""]
    assert page.provenance.runs[1].versions == "numpy 9.9"
    html = render(page)
    for text in (manifest.plan_hash, "ab" * 32, "8.0 GiB", "numpy 9.9", manifest.runs[0].command):
        assert text in html


def test_every_term_is_used_and_every_section_is_of_a_known_group():
    used = set()
    for kind in KINDS:
        results = results_of(kind)
        for each in all_sections():
            if results.kind in each.kinds:
                for section in each.build(results):
                    used |= set(section.terms)
                    assert section.group in GROUPS
    assert used == set(glossary())
