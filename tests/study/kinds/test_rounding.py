"""Studies of rounding: what a network's rows say fits together, and what cannot be planned."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from complexity_lab.errors import InputError, PlanMismatchError
from complexity_lab.quantization.suggestion import weighted_bits
from complexity_lab.study.engine import run_study
from complexity_lab.study.kinds.rounding import RoundingSpec
from complexity_lab.study.plan import Plan, read_study
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from complexity_lab.zoo.digits import OpenDigits

ROOT = Path(__file__).parents[3]
TABLES = ("networks", "roundings", "layers", "sensitivities")
SPEC = RoundingSpec(models=("resnet8_w6",), seeds=(0,), shuffles=4, initializations=2, margins=(0, 2), layer_bits=(2,))


@pytest.fixture
def untrained(monkeypatch):
    """Networks whose training took no step: what is tested here does not need them to be good."""
    monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial(seed + 7))


def plan(**changes):
    return Plan(kind="rounding", spec=SPEC.model_copy(update=changes))


def test_rows_of_a_network_fit_together(untrained, tmp_path):
    assert run_study(plan(), tmp_path, jobs=1).ok == 1
    networks, roundings, layers, tensors = (read_table(tmp_path, table) for table in TABLES)
    (network,) = networks.to_dict("records")
    assert (network[c.MODEL], network[c.ARCHITECTURE], network[c.SEED]) == ("resnet8_w6-seed0", "resnet8_w6", 0)
    assert all(set(frame[c.MODEL]) == {network[c.MODEL]} for frame in (roundings, layers, tensors))
    assert roundings[c.METHOD].value_counts().to_dict() == {
        **{"float": 1, "uniform": 8},
        **dict.fromkeys(("suggested", "by_error", "flat", "bare"), 6),
    }
    assert roundings.loc[roundings[c.METHOD] == "uniform", c.MEAN_BITS].tolist() == list(range(1, 9))
    own = layers.loc[layers[c.REFERENCE] == "random"]
    bits = np.where(own[c.SUGGESTED], own[c.SHOWN].fillna(0).clip(lower=1) + 2, 8).clip(max=8)
    chosen = roundings.loc[(roundings[c.REFERENCE] == "random") & (roundings[c.MARGIN] == 2)].set_index(c.METHOD)
    pairs = list(zip(bits.astype(int), own[c.WEIGHTS], strict=True))
    assert chosen.loc["suggested", c.MEAN_BITS] == pytest.approx(weighted_bits(pairs))
    assert chosen.loc["by_error", c.MEAN_BITS] <= chosen.loc["suggested", c.MEAN_BITS] + 1e-9
    assert chosen.loc["suggested", c.SUGGESTED_WEIGHTS] == own.loc[own[c.SUGGESTED], c.WEIGHTS].sum()
    scored = tensors.groupby(c.BITS)[c.VALIDATION_LOSS].count().to_dict()
    assert scored == {2: 8} | dict.fromkeys((1, 3, 4, 5, 6, 7, 8), 0)
    assert set(tensors[c.TENSOR]) == set(layers[c.TENSOR])
    assert tensors[c.RELATIVE_ERROR].notna().all()
    with pytest.raises(PlanMismatchError, match="shuffles: there"):
        run_study(plan(shuffles=5), tmp_path, jobs=1)


@pytest.mark.slow
def test_rows_do_not_depend_on_the_number_of_jobs(tmp_path):
    for jobs in (1, 2):  # trained: workers know no patches
        run_study(plan(seeds=(0, 1)), tmp_path / str(jobs), jobs=jobs)
    for table in TABLES:
        one, two = (read_table(tmp_path / str(jobs), table) for jobs in (1, 2))
        drop = {"columns": c.SECONDS, "errors": "ignore"}
        pd.testing.assert_frame_equal(one.drop(**drop), two.drop(**drop))


def test_the_study_that_ships_is_read():
    spec = read_study(ROOT / "studies" / "ptq_digits.toml").spec
    assert (len(spec.models), spec.seeds) == (14, (0, 1, 2))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('models = ["resnet9"]', "the digits zoo has no model 'resnet9'"),
        ("seeds = []", "empty, wanted at least one"),
        ("margins = [1, 1]", "1 is listed twice, wanted each once"),
        ("margins = [-1]", "margin -1"),
        ("bits = 9", "9 bits, wanted 2 to 8"),
        ('preset = "momos-paper"', "has no bit planes"),
        ("layer_bits = [9]", "layer_bits"),
        ("shuffles = 1", "one has no spread"),
        ("threshold = 101.0", "threshold 101"),
        ('references = ["gauss"]', "references"),
        ("margin = 1", r"margin: unknown key.*margins"),
    ],
)
def test_a_wrong_study_file_is_one_sentence(tmp_path, line, words):
    file = tmp_path / "study.toml"
    file.write_text(f'title = "t"\nquestion = "q"\n[rounding]\n{line}\n')
    with pytest.raises(InputError, match=words) as caught:
        read_study(file)
    assert "\n" not in str(caught.value)


def test_what_decides_is_the_spec_and_the_training_of_its_networks():
    assert plan().hash == Plan(kind="rounding", spec=RoundingSpec(**SPEC.model_dump())).hash
    assert plan().hash != plan(shuffles=5).hash
    assert list(plan().as_dict()["recipes"]) == ["resnet8_w6"]
