import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from complexity_lab.errors import InputError, OutputError
from complexity_lab.figures import FIGURES
from complexity_lab.report import build_page, render_page, write_report
from tests.synthetic import Survey, make_survey, model_row, row, tables

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not match."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.ids = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open[-1] in {"li", "p"} and tag != self.open[-1]:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(survey, *figures):
    chosen = {name: FIGURES[name] for name in figures}
    return build_page(survey.tables, chosen)


def section_of(html, name):
    return html[html.index(f'<section class="panel" id="{name}"') :].split("</section>")[0] + "</section>"


def rows_in(html, table):
    body = html[html.index(f'<table id="{table}">') :].split("</table>")[0].split("<tbody>")[1]
    return body.count("<tr")


SHAPES = {
    "digits": {"n_models": 4, "tensors": 2},
    "one": {"n_models": 1, "tensors": 1},
    "initial only": {"n_models": 3, "trained_seeds": 0},
    "none ok": {"n_models": 2, "failed": 2},
    "no models": {"n_models": 0},
    "compressors only": {"n_models": 3, "metrics": ("gzip", "gzip:float32"), "tensors": 0},
    "some failed": {"n_models": 4, "failed": 1, "metrics": ("bdm",)},
    "planes": {"n_models": 7, "planes": 8},
    "everything": {
        **{"n_models": 9, "failed": 1, "planes": 4, "nulls": ("shuffle", "gaussian", "permutation")},
        "accuracy": True,
    },
    "one with everything": {"n_models": 1, "planes": 2, "nulls": ("shuffle", "gaussian", "permutation")},
    "planes of one seed": {"n_models": 3, "planes": 2, "initial_seeds": 1, "trained_seeds": 1, "nulls": ("shuffle",)},
}
EVERYTHING = SHAPES["everything"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_survey_gives_a_whole_page_that_needs_nothing_else(shape):
    survey = make_survey(**SHAPES[shape])
    html = render_page(page_of(survey, *(["bdm_ratio", "initial_spread"] if shape == "digits" else [])))
    outline = Outline(html)
    for tag, attrs in outline.tags:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("data:", "#")), (tag, attrs[name][:60])
    assert "@import" not in html
    assert not re.search(r"url\((?!data:)", html)
    assert not re.search(r"\bnan\b|NaN|None\b(?! of)|Undefined", " ".join(outline.text))
    assert len(outline.ids) == len(set(outline.ids))
    for attrs in outline.named("a"):
        if attrs["href"].startswith("#"):
            assert attrs["href"][1:] in outline.ids
    if len(survey.models):
        assert rows_in(html, "model-table") == len(survey.models)


def test_headings_images_and_headers_are_accessible():
    outline = Outline(render_page(page_of(make_survey(n_models=3, tensors=2), "compressor_ratios")))
    assert outline.named("html") == [{"lang": "en"}]
    assert len(outline.named("h1")) == 1
    places = [attrs for attrs in outline.named("img") if "loading" not in attrs]
    assert places
    assert all(attrs["alt"] for attrs in places)
    assert all(attrs["alt"] == "" for attrs in outline.named("img") if "loading" in attrs)  # the link has the title
    assert all("scope" in attrs for attrs in outline.named("th"))
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_and_errors_are_escaped():
    evil = "<script>alert('x')</script>\"&"
    rows = [row(evil, state, 0, "bdm", 90.0) for state in ("initial", "trained")]
    models = [model_row(evil, family=evil), model_row("b", status="failed", error_type="E", error=evil)]
    manifest = make_survey(n_models=0).manifest | {"command": f"complexity-lab {evil}"}
    survey = Survey(*tables(models, rows), manifest)
    html = render_page(page_of(survey))
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 5
    Outline(html)


def test_the_table_sorts_by_numbers_with_unknown_last():
    survey = make_survey(n_models=5, failed=2, metrics=("bdm",), tensors=0)
    table = page_of(survey).models
    keys = [column.key for column in table.columns]
    ratios = [row.cells[keys.index("ratio")].key for row in table.rows]
    assert ratios[:3] == sorted(ratios[:3])
    assert ratios[3:] == [None, None]
    assert [row.tags["status"] for row in table.rows] == ["ok"] * 3 + ["failed"] * 2
    html = section_of(render_page(page_of(survey)), "models")
    assert len(re.findall(r'<th [^>]*aria-sort="ascending"', html)) == 1
    assert f'data-key="{ratios[0]:.8g}"' in html


def test_columns_without_any_value_are_left_out():
    timm = make_survey(n_models=3, zoo="timm", trained_seeds=1, tensors=0)
    assert "accuracy" not in [column.key for column in page_of(timm).models.columns]
    digits = make_survey(n_models=3, tensors=0)
    assert "accuracy" in [column.key for column in page_of(digits).models.columns]
    assert "status" not in [column.key for column in page_of(digits).models.columns]
    broken = make_survey(n_models=3, tensors=0, failed=1)
    assert "status" in [column.key for column in page_of(broken).models.columns]
    initial = make_survey(n_models=3, trained_seeds=0)
    assert [column.key for column in page_of(initial).models.columns][3:6] == ["mean", "relative_sd", "gap"]


def test_failures_and_skipped_tensors_are_listed():
    survey = make_survey(n_models=4, failed=2, tensors=3)
    page = page_of(survey)
    assert [failure.status for failure in page.failures] == ["failed", "failed"]
    assert all("HF_ENDPOINT" in failure.error for failure in page.failures)
    assert page.skipped == [
        {"reason": "fewer than 12 values", "kind": "bias", "tensors": 6, "models": 2, "example": "layers.0.bias"}
    ]


