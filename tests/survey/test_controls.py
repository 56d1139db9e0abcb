"""Rows of null models: those of the functions that draw them, per tensor and summed, or why there are none."""

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.binary.planes import quantize
from complexity_lab.controls.couplings import couplings_of, permuted_scores
from complexity_lab.controls.gaussian import gaussian_scores
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import Rules, qubd_rules
from complexity_lab.survey import controls as survey_controls
from complexity_lab.survey.controls import CONTROLS, GAUSSIAN_DRAWS, ControlReader, checked_controls, permutation_rows
from complexity_lab.survey.plan import make_plan
from complexity_lab.survey.single import measure_rows
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.source import NamedTensor
from complexity_lab.zoo.selection import Selection

FIXED = qubd_rules("fixed")
PAPER = Rules(bits=3, only_weight=True)


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "conv.weight": rng.standard_normal((8, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.standard_normal(8).astype(np.float32),
        "fc.weight": (rng.standard_normal((30, 33)) + 0.3).astype(np.float32),
        "embedding": rng.standard_normal((9, 9)).astype(np.float32),
    }


def read(reader, tensors):
    rows = []
    for name, values in tensors.items():
        rows += reader.read(NamedTensor(name, values, "matrix"), {"tensor": name, "scope": "tensor"})
    return rows + reader.model_rows({"tensor": "", "scope": "model"}, None)


def values_of(rows):
    return {(row["tensor"], row["metric"]): row.get("value") for row in rows}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 7))


@pytest.mark.parametrize(
    ("control", "within"), [("shuffle", "tensor"), ("shuffle_channel", "channel"), ("shuffle_row", "row")]
)
def test_shuffles_of_sign_bits(control, within):
    found = values_of(read(ControlReader([control], ["bdm", "gzip", "bdm_2d"], None, True, repetitions=7), weights()))
    null = ShuffleNull(within, repetitions=7)
    for values in weights().values():
        null.add(values)
    for metric, drawn in (("bdm", null.strings()), ("bdm_2d", null.squares())):
        scores = np.array([bdm_of(counts) for counts in drawn])
        assert found.pop(("", f"{metric}_{control}_mean")) == pytest.approx(scores.mean(), rel=1e-12)
        assert found.pop(("", f"{metric}_{control}_sd")) == pytest.approx(scores.std(ddof=1), rel=1e-9)
    assert not found


def test_shuffles_of_planes_are_summed_draw_by_draw():
    found = values_of(read(ControlReader(["shuffle"], ["gzip"], PAPER, True, repetitions=6, seed=4), weights()))
    total = np.zeros((6, 3))
    for place, name in enumerate(("conv.weight", "fc.weight"), start=1):
        drawn = shuffled_planes(quantize(weights()[name], 3), ctm_table, repetitions=6, seed=(4, place))
        total += drawn
        assert found[name, "qubd_shuffle_mean"] == pytest.approx(drawn.sum(axis=1).mean())
        assert found[name, "qubd_shuffle_sd"] == pytest.approx(drawn.sum(axis=1).std(ddof=1))
        assert found[name, "qubd_plane2_shuffle_mean"] == pytest.approx(drawn[:, 2].mean())
    assert found["", "qubd_shuffle_sd"] == pytest.approx(total.sum(axis=1).std(ddof=1))
    assert found["", "qubd_plane0_shuffle_sd"] == pytest.approx(total[:, 0].std(ddof=1))
    assert {tensor for tensor, _ in found} == {"conv.weight", "fc.weight", ""}
    assert len(found) == 3 * 2 * 4


def test_gaussians_of_planes_are_drawn_anew_for_every_tensor():
    found = values_of(read(ControlReader(["gaussian"], [], PAPER, True, seed=4), weights()))
    total = np.zeros((GAUSSIAN_DRAWS, 3))
    for place, name in enumerate(("conv.weight", "fc.weight"), start=1):
        total += gaussian_scores(weights()[name], lambda w: PAPER.score(w).planes, repetitions=3, seed=(4, place))
    assert found["", "qubd_gaussian_mean"] == pytest.approx(total.sum(axis=1).mean())
    assert found["", "qubd_plane1_gaussian_sd"] == pytest.approx(total[:, 1].std(ddof=1))
    assert {tensor for tensor, _ in found} == {""}


