"""The rows of one step: equal to the definitions and to a survey's, with a reason for whatever has no number."""

import pickle
from math import log2

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import Rules, qubd_rules
from complexity_lab.survey.single import measure_rows
from complexity_lab.tables.steps import STEPS
from complexity_lab.trajectory.probe import StepProbe
from complexity_lab.weights.source import NamedTensor, SkippedTensor
from tests.naive import bdm as naive_bdm
from tests.naive import qubd as naive_qubd

SURVEYED = ("scope", "tensor", "kind", "shape", "metric", "value", "unit", "status")


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "a.weight": rng.standard_normal((24, 20)).astype(np.float32),
        "a.bias": rng.standard_normal(24).astype(np.float32),
        "b.weight": rng.standard_normal((8, 3, 3, 3)),
        "thin.weight": rng.standard_normal((3, 50)).astype(np.float16),
    }


def tensors(state):
    return [NamedTensor(name, values, "bias" if values.ndim == 1 else "matrix") for name, values in state.items()]


def numbers(rows, scope="model"):
    return {row["metric"]: row["value"] for row in rows if row["scope"] == scope}


def by_place(rows):
    rows = list(rows)
    found = {(row["tensor"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def naive_score(plane):
    """BDM of a plane by 4x4 blocks, from the table alone."""
    table = ctm_table((4, 4))
    blocks = [naive_bdm.code(block) for block in naive_bdm.square_blocks(plane.tolist(), 4)]
    return sum(table[block] + log2(blocks.count(block)) for block in set(blocks))


def naive_bdm_of(values):
    table = ctm_table((12,))
    blocks = [naive_bdm.code(block) for block in naive_bdm.string_blocks(naive_bdm.bits_of(values), 12)]
    return sum(table[block] + log2(blocks.count(block)) for block in set(blocks))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_numbers_are_those_of_the_definitions(shapes, seed):
    """Strings run over the borders of tensors; planes are scored tensor by tensor."""
    rng = np.random.default_rng(seed)
    state = {f"{place}.weight": rng.standard_normal(shape).astype(np.float32) for place, shape in enumerate(shapes)}
    rows = StepProbe(("bdm",), Rules(bits=3)).rows(tensors(state))
    stream = [value for values in state.values() for value in values.reshape(-1).tolist()]
    found = numbers(rows)
    assert found["bdm"] == (pytest.approx(naive_bdm_of(stream)) if len(stream) >= 12 else None)
    large = [values for values in state.values() if min(values.shape) >= 4]
    planes = np.sum([naive_qubd.qubd(values, 3, 99.9, naive_score) for values in large], axis=0)
    if not large:
        assert found["qubd"] is None
    else:
        assert [found[f"qubd_plane{plane}"] for plane in range(3)] == pytest.approx(planes.tolist())
        assert found["qubd"] == pytest.approx(planes.sum())


@pytest.mark.parametrize("preset", ["fixed", "qubd-paper"])
def test_rows_are_those_of_a_survey(preset):
    metrics = ("bdm", "block_entropy_normalized", "bdm_2d", "gzip", "gzip:float32", "lz76_density", "mantissa_entropy")
    ours = StepProbe(metrics, qubd_rules(preset), tensor_rows=True).rows(tensors(weights()))
    theirs = [row for row in measure_rows(weights(), metrics, preset=preset) if "_iid_" not in row["metric"]]
    ours = by_place(ours)
    theirs = by_place(row for row in theirs if row["scope"] == "model" or "gzip" not in row["metric"])
    assert ours.keys() == theirs.keys()
    for place, row in theirs.items():
        for column in SURVEYED[2:]:
            assert ours[place][column] == (pytest.approx(row[column]) if column == "value" else row[column]), place
        if row["status"] == "ok":
            assert (ours[place]["scored"], ours[place]["dropped"]) == (row["scored"], row["dropped"])


def test_rows_have_the_columns_of_the_table():
    names = [name for name, _, _ in STEPS]
    wanted = {*names[names.index("scope") : names.index("dropped") + 1], "status", "reason"}
    probe = StepProbe(("bdm", "bdm_2d", "gzip"), Rules(bits=2), tensor_rows=True, shuffles=2)
    assert all(row.keys() == wanted for row in probe.rows(tensors(weights())))


def test_without_tensor_rows_there_are_those_of_the_network():
    probe = StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2)
    rows = probe.rows(tensors(weights()))
    assert {row["scope"] for row in rows} == {"model"}
    every = StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2, tensor_rows=True).rows(tensors(weights()))
    assert [row for row in every if row["scope"] == "model"] == rows


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_not_finite_is_named_and_ends_nothing(bad, first):
    state = weights()
    state["a.weight"][2, 3] = bad
    order = tensors(state) if first else tensors(state)[::-1]
    metrics = ("bdm", "bdm_2d", "gzip", "exponent_entropy")
    rows = by_place(StepProbe(metrics, Rules(bits=2), tensor_rows=True, shuffles=2).rows(order))
    for name in (*metrics, "qubd", "bdm_shuffle_mean", "bdm_2d_shuffle_mean", "qubd_shuffle_mean"):
        row = rows["", name]
        assert (row["status"], row["value"]) == ("failed", None)
        assert row["reason"].startswith("tensor a.weight: 1 of 480 weights are NaN or infinite")
    assert rows["a.weight", "bdm"]["status"] == rows["a.weight", "qubd"]["status"] == "failed"
    assert rows["b.weight", "bdm"]["status"] == rows["b.weight", "qubd"]["status"] == "ok"
    assert not [key for key in rows if key[0] == "" and key[1].startswith("qubd_plane")]


def test_a_range_that_no_float_holds_fails_the_planes_alone():
    state = weights()
    state["a.weight"][0, :2] = np.finfo(np.float32).max, np.finfo(np.float32).min
    found = by_place(StepProbe(("bdm",), Rules(bits=2, clip=None)).rows(tensors(state)))
    assert found["", "bdm"]["status"] == "ok"
    assert found["", "qubd"]["reason"].startswith("tensor a.weight: weights range from")


def test_what_is_skipped_says_why():
    left_out = SkippedTensor("steps", (2, 2), "int64", "other", "not floating point (int64)")
    rows = by_place(StepProbe(("bdm",), Rules(bits=2), tensor_rows=True).rows([*tensors(weights()), left_out]))
    assert rows["steps", "bdm"]["reason"] == rows["steps", "qubd"]["reason"] == "not floating point (int64)"
    assert "2 or more" in rows["a.bias", "qubd"]["reason"]
    assert "3x50" in rows["thin.weight", "qubd"]["reason"]
    assert rows["", "bdm"]["scored"] + rows["", "bdm"]["dropped"] == sum(v.size for v in weights().values())


@pytest.mark.parametrize("given", [[], [SkippedTensor("a", (0,), "float32", "other", "zero-size tensor")]])
def test_a_network_without_weights_has_no_numbers(given):
    rows = StepProbe(("bdm", "gzip"), Rules(bits=2)).rows(given)
    assert {row["status"] for row in rows} == {"failed"}
    assert "no tensor has trainable" in rows[0]["reason"]


def test_a_shuffled_self_keeps_the_values_and_loses_their_places():
    """The mean over many explicit permutations is that of the rows, within the spread of both."""
    state = weights()
    state["a.weight"] = np.sort(state["a.weight"], axis=None).reshape(24, 20)  # as arranged as can be
    del state["thin.weight"]
    found = numbers(StepProbe(("bdm", "bdm_2d"), Rules(bits=2), shuffles=100, seed=1).rows(tensors(state)))
    rng, plain = np.random.default_rng(5), StepProbe(("bdm", "bdm_2d"), Rules(bits=2))
    drawn = []
    for _ in range(100):
        moved = {name: rng.permutation(values.reshape(-1)).reshape(values.shape) for name, values in state.items()}
        drawn.append(numbers(plain.rows(tensors(moved))))
    for metric in ("bdm", "bdm_2d", "qubd", "qubd_plane0", "qubd_plane1"):
        values = np.array([each[metric] for each in drawn])
        sd = found[f"{metric}_shuffle_sd"]
        assert found[f"{metric}_shuffle_mean"] == pytest.approx(values.mean(), abs=5 * sd / np.sqrt(50))
        assert sd == pytest.approx(values.std(ddof=1), rel=0.5)
    assert found["qubd"] < found["qubd_shuffle_mean"] - 5 * found["qubd_shuffle_sd"]


def test_planes_of_a_shuffle_move_together():
    """The sd of the sum is not that of independent planes: it is taken over the sums."""
    state = {"w": np.random.default_rng(0).laplace(size=(40, 40)).astype(np.float32)}
    found = numbers(StepProbe((), Rules(bits=3), shuffles=300).rows(tensors(state)))
    means = sum(found[f"qubd_plane{plane}_shuffle_mean"] for plane in range(3))
    assert found["qubd_shuffle_mean"] == pytest.approx(means, rel=1e-12)


def test_shuffles_depend_on_the_seed_alone():
    probes = [
        StepProbe(("bdm",), Rules(bits=2), shuffles=3, seed=seed, threads=t) for seed, t in ((0, 1), (0, 2), (1, 1))
    ]
    one, threaded, other = (numbers(probe.rows(tensors(weights()))) for probe in probes)
    assert one == threaded
    assert one["qubd_shuffle_mean"] != other["qubd_shuffle_mean"]
    assert one["bdm_shuffle_mean"] != other["bdm_shuffle_mean"]
    assert one["bdm"] == other["bdm"]


def test_one_shuffle_has_no_spread():
    rows = by_place(StepProbe(("bdm",), Rules(bits=2), shuffles=1).rows(tensors(weights())))
    assert rows["", "bdm_shuffle_mean"]["status"] == "ok"
    for name in ("bdm_shuffle_sd", "qubd_shuffle_sd", "qubd_plane1_shuffle_sd"):
        assert (rows["", name]["status"], rows["", name]["reason"]) == ("skipped", "one shuffle has no spread")


def test_too_few_weights_for_a_block_are_skipped():
    rows = by_place(StepProbe(("bdm", "bdm_2d"), shuffles=2).rows(tensors({"w": np.ones((2, 3))})))
    assert {row["status"] for row in rows.values()} == {"skipped"}
    assert "6 weights, not one complete block of 12" in rows["", "bdm"]["reason"]
    assert "4x4" in rows["", "bdm_2d_shuffle_mean"]["reason"]


def test_a_module_is_read_in_model_order_and_left_alone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Linear(30, 7))
    network[2].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = by_place(StepProbe(("bdm",), Rules(bits=2), tensor_rows=True, shuffles=1).rows_of(network))
    state = {name: value.detach().numpy() for name, value in network.named_parameters() if name != "2.bias"}
    assert rows["", "bdm"]["value"] == pytest.approx(naive_bdm_of(np.concatenate([v.ravel() for v in state.values()])))
    assert rows["2.bias", "bdm"]["reason"] == "frozen (not trainable)"
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weights_that_could_not_be_read_have_a_failed_row_per_metric():
    rows = StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2, tensor_rows=True).without_numbers("it is truncated")
    assert [row["metric"] for row in rows] == ["bdm", "bdm_shuffle_mean", "gzip", "qubd", "qubd_shuffle_mean"]
    assert {(row["status"], row["reason"], row["scope"]) for row in rows} == {("failed", "it is truncated", "model")}


def test_a_probe_travels_to_workers():
    probe = StepProbe(("bdm", "gzip"), Rules(bits=2), shuffles=2)
    assert probe.counted  # a cached property must not keep it from being pickled
    assert pickle.loads(pickle.dumps(probe)) == probe


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"metrics": ("bdmm",)}, UnknownNameError, "did you mean bdm"),
        ({"metrics": ()}, InputError, "something to measure"),
        ({"shuffles": -1}, InputError, "wanted 0 or more"),
        ({"rules": Rules(boundary="correlated"), "shuffles": 1}, InputError, "overlapping"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(arguments, error, words):
    with pytest.raises(error, match=words):
        StepProbe(**arguments)
