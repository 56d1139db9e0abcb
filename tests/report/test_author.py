from dataclasses import replace

import pytest

from complexity_lab.errors import InputError
from complexity_lab.report.author import read_text, rendered
from complexity_lab.report.page import build_page, render
from complexity_lab.statistics.results import open_results
from tests import synthetic
from tests.report.pages import Browser

HASH = "5f0c1d" + "0" * 58


def page_with(tmp_path, text):
    study = replace(synthetic.survey_study(n_models=2), files={"text.md": text})
    directory = study.write(tmp_path / "study")
    page = build_page(open_results(directory), [])
    return page.text, "".join(Browser(render(page)).text)


@pytest.mark.parametrize("plan", [HASH, HASH[:8]])
def test_of_this_plan(tmp_path, plan):
    text, shown = page_with(tmp_path, f'+++\ndate = 2026-11-21\nplan = "{plan}"\n+++\n\nNine of *fourteen*.\n')
    assert (text.date, text.plan, text.outdated) == ("2026-11-21", plan, False)
    assert "Nine of fourteen." in shown
    assert "Written for plan" not in shown


@pytest.mark.parametrize("plan", ["0123456789", "5f0c"])
def test_of_another_plan_is_marked_with_both(tmp_path, plan):
    text, shown = page_with(tmp_path, f'+++\ndate = 2026-11-21\nplan = "{plan}"\n+++\nOld.\n')
    assert text.outdated
    assert f"Written for plan {plan}; these tables are of plan {HASH[:12]}" in shown


def test_without_front_matter_it_is_said(tmp_path):
    text, shown = page_with(tmp_path, "Nine.\n")
    assert (text.date, text.plan, text.outdated) == ("", "", False)
    assert "no front matter" in shown


def test_without_text_it_is_said():
    page = build_page(synthetic.make_survey(n_models=2), [])
    assert page.text is None
    assert "no author's text" in render(page)


@pytest.mark.parametrize("text", ["+++\nplan = \n+++\n", b"\xff\xfe"])
def test_unreadable_ones_are_refused(tmp_path, text):
    file = tmp_path / "text.md"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"text\.md"):
        read_text(file, HASH)


def test_html_and_pictures_are_inert():
    html = rendered("<script>x</script> ![a](http://example.org/x.png) [b](javascript:alert(1))\n\n<img src=x>\n")
    tags = Browser(html).tags
    assert not {"script", "img"} & set(tags)
    assert "javascript:" not in "".join(Browser(html).links)


def test_headings_and_tables():
    browser = Browser(rendered("# One\n\n## Two\n\n|a|b|\n|-|-|\n|1|2|\n"))
    assert {"h3", "h4", "table"} <= set(browser.tags)
    assert "h1" not in browser.tags
