"""What lies in reports/ is made of what lies in data/, by today's code."""

from pathlib import Path

import pytest

from complexity_lab.report.paper_tables import write_tables
from complexity_lab.statistics.results import open_results

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(path.name for path in (ROOT / "data").iterdir() if (path / "manifest.json").exists())
WITH_TABLES = [name for name in PUBLISHED if (ROOT / "reports" / name / "table.csv").exists()]


def test_every_report_has_its_tables_and_its_study():
    reports = {path.name for path in (ROOT / "reports").iterdir() if path.is_dir()}
    assert reports == set(PUBLISHED) == {path.stem for path in (ROOT / "studies").glob("*.md") if path.stem != "README"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tables_open_and_hold_rows(name):
    assert not open_results(ROOT / "data" / name).ok.empty


@pytest.mark.parametrize("name", WITH_TABLES)
@pytest.mark.parametrize("suffix", ["md", "tex", "csv"])
def test_a_published_table_is_that_of_its_rows(name, suffix, tmp_path):
    write_tables(open_results(ROOT / "data" / name), tmp_path)
    assert (tmp_path / f"table.{suffix}").read_text() == (ROOT / "reports" / name / f"table.{suffix}").read_text()