def test_nulls_of_random_weights_are_near_the_measurement():
    """All nulls of Gaussian weights agree with the weights, within some of their own sd."""
    state = {"a.weight": np.random.default_rng(0).standard_normal((120, 100)).astype(np.float32)}
    rows = measure_rows(state, ("bdm", "bdm_2d"), preset="fixed", controls=("shuffle", "gaussian"))
    found = values_of([row for row in rows if row["scope"] == "model"])
    for metric in ("bdm", "bdm_2d", "qubd", "qubd_plane0", "qubd_plane7"):
        for control in ("shuffle", "gaussian"):
            mean, sd = found["", f"{metric}_{control}_mean"], found["", f"{metric}_{control}_sd"]
            measured = found["", metric]
            assert sd > 0
            assert abs(measured - mean) < 0.02 * measured, (metric, control)


def test_scored_and_dropped_are_those_of_the_measurement():
    for preset in ("fixed", "qubd-paper"):
        rows = measure_rows(weights(), ("bdm", "bdm_2d"), preset=preset, controls=("shuffle", "gaussian"))
        by_place = {(row["tensor"], row["metric"]): row for row in rows}
        for (tensor, metric), row in by_place.items():
            if metric.endswith(("_shuffle_mean", "_gaussian_sd")):
                measured = by_place[tensor, metric.split("_shuffle")[0].split("_gaussian")[0]]
                assert (row["scored"], row["dropped"]) == (measured["scored"], measured["dropped"]), (tensor, metric)
                assert row["unit"] == "bits"
                assert row["preset"] == measured["preset"]


def test_other_rows_do_not_change():
    rows = measure_rows(weights(), ("bdm", "bdm_2d"), preset="fixed", controls=CONTROLS)
    kept = [row for row in rows if not any(f"_{name}" in row["metric"] for name in CONTROLS)]
    assert kept == measure_rows(weights(), ("bdm", "bdm_2d"), preset="fixed")


def test_without_tensor_rows_only_the_model_has_nulls():
    rows = measure_rows(weights(), ("bdm",), preset="fixed", controls=("shuffle",), scope="model")
    assert {row["scope"] for row in rows} == {"model"}
    assert sum("_shuffle_" in row["metric"] for row in rows) == 2 * (1 + 9)


def test_nothing_depends_on_threads():
    one, two = (
        read(ControlReader(["shuffle"], ["bdm"], FIXED, True, repetitions=4, threads=n), weights()) for n in (1, 2)
    )
    assert one == two


def test_planes_are_not_shuffled_within_rows():
    rows = read(ControlReader(["shuffle_row"], ["bdm"], FIXED, True), weights())
    skipped = [row for row in rows if row["metric"].startswith("qubd")]
    assert [(row["metric"], row["status"]) for row in skipped] == [("qubd_shuffle_row_mean", "skipped")]
    assert "sign bits" in skipped[0]["reason"]


def test_a_failure_is_the_reason():
    reader = ControlReader(["shuffle", "gaussian"], ["bdm"], FIXED, True)
    reader.read(NamedTensor("a", np.array([[1, np.nan] * 3] * 6), "matrix"), {})
    rows = reader.model_rows({}, InputError("tensor a: NaN"))
    assert [row["metric"] for row in rows] == [
        f"{m}_{c}_mean" for c in ("shuffle", "gaussian") for m in ("bdm", "qubd")
    ]
    assert {(row["status"], row["reason"]) for row in rows} == {("skipped", "tensor a: NaN")}
    rows = measure_rows(weights() | {"bad.weight": np.full((4, 4), np.inf)}, ("bdm",), controls=("all",))
    nulls = [row for row in rows if row["metric"].startswith("bdm_") and "iid" not in row["metric"]]
    assert nulls
    assert all("bad.weight" in row["reason"] for row in nulls)


def test_one_control_fails_alone():
    wide = {"wide.weight": np.array([[-3e38] * 4, [3e38] * 4] * 2, np.float32)}
    found = {row["metric"]: row for row in read(ControlReader(["shuffle"], ["bdm_2d"], FIXED, True), wide)}
    assert found["bdm_2d_shuffle_mean"]["status"] == "ok"
    assert "wide.weight" in found["qubd_shuffle_mean"]["reason"]
    huge = {"a.weight": np.array([[-1e300, 1e300] * 2] * 4)}
    found = {row["metric"]: row for row in read(ControlReader(["shuffle", "gaussian"], ["bdm_2d"], None, True), huge)}
    assert found["bdm_2d_shuffle_mean"]["status"] == "ok"
    assert "a.weight" in found["bdm_2d_gaussian_mean"]["reason"]


