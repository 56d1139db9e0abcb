import pandas as pd
import pytest

from complexity_lab.errors import InputError
from complexity_lab.report.paper_tables import latex, write_tables
from complexity_lab.statistics import columns as d
from tests import synthetic_training
from tests.report.pages import results_of


def test_three_files_with_ours_and_printed_values(tmp_path):
    results = synthetic_training.experiment(models=("mlp", "resnet20"), failed=("mlp-baseline-0",))
    paths = write_tables(results, tmp_path / "new")
    assert [path.name for path in paths] == ["table1.md", "table1.tex", "table1.csv"]
    markdown, tex = (path.read_text() for path in paths[:2])
    baseline = next(line for line in markdown.splitlines() if line.startswith("| baseline"))
    cells = [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in baseline.strip("|").split("|")]
    rows = results.with_published
    assert cells[1] == f"{rows[d.ACCURACY][0]:.2f} ± {rows[d.ACCURACY_SD][0]:.2f}"
    assert cells[2] == f"{rows[d.ACCURACY_PRINTED][0]:.2f} ± {rows[d.ACCURACY_SD_PRINTED][0]:.2f}"
    assert cells[-1] == "2 (1 failed)"
    assert "mlp-baseline-0: the loss is nan" in markdown
    assert tex.count(r"\midrule") == 2
    assert all(line.count("&") in (0, 3, 6) for line in tex.splitlines())
    pd.testing.assert_frame_equal(pd.read_csv(paths[2]), rows, check_dtype=False)


def test_nothing_to_write(tmp_path):
    with pytest.raises(InputError, match="survey"):
        write_tables(results_of("survey"), tmp_path)
    everything = tuple(f"mlp-{each['method']}-0" for each in synthetic_training.METHODS)
    with pytest.raises(InputError, match="no run"):
        write_tables(synthetic_training.experiment(models=("mlp",), seeds=(0,), failed=everything), tmp_path)


def test_latex_is_escaped():
    assert latex("5 % ± 1 & a_b {$x$} ~ \\") == (r"5 \% $\pm$ 1 \& a\_b \{\$x\$\} \textasciitilde{} \textbackslash{}")
