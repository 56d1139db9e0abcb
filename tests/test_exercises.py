"""What is added in one file is known everywhere: a null model and a kind of study, from the command to the page."""

import sys
from textwrap import dedent

import numpy as np
import pytest
from safetensors.numpy import save_file

from complexity_lab.controls import nulls
from complexity_lab.controls import registry as null_registry
from complexity_lab.errors import ComplexityLabError
from complexity_lab.figures.drawing import draw
from complexity_lab.report.page import write_page
from complexity_lab.statistics.nulls import null_column
from complexity_lab.statistics.results import open_results
from complexity_lab.study import kinds
from complexity_lab.study.engine import run_study
from complexity_lab.study.executors import Executor
from complexity_lab.study.kinds.survey import survey_spec
from complexity_lab.study.plan import Plan, read_study
from complexity_lab.tables import columns as c

NULL = '''
"""Every tensor read backwards: its values and their neighbours stay."""

import numpy as np

from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, block_counts
from complexity_lab.controls.null import TensorNull


class Backwards:
    def __init__(self, *, repetitions, seed, shapes):
        del seed, shapes
        self.streams = [StreamCounter() for _ in range(repetitions)]

    def add(self, weights):
        for draw, stream in enumerate(self.streams):
            stream.add(np.roll(weights.reshape(-1)[::-1], draw))

    def strings(self):
        return [stream.result() for stream in self.streams]


NULL = TensorNull(
    name="backwards", label="backwards", description="every tensor read backwards", keeps="tensor", rank=90,
    metrics=("bdm",), bits=Backwards,
)
'''

KIND = '''
"""Throws a coin so many times: a kind of study in one file."""

import numpy as np

from complexity_lab.study.kind import Kind, Spec, Task
from complexity_lab.tables.rows import Measurement, Run


class CoinsSpec(Spec):
    throws: int = 10
    coins: int = 3


class CoinsKind(Kind[CoinsSpec]):
    name = "coins"
    noun = "coin"

    def spec(self, section, folder):
        return CoinsSpec.model_validate(dict(section))

    def tasks(self, spec, options):
        return [Task(key=f"coin{number}", payload=(number, spec.throws)) for number in range(spec.coins)]

    def run(self, payload, context):
        number, throws = payload
        heads = int(np.random.default_rng(number).integers(0, 2, throws).sum())
        row = Measurement(model=context.key, scope="model", metric="bdm", value=float(heads), unit="bits", step=0)
        return [Run(model=context.key, name="a coin", group="coins", architecture="coin"), row]

    def failed(self, payload, failure):
        return Run(model=f"coin{payload[0]}", name="a coin", group="coins", architecture="coin", status="failed",
                   error_type=failure.error_type, error=failure.error)


KIND = CoinsKind()
'''


@pytest.fixture
def file_in(tmp_path, monkeypatch):
    """Put one file into a folder of the package, as far as imports see it."""

    def put(package, name, text):
        folder = tmp_path / "added"
        folder.mkdir()
        (folder / f"{name}.py").write_text(dedent(text))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}", raising=False)

    yield put
    null_registry.null_models.cache_clear()


def test_a_null_model_is_one_file(file_in, tmp_path):
    file_in(nulls, "backwards", NULL)
    null_registry.null_models.cache_clear()
    for name, shift in (("initial-0", 0.0), ("initial-1", 0.0), ("trained", 0.3)):
        (tmp_path / "w" / "net").mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(name))
        weights = (rng.standard_normal((60, 100)) + shift).astype(np.float32)
        save_file({"fc.weight": weights}, tmp_path / "w" / "net" / f"{name}.safetensors")
    spec = survey_spec("checkpoints", path=tmp_path / "w", metrics=("bdm",), controls=("backwards",))
    run_study(Plan(kind="survey", spec=spec), tmp_path / "out")
    results = open_results(tmp_path / "out")
    rows = results.measurements
    assert set(rows.loc[rows[c.NULL] == "backwards", c.STATISTIC]) == {"mean", "sd"}
    ratio = results.ratios.iloc[0]
    assert 0.95 < ratio[null_column("backwards", "mean")] / ratio["trained_mean"] < 1.05
    page = write_page(results, draw(results), tmp_path / "report.html")
    assert "backwards" in page.read_text()


def test_a_kind_of_study_is_one_file(file_in, tmp_path):
    file_in(kinds, "coins", KIND)
    study = tmp_path / "study.toml"
    study.write_text('title = "Coins"\nquestion = "How many heads?"\n[coins]\nthrows = 20\n')
    (tmp_path / "study.md").write_text("Coins have no memory.\n")
    plan = read_study(study)
    with pytest.raises(ComplexityLabError, match="worker processes cannot import the kind of study 'coins'"):
        run_study(plan, tmp_path / "workers", executor=Executor(jobs=2))  # they do not see this folder
    assert run_study(plan, tmp_path / "out", executor=Executor()).ok == 3
    assert run_study(plan, tmp_path / "out", executor=Executor()).done == 0
    results = open_results(tmp_path / "out")
    assert (results.kind, len(results.ok), len(results.measurements)) == ("coins", 3, 3)
    text = write_page(results, draw(results), tmp_path / "report.html").read_text()
    assert "How many heads?" in text and "Coins have no memory." in text and "coin2" in text
