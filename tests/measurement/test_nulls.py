"""Rows of null models: those of the functions that draw them, per tensor and summed, or why there are none."""

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.binary.planes import quantize
from complexity_lab.controls import nulls, registry
from complexity_lab.controls.couplings import couplings_of, permuted_scores
from complexity_lab.controls.gaussian import gaussian_scores
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.controls.nulls import permutation
from complexity_lab.controls.registry import opt_in_names
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.presets import preset_of
from complexity_lab.estimators.qubd import Rules
from complexity_lab.measurement.nulls import NullReader
from complexity_lab.measurement.rows import Subject, Target
from complexity_lab.measurement.spec import spec_of
from tests.measurement.rows import by_quantity, rows_of, tensors, values, weights

PAPER = preset_of("qubd-paper", 3).rules
SCORED = ("conv.weight", "fc.weight")  # by the rules of the paper, in order


def of(rows, null):
    """Return the rows of one null model by tensor, metric, plane and statistic."""
    found = by_quantity(rows)
    return {(key[0], key[1], key[2], key[4]): row for key, row in found.items() if key[3] == null}


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 7))


@pytest.mark.parametrize(
    ("control", "within"), [("shuffle", "tensor"), ("shuffle_channel", "channel"), ("shuffle_row", "row")]
)
def test_shuffles_of_sign_bits(control, within):
    found = of(rows_of(weights(), "gzip,bdm_2d,bdm", controls=control, draws=7), control)
    null = ShuffleNull(within, repetitions=7)
    for array in weights().values():
        null.add(array)
    for metric, drawn in (("bdm", null.strings()), ("bdm_2d", null.squares())):
        scores = np.array([bdm_of(counts) for counts in drawn])
        assert found.pop((None, metric, None, "mean")).value == scores.mean()
        assert found.pop((None, metric, None, "sd")).value == scores.std(ddof=1)
    assert not found


def test_shuffles_of_planes_are_summed_draw_by_draw():
    """Planes of a shuffle move together: the sd of the sum is that of the sums."""
    rows = rows_of(weights(), "gzip", preset="qubd-paper", bits=3, controls="shuffle", draws=6, seed=4)
    found = {key: row.value for key, row in of(rows, "shuffle").items()}
    total = np.zeros((6, 3))
    for place, name in enumerate(SCORED, start=1):
        drawn = shuffled_planes(quantize(weights()[name], 3), ctm_table, repetitions=6, seed=(4, place))
        total += drawn
        assert found[name, "qubd", None, "mean"] == pytest.approx(drawn.sum(axis=1).mean(), rel=1e-14)
        assert found[name, "qubd", None, "sd"] == pytest.approx(drawn.sum(axis=1).std(ddof=1), rel=1e-12)
        assert found[name, "qubd", 2, "mean"] == drawn[:, 2].mean()
    assert found[None, "qubd", None, "sd"] == pytest.approx(total.sum(axis=1).std(ddof=1), rel=1e-12)
    assert found[None, "qubd", 0, "sd"] == total[:, 0].std(ddof=1)
    assert {key[0] for key in found} == {*SCORED, None}
    assert len(found) == 3 * 2 * 4


def test_gaussians_of_planes_are_drawn_anew_for_every_tensor():
    rows = rows_of(weights(), "gzip", preset="qubd-paper", bits=3, controls="gaussian", seed=4)
    found = {key: row.value for key, row in of(rows, "gaussian").items()}
    total = np.zeros((3, 3))
    for place, name in enumerate(SCORED, start=1):
        total += gaussian_scores(weights()[name], lambda w: PAPER.score(w).planes, repetitions=3, seed=(4, place))
    assert found[None, "qubd", None, "mean"] == pytest.approx(total.sum(axis=1).mean(), rel=1e-14)
    assert found[None, "qubd", 1, "sd"] == total[:, 1].std(ddof=1)
    assert {key[0] for key in found} == {None}


def test_a_shuffled_self_keeps_the_values_and_loses_their_places():
    """The mean over many explicit permutations is that of the rows, within the spread of both."""
    state = {name: array for name, array in weights().items() if name != "thin.weight"}
    state["fc.weight"] = np.sort(state["fc.weight"], axis=None).reshape(30, 33)  # as arranged as can be
    found = by_quantity(rows_of(state, "bdm,bdm_2d", bits=2, controls="shuffle", draws=100, seed=1, tensor_rows=False))
    rng, drawn = np.random.default_rng(5), []
    for _ in range(100):
        moved = {name: rng.permutation(array.reshape(-1)).reshape(array.shape) for name, array in state.items()}
        drawn.append(values(rows_of(moved, "bdm,bdm_2d", bits=2, tensor_rows=False)))
    for metric, plane in (("bdm", None), ("bdm_2d", None), ("qubd", None), ("qubd", 0), ("qubd", 1)):
        scores = np.array([each[None, metric, plane] for each in drawn])
        mean, sd = (found[None, metric, plane, "shuffle", statistic].value for statistic in ("mean", "sd"))
        assert mean == pytest.approx(scores.mean(), abs=5 * sd / np.sqrt(50))
        assert sd == pytest.approx(scores.std(ddof=1), rel=0.5)