def test_models_without_blocks_or_matrices_say_so():
    rows = read(ControlReader(["shuffle", "gaussian"], ["bdm", "bdm_2d"], FIXED, True), {"a": np.ones(5, np.float32)})
    assert {row["status"] for row in rows} == {"skipped"}
    assert {row["reason"] for row in rows} == {
        "5 weights, not one complete block",
        "no tensor is a matrix large enough for these rules",
    }


def test_overlapping_windows_are_not_shuffled():
    rules = Rules(bits=2, boundary="correlated")
    rows = values_of(
        read(ControlReader(["shuffle", "gaussian"], [], rules, True), {"a.weight": weights()["fc.weight"]})
    )
    assert rows["", "qubd_shuffle_mean"] is None
    assert rows["", "qubd_gaussian_mean"] > 0


def test_permutations_of_a_module():
    module = network()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    source = ModuleWeights(module, "network")
    rows = permutation_rows(source, ("bdm", "gzip", "bdm_2d"), PAPER, {"tensor": ""}, marks={"preset": "mine"})
    found = values_of(rows)
    assert {metric for _, metric in found} == {
        f"{metric}_permutation_{kind}"
        for metric in ("bdm", "bdm_2d", "qubd", "qubd_plane0", "qubd_plane1", "qubd_plane2")
        for kind in ("mean", "sd")
    }

    def bdm():
        return next(row["value"] for row in measure_rows(module, ("bdm",), scope="model") if row["metric"] == "bdm")

    drawn = permuted_scores(module, couplings_of(module), bdm, n=5)
    assert found["", "bdm_permutation_mean"] == pytest.approx(drawn.mean())
    assert found["", "bdm_permutation_sd"] == pytest.approx(drawn.std(ddof=1))
    assert found["", "qubd_permutation_sd"] > 0
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    moved = sum(values.numel() for name, values in before.items() if name != "4.bias")
    assert {(row["scored"], row["dropped"]) for row in rows} == {(moved, 7)}
    assert {row.get("preset") for row in rows if "qubd" in row["metric"]} == {"mine"}


def test_permutations_that_cannot_be_made_say_why(monkeypatch):
    rows = measure_rows(weights(), ("bdm",), preset="fixed", controls=("permutation",))
    nulls = {row["metric"]: row["reason"] for row in rows if "permutation" in row["metric"]}
    assert nulls == dict.fromkeys(("bdm_permutation_mean", "qubd_permutation_mean"), "needs a module, these are files")

    def reason(module):
        (row,) = permutation_rows(ModuleWeights(module, "x"), ("bdm",), None, {})
        assert row["status"] == "skipped"
        return row["reason"]

    assert "no units were found" in reason(nn.Linear(3, 4))
    assert "no input size is known" in reason(nn.LayerNorm(5))
    assert "RuntimeError" in reason(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 6)))
    monkeypatch.setattr(survey_controls, "LARGEST", 10)
    assert "weights, and which units" in reason(network())
    assert permutation_rows(ModuleWeights(network(), "x"), ("gzip",), None, {}) == []


def test_states_of_one_model_share_their_couplings(monkeypatch):
    found = []
    search = survey_controls.couplings_of
    monkeypatch.setattr(survey_controls, "couplings_of", lambda module: found.append(module) or search(module))
    monkeypatch.setattr(survey_controls, "_KNOWN", {})
    sources = [ModuleWeights(network(), "x") for _ in range(3)]
    for source in sources:
        permutation_rows(source, ("bdm",), None, {"model": "a"})
    assert len(found) == 1
    permutation_rows(sources[0], ("bdm",), None, {"model": "b"})
    permutation_rows(ModuleWeights(network()[:3], "x"), ("bdm",), None, {"model": "b"})
    permutation_rows(sources[0], ("bdm",), None, {})
    assert len(found) == 4


def test_names_are_checked():
    assert checked_controls(["all"]) == CONTROLS
    assert checked_controls([]) == ()
    with pytest.raises(UnknownNameError, match="did you mean shuffle_row"):
        checked_controls(["shuffle_rows"])
    with pytest.raises(InputError, match="2 or more"):
        ControlReader(["shuffle"], ["bdm"], None, True, repetitions=1)
    plan = make_plan("digits", selection=Selection(models=("resnet8_w6",)), controls=("gaussian", "shuffle"))
    assert set(plan.controls) == {"gaussian", "shuffle"}
