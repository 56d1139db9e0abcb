"""Networks under rounding, and a study that is killed, fails, goes on and is the same whatever the number of jobs."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.errors import InputError, OutputError, PlanMismatchError, UnknownNameError, WeightsError
from complexity_lab.quantization import study as studies
from complexity_lab.quantization.measure import measure_network
from complexity_lab.quantization.networks import bits_by_error, rounded_names, same_bits, score, with_rounded_weights
from complexity_lab.quantization.plan import QuantizationPlan, QuantizationStudy, read_quantization_study
from complexity_lab.quantization.rounding import rounded
from complexity_lab.quantization.study import run_study
from complexity_lab.quantization.suggestion import weighted_bits
from complexity_lab.tables.quantization import QUANTIZATION_TABLES, finished_networks, read_quantization
from complexity_lab.zoo.digits import OpenDigits
from complexity_lab.zoo.digits_data import TestImages

ROOT = Path(__file__).parents[2]
PLAN = QuantizationPlan(
    models=("resnet8_w6", "mlp_12"), seeds=(0,), shuffles=4, initializations=2, margins=(0, 2), layer_bits=(2,)
)


@pytest.fixture
def untrained(monkeypatch):
    """Networks whose training took no step: what is tested here does not need them to be good."""
    monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial(seed + 7))


def a_study(plan=PLAN):
    return QuantizationStudy(title="t", question="q", quantization=plan)


def test_weights_are_rounded_inside_and_as_before_outside():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    before = copy.deepcopy(module.state_dict())
    names = rounded_names(module)
    assert names == ["0.weight", "3.weight"]
    with pytest.raises(RuntimeError, match="stop"), with_rounded_weights(module, same_bits(names, 2)):
        for name in names:
            np.testing.assert_array_equal(module.get_parameter(name).detach().numpy(), rounded(before[name], 2))
        assert torch.equal(module[0].bias, before["0.bias"])
        raise RuntimeError("stop")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    with (
        pytest.raises(UnknownNameError, match=r"no parameter 'x\.weight'"),
        with_rounded_weights(module, {"x.weight": 2}),
    ):
        pass


def test_scores_are_means_over_images_whatever_the_batches():
    logits = torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 10, (300,), generator=torch.Generator().manual_seed(1))

    class Look(nn.Module):
        def forward(self, pixels):
            return logits[pixels[:, 0, 0, 0].long()]

    pixels = torch.arange(300.0).reshape(-1, 1, 1, 1)
    found = score(Look(), TestImages(pixels, labels))
    assert found.images == 300
    assert found.accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())
    assert found.loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_bits_by_error_never_overspends_and_fills_what_it_can():
    rng = np.random.default_rng(0)
    for _ in range(30):
        errors = {str(place): np.sort(rng.uniform(size=5))[::-1] for place in range(4)}
        weights = {name: int(rng.integers(1, 50)) for name in errors}
        budget = float(rng.integers(sum(weights.values()), 5 * sum(weights.values()) + 1))
        bits = bits_by_error(errors, weights, budget)
        spent = sum(bits[name] * weights[name] for name in bits)
        assert spent <= budget
        assert all(bits[name] == 5 or spent + weights[name] > budget for name in bits)
    assert bits_by_error({"a": np.array([0.3, 0.6, 0.1])}, {"a": 10}, 20) == {"a": 1}  # 2 bits are worse, 3 do not fit


def test_rows_of_a_network_fit_together(untrained):
    rows = measure_network("resnet8_w6", 0, PLAN, shuffled_planes)
    accuracies, layers = pd.DataFrame(rows["accuracies"]), pd.DataFrame(rows["layers"])
    assert accuracies["method"].value_counts().to_dict() == {
        **{"float": 1, "uniform": 8},
        **dict.fromkeys(("suggested", "by_error", "flat", "bare"), 6),
    }
    assert accuracies.loc[accuracies["method"] == "uniform", "mean_bits"].tolist() == list(range(1, 9))
    own = layers.loc[layers["reference"] == "random"]
    bits = np.where(own["suggested"], own["shown"].fillna(0).clip(lower=1) + 2, 8).clip(max=8)
    chosen = accuracies.loc[(accuracies["reference"] == "random") & (accuracies["margin"] == 2)].set_index("method")
    assert chosen.loc["suggested", "mean_bits"] == pytest.approx(
        weighted_bits(list(zip(bits.astype(int), own["weights"], strict=True)))
    )
    assert chosen.loc["by_error", "mean_bits"] <= chosen.loc["suggested", "mean_bits"] + 1e-9
    assert chosen.loc["suggested", "suggested_weights"] == own.loc[own["suggested"], "weights"].sum()
    alone = pd.DataFrame(rows["sensitivities"])
    assert alone.groupby("bits")["validation_loss"].count().to_dict() == {2: 8} | dict.fromkeys(
        (1, 3, 4, 5, 6, 7, 8), 0
    )
    assert set(alone["tensor"]) == set(layers["tensor"])
    assert alone["relative_error"].notna().all()


def test_a_study_goes_on_keeps_failures_and_refuses_another_plan(untrained, tmp_path, monkeypatch):
    directory, told = tmp_path / "out", []
    whole = studies.measure_network

    def sometimes(model, *rest):
        if model == "mlp_12":
            raise WeightsError("the loss\nis nan")
        return whole(model, *rest)

    monkeypatch.setattr(studies, "measure_network", sometimes)
    first = run_study(a_study(), directory, shuffled_planes, jobs=1, progress=told.append)
    assert (first.exit_code, first.ok, first.failed) == (3, 1, {"mlp_12-seed0": "the loss is nan"})
    assert [step.finished for step in told] == [0, 1, 2]
    monkeypatch.setattr(studies, "measure_network", whole)
    again = run_study(a_study(), directory, shuffled_planes, jobs=1)
    assert (again.rounded, again.kept, again.exit_code) == (0, 2, 3)
    retried = run_study(a_study(), directory, shuffled_planes, jobs=1, retry_failed=True)
    assert (retried.rounded, retried.kept, retried.exit_code) == (1, 1, 0)
    assert finished_networks(directory) == {"mlp_12-seed0": None, "resnet8_w6-seed0": None}
    with pytest.raises(PlanMismatchError, match="seeds: there"):
        run_study(a_study(PLAN.model_copy(update={"seeds": (1,)})), directory, shuffled_planes, jobs=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        run_study(a_study(), tmp_path / "other", shuffled_planes, jobs=1)
    with pytest.raises(InputError, match="--jobs 0"):
        run_study(a_study(), directory, shuffled_planes, jobs=0)


def test_what_was_half_written_by_a_killed_study_is_done_again(untrained, tmp_path):
    run_study(a_study(), tmp_path, shuffled_planes, jobs=1)
    before = {table: read_quantization(tmp_path, table) for table in QUANTIZATION_TABLES}
    next((tmp_path / "accuracies").glob("mlp_12*")).unlink()
    assert run_study(a_study(), tmp_path, shuffled_planes, jobs=1).rounded == 1
    for table, frame in before.items():
        after = read_quantization(tmp_path, table)
        pd.testing.assert_frame_equal(
            frame.drop(columns="seconds", errors="ignore"), after.drop(columns="seconds", errors="ignore")
        )


@pytest.mark.slow
def test_rows_do_not_depend_on_the_number_of_jobs(tmp_path):
    plan = PLAN.model_copy(update={"models": ("resnet8_w6",), "seeds": (0, 1)})  # trained: workers know no patches
    for jobs in (1, 2):
        run_study(a_study(plan), tmp_path / str(jobs), shuffled_planes, jobs=jobs)
    for table in QUANTIZATION_TABLES:
        one, two = (read_quantization(tmp_path / str(jobs), table) for jobs in (1, 2))
        pd.testing.assert_frame_equal(
            one.drop(columns="seconds", errors="ignore"), two.drop(columns="seconds", errors="ignore")
        )


def test_the_study_that_ships_is_read():
    study = read_quantization_study(ROOT / "studies" / "ptq_digits.toml")
    assert len(study.quantization.models) == 14
    assert study.quantization.seeds == (0, 1, 2)
    assert study.quantization.as_dict()["kind"] == "quantization"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('models = ["resnet9"]', "'resnet9' is not in the digits zoo"),
        ("seeds = []", "empty, wanted at least one"),
        ("margins = [1, 1]", "has an entry twice"),
        ("margins = [-1]", "margin -1"),
        ("bits = 9", "bits: 9, wanted 2 to 8"),
        ("layer_bits = [9]", "layer_bits"),
        ("shuffles = 1", "one has no spread"),
        ("threshold = 101.0", "threshold 101"),
        ('references = ["gauss"]', "references"),
        ("unknown = 1", "unknown"),
    ],
)
def test_a_wrong_study_file_is_one_sentence(tmp_path, line, words):
    file = tmp_path / "study.toml"
    file.write_text(f'title = "t"\nquestion = "q"\n[quantization]\n{line}\n')
    with pytest.raises(InputError, match=words) as caught:
        read_quantization_study(file)
    assert "\n" not in str(caught.value)


def test_the_hash_follows_plan_and_recipes():
    assert PLAN.hash() == QuantizationPlan(**PLAN.model_dump()).hash()
    assert PLAN.hash() != PLAN.model_copy(update={"shuffles": 5}).hash()