def test_null_models_of_random_weights_are_near_them():
    state = {"a.weight": np.random.default_rng(0).standard_normal((120, 100)).astype(np.float32)}
    found = by_quantity(rows_of(state, "bdm,bdm_2d", preset="fixed", controls=("shuffle", "gaussian")))
    for (tensor, metric, plane, null, statistic), row in found.items():
        if tensor is None and null is not None:
            measured = found[None, metric, plane, None, "value"].value
            assert row.value > 0 if statistic == "sd" else abs(measured - row.value) < 0.02 * measured


def test_scored_dropped_unit_and_preset_are_those_of_the_measurement():
    for preset in ("fixed", "qubd-paper"):
        found = by_quantity(rows_of(weights(), "bdm,bdm_2d", preset=preset, controls=("shuffle", "gaussian"), draws=2))
        for (tensor, metric, plane, null, _), row in found.items():
            measured = found[tensor, metric, plane, None, "value"]
            assert (row.scored, row.dropped, row.unit, row.preset) == (
                *(measured.scored, measured.dropped, measured.unit, measured.preset),
            ), (tensor, metric, null)


def test_without_tensor_rows_only_the_model_has_null_models():
    rows = rows_of(weights(), "bdm", preset="fixed", controls="shuffle", tensor_rows=False)
    assert {row.scope for row in rows} == {"model"}
    assert len(of(rows, "shuffle")) == 2 * (1 + 9)


def test_draws_depend_on_the_seed_alone():
    options = {"preset": "fixed", "bits": 2, "controls": ("shuffle", "gaussian", "shuffle_row"), "draws": 3}
    one, threaded, other = (
        rows_of(weights(), "bdm", threads=threads, seed=seed, **options) for threads, seed in ((1, 0), (2, 0), (1, 1))
    )
    assert one == threaded
    assert values(one) == values(other)
    for null in options["controls"]:
        assert of(one, null)[None, "bdm", None, "mean"].value != of(other, null)[None, "bdm", None, "mean"].value


def test_planes_that_have_no_null_model_say_why():
    rows = of(rows_of(weights(), "bdm", preset="fixed", controls="shuffle_row"), "shuffle_row")
    assert [row.status for key, row in rows.items() if key[1] == "qubd"] == ["skipped"]
    assert "sign bits" in rows[None, "qubd", None, "mean"].reason
    lines = of(rows_of({"a": np.ones(5, np.float32)}, "bdm,bdm_2d", preset="fixed", controls="gaussian"), "gaussian")
    assert {(row.metric, row.status, row.reason) for row in lines.values()} == {
        ("bdm", "skipped", "5 weights, not one complete block"),
        ("bdm_2d", "skipped", "5 weights, not one complete block"),
        ("qubd", "skipped", "no tensor is a matrix large enough for these rules"),
    }


def test_overlapping_windows_are_not_shuffled(monkeypatch):
    rules = Rules(bits=2, boundary="correlated")
    monkeypatch.setattr("complexity_lab.measurement.spec.MeasurementSpec.rules", rules)
    for name, status in (("shuffle", "skipped"), ("gaussian", "ok")):
        reader = NullReader(registry.null_models()[name], spec_of("qubd", draws=2), threads=1)
        for tensor in tensors({"a.weight": weights()["fc.weight"]}):
            reader.read(tensor, Target(Subject()).of_tensor(tensor))
        row = reader.model_rows(Target(Subject()))[0]
        assert row.status == status
        assert row.status == "ok" or "overlap" in row.reason


def test_one_null_model_fails_alone():
    huge = {"a.weight": np.array([[-1e300, 1e300] * 2] * 4)}
    rows = rows_of(huge, "bdm_2d", controls=("shuffle", "gaussian"))
    assert of(rows, "shuffle")[None, "bdm_2d", None, "mean"].status == "ok"
    assert "tensor a.weight" in of(rows, "gaussian")[None, "bdm_2d", None, "mean"].reason
    wide = {"wide.weight": np.array([[-3e38] * 4, [3e38] * 4] * 2, np.float32)}
    shuffled = of(rows_of(wide, "bdm_2d", preset="fixed", controls="shuffle"), "shuffle")
    assert shuffled[None, "bdm_2d", None, "mean"].status == "ok"
    assert "wide.weight" in shuffled[None, "qubd", None, "mean"].reason