def test_provenance_is_complete():
    survey = make_survey(n_models=2, tensors=0)
    text = "".join(Outline(render_page(page_of(survey))).text)
    manifest = survey.manifest
    for expected in (manifest["plan_hash"], manifest["command"], manifest["ctm_sha256"]["B2-D12"], "2.9.0", "8.0 GiB"):
        assert expected in text
    assert "2 January 2026, 03:04 UTC" in text


def provenance_text(**changes):
    survey = make_survey(n_models=1, tensors=0)
    survey.manifest.update(changes)
    html = render_page(page_of(survey))
    return " ".join(" ".join(Outline(section_of(html, "provenance")).text).split())


def tabs_of(survey, *figures):
    return [tab.name for tab in page_of(survey, *figures).tabs]


def test_tabs_are_the_sections_and_empty_ones_do_not_appear():
    always = {"findings", "models", "reading", "provenance"}
    assert set(tabs_of(make_survey(n_models=0))) == always
    assert set(tabs_of(make_survey(n_models=2, metrics=("gzip",), tensors=0))) == always
    assert set(tabs_of(make_survey(n_models=2, metrics=("bdm",), tensors=0))) == always | {"controls"}
    assert set(tabs_of(make_survey(n_models=2, metrics=("bdm",), tensors=0, failed=1))) >= {"failures"}
    full = make_survey(**EVERYTHING)
    names = ["findings", "planes", "layers", "controls", "gallery", "models", "failures", "reading", "provenance"]
    assert tabs_of(full, "bdm_ratio") == names
    outline = Outline(render_page(page_of(full, "bdm_ratio")))
    assert [attrs["id"] for attrs in outline.named("section")] == names
    links = [attrs for attrs in outline.named("a") if attrs.get("id", "").startswith("tab-")]
    assert [attrs["href"] for attrs in links] == [f"#{name}" for name in names]


def test_tensors_without_a_number_have_a_tab_of_their_own():
    page = page_of(make_survey(n_models=2, tensors=1))
    assert {tab.name: tab.label for tab in page.tabs}["failures"] == "Not scored"


def test_without_the_script_every_section_is_shown():
    html = render_page(page_of(make_survey(**EVERYTHING)))
    for attrs in Outline(html).named("section"):
        assert "hidden" not in attrs
    style = html[html.index("<style>") : html.index("</style>")]
    printed = style[style.index("@media print") :]
    assert ".panel[hidden] { display: block" in printed


def test_every_figure_is_in_the_gallery_and_leads_to_its_place():
    names = ("bdm_ratio", "layers", "decomposition")
    page = page_of(make_survey(**EVERYTHING), *names)
    html = render_page(page)
    gallery = Outline(section_of(html, "gallery"))
    assert [attrs["href"] for attrs in gallery.named("a")] == [f"#figure-{plate.name}" for plate in page.gallery]
    assert {plate.name for plate in page.gallery} == set(names)
    place = {"zoo": "findings", "planes": "planes", "layers": "layers", "controls": "controls"}
    for plate in page.gallery:
        assert f'id="figure-{plate.name}"' in section_of(html, place[plate.group])
        assert plate.thumbnail.startswith("data:image/png")
        assert len(plate.thumbnail) < 150_000


def test_single_planes_are_not_among_the_metrics():
    page = page_of(make_survey(**EVERYTHING))
    assert [each.metric for each in page.metrics if "plane" in each.metric] == []
    assert "qubd" in [each.metric for each in page.metrics]


@pytest.mark.parametrize("command", [None, "my_study.py --fast", "ipykernel_launcher.py"])
def test_a_survey_run_from_python_shows_its_plan_instead_of_a_command(command):
    text = provenance_text(command=command)
    assert "Run from Python on 2 January 2026, 03:04 UTC, with this plan: zoo digits" in text
    assert "sample 1" in text
    assert "Made by" not in text
    assert command is None or command not in text


def test_a_survey_run_by_the_command_shows_it():
    text = provenance_text(command="complexity-lab survey --zoo digits")
    assert "Made by complexity-lab survey --zoo digits on 2 January" in text
    assert "Run from Python" not in text
    assert "Resumed" not in text


def test_later_runs_under_other_versions_have_a_line_each():
    first = {"python": "3.12.1", "numpy": "2.3.0", "torch": "2.9.0"}
    runs = [
        {"created": "2026-02-03T04:05:06+00:00", "versions": first | {"numpy": "2.4.1"}, "command": "complexity-lab x"},
        {"created": "2026-03-04T05:06:07+00:00", "versions": first, "command": None},
    ]
    text = provenance_text(runs=runs)
    assert "3 February 2026, 04:05 UTC, complexity-lab x: numpy 2.4.1 (first 2.3.0)" in text
    assert "4 March 2026, 05:06 UTC, run from Python: the first versions" in text
    assert "Resumed" not in provenance_text(runs=[])


def test_a_manifest_without_a_key_is_refused():
    survey = make_survey(n_models=1, tensors=0)
    del survey.manifest["plan_hash"]
    with pytest.raises(InputError, match="plan_hash"):
        page_of(survey)


def test_equal_surveys_give_equal_files(tmp_path):
    directory = make_survey(n_models=2, trained_seeds=0, tensors=0).write(tmp_path / "run")
    first = write_report(directory)
    assert first == directory / "report.html"
    second = write_report(directory, tmp_path / "elsewhere" / "again.html")
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["again.html"]


def test_an_output_that_cannot_be_written_is_refused(tmp_path):
    directory = make_survey(n_models=0).write(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(directory, tmp_path / "file" / "report.html")


def test_no_survey(tmp_path):
    with pytest.raises(InputError):
        write_report(tmp_path)