def test_permutations_of_a_module():
    module = network()
    before = {name: array.clone() for name, array in module.state_dict().items()}
    rows = of(rows_of(module, "bdm,gzip,bdm_2d", preset="qubd-paper", bits=3, controls="permutation"), "permutation")
    assert {key[1:3] for key in rows} == {
        ("bdm", None),
        ("bdm_2d", None),
        ("qubd", None),
        *(("qubd", i) for i in range(3)),
    }

    def scores():
        found = values(rows_of(module, "bdm", preset="qubd-paper", bits=3, tensor_rows=False))
        return [found[None, "bdm", None], found[None, "qubd", 1]]

    drawn = permuted_scores(module, couplings_of(module), scores, n=5)
    for column, quantity in enumerate((("bdm", None), ("qubd", 1))):
        assert rows[None, *quantity, "mean"].value == drawn[:, column].mean()
        assert rows[None, *quantity, "sd"].value == drawn[:, column].std(ddof=1)
    assert all(torch.equal(array, before[name]) for name, array in module.state_dict().items())
    moved = sum(array.numel() for name, array in before.items() if name != "4.bias")
    assert {(row.scored, row.dropped) for row in rows.values()} == {(moved, 7)}
    assert {(row.metric == "qubd", row.preset) for row in rows.values()} == {(True, "qubd-paper"), (False, None)}


def test_permutations_that_cannot_be_made_say_why(monkeypatch):
    rows = of(rows_of(weights(), "bdm", preset="fixed", controls="permutation"), "permutation")
    assert {key[1:]: row.reason for key, row in rows.items()} == dict.fromkeys(
        (("bdm", None, "mean"), ("qubd", None, "mean")), "needs a module, these are files"
    )

    def reason(module):
        (row,) = of(rows_of(module, "bdm", controls="permutation"), "permutation").values()
        assert row.status == "skipped"
        return row.reason

    assert "no units were found" in reason(nn.Linear(3, 4))
    assert "no input size is known" in reason(nn.LayerNorm(5))
    assert "RuntimeError" in reason(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 6)))
    monkeypatch.setattr(permutation, "LARGEST", 10)
    assert "weights, and which units" in reason(network())
    assert of(rows_of(network(), "gzip", controls="permutation"), "permutation") == {}


def test_states_of_one_model_share_their_couplings(monkeypatch):
    found, search = [], permutation.couplings_of
    monkeypatch.setattr(permutation, "couplings_of", lambda module: found.append(module) or search(module))
    monkeypatch.setattr(permutation, "_KNOWN", {})
    for module, model in ((network(), "a"), (network(), "a"), (network(), "b"), (network()[:3], "b"), (network(), "")):
        rows_of(module, "bdm", controls="permutation", model=model)
    assert len(found) == 4


SECOND = '''
"""Signs drawn anew by a fair coin, an exercise."""

import numpy as np

from complexity_lab.binary.counting import SQUARE, StreamCounter, block_counts
from complexity_lab.controls.null import TensorNull


class Coins:
    def __init__(self, *, repetitions, seed, shapes):
        self.rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(repetitions)]
        self.streams = [StreamCounter() for _ in self.rngs]

    def add(self, weights):
        for rng, stream in zip(self.rngs, self.streams):
            stream.add(rng.integers(0, 2, weights.shape))

    def strings(self):
        return [stream.result() for stream in self.streams]

    def squares(self):
        raise AssertionError("not among the metrics")


NULL = TensorNull(
    name="coins", label="coins", description="signs by a fair coin", keeps="size", metrics=("bdm",), bits=Coins
)
'''


@pytest.fixture
def coins(tmp_path, monkeypatch):
    """One more null model, in a file of its own."""
    (tmp_path / "coins.py").write_text(SECOND)
    monkeypatch.setattr(nulls, "__path__", [*nulls.__path__, str(tmp_path)])
    registry.null_models.cache_clear()
    yield
    registry.null_models.cache_clear()


def test_a_null_model_is_one_file(coins):
    assert opt_in_names()[-1] == "coins"
    found = of(rows_of(weights(), "bdm,bdm_2d", preset="fixed", controls="coins"), "coins")
    mean, sd = (found[None, "bdm", None, statistic] for statistic in ("mean", "sd"))
    fair = of(rows_of(weights(), "bdm"), "fair")[None, "bdm", None, "mean"]
    assert abs(mean.value - fair.value) < sd.value
    assert sd.value > 0
    assert (mean.scored, mean.blocks) == (fair.scored, fair.blocks)
    assert found[None, "qubd", None, "mean"].reason == "only sign bits are drawn"
    assert {key[1] for key in found} == {"bdm", "qubd"}
