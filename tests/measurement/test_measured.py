"""From a source to rows, against the definitions and the estimators applied to the whole weights at once."""

from concurrent.futures import Future
from dataclasses import replace
from math import log2

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import complexity_lab as cl
from complexity_lab.binary.counting import SQUARE
from complexity_lab.controls.iid import iid_null_of
from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.compressors import compress, payload
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.estimator import REGISTRY
from complexity_lab.measurement.compression import compressor_pool
from complexity_lab.measurement.measured import BATCH, failed_rows, measure_module, measure_source
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.single import measure
from complexity_lab.measurement.spec import spec_of
from complexity_lab.weights.source import SkippedTensor
from tests.measurement.rows import Given, by_quantity, measured, rows_of, tensors, values
from tests.naive import bdm as naive_bdm
from tests.naive import qubd as naive_qubd

STATE = {
    "conv.weight": np.random.default_rng(0).standard_normal((16, 3, 5, 5)).astype(np.float32),
    "norm.weight": np.ones(16, np.float32),
    "fc.weight": np.random.default_rng(1).standard_normal((33, 50)).astype(np.float16),
    "fc.bias": np.zeros(7, np.float32),
    "count": np.arange(3),
    "empty": np.zeros((0, 4), np.float32),
    "narrow.weight": np.random.default_rng(2).standard_normal((3, 40)).astype(np.float32),
}
FLOATS = [array for array in STATE.values() if array.dtype.kind == "f"]
STREAM = np.concatenate([array.astype(np.float32).ravel() for array in FLOATS])
EVERY = ",".join(REGISTRY)


def sum_of_blocks(blocks, shape):
    codes = [naive_bdm.code(block) for block in blocks]
    return sum(ctm_table(shape)[code] + log2(codes.count(code)) for code in set(codes))


def naive_stream(numbers):
    return sum_of_blocks(naive_bdm.string_blocks(naive_bdm.bits_of(numbers), 12), (12,))


def naive_plane(plane):
    return sum_of_blocks(naive_bdm.square_blocks(plane.tolist(), 4), SQUARE)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_numbers_are_those_of_the_definitions(shapes, seed):
    """Strings run over the borders of tensors; planes are scored tensor by tensor."""
    rng = np.random.default_rng(seed)
    state = {f"{place}.weight": rng.standard_normal(shape).astype(np.float32) for place, shape in enumerate(shapes)}
    found = values(rows_of(state, "bdm", preset="qubd-paper", bits=3, tensor_rows=False))
    stream = [value for array in state.values() for value in array.reshape(-1).tolist()]
    assert found[None, "bdm", None] == (pytest.approx(naive_stream(stream)) if len(stream) >= 12 else None)
    large = [array for array in state.values() if min(array.shape) >= 4]
    planes = np.sum([naive_qubd.qubd(array, 3, 99.9, naive_plane) for array in large], axis=0)
    if not large:
        assert found[None, "qubd", None] is None
    else:
        assert [found[None, "qubd", plane] for plane in range(3)] == pytest.approx(planes.tolist())
        assert found[None, "qubd", None] == pytest.approx(planes.sum())


def test_model_rows_are_the_estimators_of_the_whole_stream():
    found = measured(STATE, "bdm,block_entropy,gzip,lzma:float32")
    rows = by_quantity(found.rows)
    model = {row.metric: row for row in rows.values() if row.scope == "model" and row.null is None}
    counts = cl.block_counts(STREAM)
    assert model["bdm"].value == bdm_of(counts)
    assert model["block_entropy"].value == cl.block_entropy(STREAM > 0)
    assert model["gzip"].value == compress(payload(STREAM), "gzip").rate
    assert model["lzma:float32"].raw_bytes == 4 * STREAM.size
    bdm = model["bdm"]
    facts = (bdm.scored, bdm.dropped, bdm.ones, bdm.blocks, bdm.distinct_blocks)
    assert facts == (counts.scored, counts.dropped, counts.ones, counts.blocks, counts.distinct)
    assert found.parameters == STREAM.size
    (histogram,) = found.histograms
    assert (histogram.block, histogram.counts.tolist()) == ("12", counts.counts.tolist())


def test_squares_of_a_model_are_those_of_its_tensors():
    matrices = [array.reshape(array.shape[0], -1) for array in FLOATS if array.ndim >= 2 and array.size]
    total = sum((cl.block_counts(m, SQUARE) for m in matrices[1:]), start=cl.block_counts(matrices[0], SQUARE))
    model = by_quantity(rows_of(STATE, "bdm_2d"))[None, "bdm_2d", None, None, "value"]
    assert model.value == bdm_of(total)
    assert model.scored + model.dropped == STREAM.size


def test_null_models_from_counts_come_with_their_metric():
    rows = by_quantity(rows_of(STATE, "bdm,bdm_2d,gzip"))
    counts = cl.block_counts(STREAM)
    null = iid_null_of(counts, ctm_table((12,)))
    assert rows[None, "bdm", None, "iid", "mean"].value == null.mean
    assert rows[None, "bdm", None, "iid", "sd"].value == null.sd
    fair, biased = (rows[None, "bdm", None, name, "mean"] for name in ("fair", "share_45"))
    assert fair.value == iid_null_of(counts, ctm_table((12,)), 0.5).mean > biased.value
    assert (fair.scored, fair.blocks, fair.unit) == (counts.scored, counts.blocks, "bits")
    assert {key[1] for key in rows if key[3] is not None} == {"bdm", "bdm_2d"}
    assert (None, "bdm", None, "fair", "sd") not in rows


def test_every_tensor_has_a_row_and_what_is_not_scored_says_why():
    rows = [row for row in rows_of(STATE, "bdm,bdm_2d") if row.scope == "tensor"]
    assert list(dict.fromkeys(row.tensor for row in rows)) == list(STATE)
    said = {(row.tensor, row.metric): row.reason for row in rows if row.status == "skipped"}
    assert said.pop(("count", "bdm")).startswith("dtype int64 is not a float")
    del said["count", "bdm_2d"]
    assert said == {
        ("fc.bias", "bdm"): "7 weights, not one complete block of 12",
        ("fc.bias", "bdm_2d"): "1 axis, squares need a matrix",
        ("norm.weight", "bdm_2d"): "1 axis, squares need a matrix",
        ("narrow.weight", "bdm_2d"): "120 weights, not one complete block of 4x4",
        ("empty", "bdm"): "zero-size tensor",
        ("empty", "bdm_2d"): "zero-size tensor",
    }
    conv = rows[0]
    assert conv.value == pytest.approx(cl.bdm(STATE["conv.weight"].ravel() > 0), rel=1e-12)
    assert (conv.shape, conv.kind) == ("16x3x5x5", "matrix")


def test_tensors_beyond_a_batch_are_those_measured_alone():
    rng = np.random.default_rng(0)
    state = {
        f"{i}.weight": rng.standard_normal((3 + i % 5, 4 + i % 7)).astype(np.float32) for i in range(2 * BATCH + 3)
    }
    state["100.weight"] = rng.standard_normal((100, 100)).astype(np.float32)
    together = by_quantity(rows_of(state, "bdm,bdm_2d,gzip,lz76_density", tensor_compressors=True))
    assert [key[0] for key in together if key[1] == "bdm" and key[0]] == list(state)
    for name in ("0.weight", "99.weight", "100.weight", f"{2 * BATCH + 2}.weight"):
        alone = by_quantity(rows_of({name: state[name]}, "bdm,bdm_2d,gzip,lz76_density", tensor_compressors=True))
        for key, row in alone.items():
            assert row.scope == "model" or row == together[key]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [60, 120])  # small tensors are checked with their batch, large ones at once
@pytest.mark.parametrize("first", [True, False])
def test_not_finite_weights_name_the_tensor_and_the_rest_is_scored(bad, side, first):
    state = {"bad.weight": np.ones((side, side), np.float32), **STATE}
    state["bad.weight"][3, 4] = bad
    order = dict(list(state.items())[:: 1 if first else -1])
    found = measured(order, EVERY, tensor_compressors=True, controls=("shuffle", "gaussian"))
    assert isinstance(found.failure, WeightsError)
    reason = f"tensor bad.weight: 1 of {side * side:,} weights are NaN or infinite; they have no bit"
    whole = [row for row in found.rows if row.scope == "model"]
    assert {(row.metric, row.status, row.reason, row.value) for row in whole if row.null is None} == {
        (name, "failed", reason, None) for name in REGISTRY
    }
    assert {(row.null, row.status, row.reason) for row in whole if row.null} == {
        (null, "skipped", reason) for null in ("shuffle", "gaussian")
    }
    compressed = {name for name in REGISTRY if name.split(":")[0] in ("gzip", "bz2", "lzma", "zstd")}
    of_bad = [row for row in found.rows if row.tensor == "bad.weight"]
    assert {(row.metric, row.status) for row in of_bad} == {(name, "failed") for name in {*REGISTRY} - compressed}
    assert {row.status for row in found.rows if row.tensor == "conv.weight"} == {"ok"}
    assert not found.histograms


def test_compressors_alone_refuse_what_is_not_finite_too():
    found = measured({"w": np.array([1.0, np.nan] * 20, np.float32)}, "gzip")
    assert [row.status for row in found.rows] == ["failed"]
    assert "tensor w" in str(found.failure)


@pytest.mark.parametrize("state", [{}, {"n": np.arange(4)}, {"e": np.zeros(0, np.float32)}])
def test_a_model_without_weights_has_no_numbers(state):
    found = measured(state, "bdm,gzip", bits=2)
    rows = [row for row in found.rows if row.scope == "model"]
    assert {row.reason for row in rows} == {"state dict has no trainable floating-point parameters"}
    assert found.failure is not None


def test_too_few_weights_for_a_block_are_skipped_with_their_reason():
    rows = by_quantity(rows_of({"w": np.ones((2, 3), np.float32)}, "bdm,bdm_2d,gzip", controls="shuffle"))
    whole = {key[1:]: row for key, row in rows.items() if key[0] is None}
    assert whole["bdm", None, None, "value"].reason == "6 weights, not one complete block of 12"
    assert whole["bdm_2d", None, "shuffle", "mean"].reason == "6 weights, not one complete block"
    assert whole["gzip", None, None, "value"].status == "ok"
    assert ("bdm", None, "iid", "mean") not in whole


def test_numbers_do_not_depend_on_threads_or_on_who_compresses():
    state = STATE | {"big": np.random.default_rng(0).standard_normal((300, 400)).astype(np.float32)}
    options = {"tensor_compressors": True, "controls": ("shuffle", "gaussian"), "draws": 3}
    here = rows_of(state, EVERY, **options)
    with compressor_pool(2) as pool:
        threaded = measured(state, EVERY, threads=2, compressing=pool, **options).wait()
    assert threaded.rows == here
    assert threaded.wait().rows == here


def test_a_compressor_that_fails_leaves_the_others():
    class Broken:
        def submit(self, data, compressor):
            future = Future()
            future.set_exception(MemoryError()) if compressor == "lzma" else future.set_result(
                compress(data, compressor)
            )
            return future

    found = measured(STATE, "bdm,lzma,gzip", compressing=Broken(), tensor_rows=False).wait()
    model = {row.metric: row for row in found.rows if row.null is None}
    assert (model["lzma"].status, model["lzma"].reason, model["lzma"].value) == ("failed", "MemoryError", None)
    assert {model["bdm"].status, model["gzip"].status} == {"ok"}
    assert str(found.failure) == "lzma: MemoryError"


def test_rows_say_whose_weights_they_are_and_in_which_order():
    source, subject = Given(tensors(STATE | {"count": np.zeros(3)})), Subject("m", "s", "trained", 3, 40)
    found = measure_source(source, spec_of("bdm,gzip", bits=2), subject)
    for row in (*found.rows, *found.histograms):
        assert (row.model, row.study, row.state, row.seed) == ("m", "s", "trained", 3)
    assert {(row.step, row.order) for row in found.rows} == {(40, "model")}


def test_weights_that_could_not_be_read_have_a_failed_row_per_metric():
    rows = failed_rows(spec_of("bdm,gzip", bits=2, controls="all"), Subject("m", step=5), "it is truncated")
    assert [row.metric for row in rows] == ["bdm", "gzip", "qubd"]
    assert {(row.model, row.step, row.scope, row.status, row.reason) for row in rows} == {
        ("m", 5, "model", "failed", "it is truncated")
    }


def test_a_module_is_read_in_model_order_and_left_alone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Linear(30, 7))
    network[2].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = measure_module(network, spec_of("bdm", bits=2, controls="shuffle", draws=2), Subject())
    state = {name: value.detach().numpy() for name, value in network.named_parameters() if name != "2.bias"}
    numbers = values(found.rows)
    assert numbers[None, "bdm", None] == pytest.approx(
        naive_stream(np.concatenate([v.ravel() for v in state.values()]))
    )
    reasons = {row.tensor: row.reason for row in found.rows if row.metric == "bdm"}
    assert reasons["2.bias"] == "frozen (not trainable)"
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_skipped_tensors_say_why_in_every_family():
    left_out = SkippedTensor("steps", (2, 2), "int64", "other", "not floating point (int64)")
    rows = rows_of(
        [*tensors({"a": STATE["conv.weight"]}), left_out], EVERY, controls="shuffle", tensor_compressors=True
    )
    said = {row.metric: row.reason for row in rows if row.tensor == "steps"}
    assert set(said.values()) == {left_out.reason}
    assert said.keys() >= {"bdm", "bdm_2d", "lz76_density", "qubd"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "float8_e4m3fn"])
def test_other_floats_are_scored_by_their_own_values(dtype):
    exact = np.random.default_rng(0).integers(-8, 9, (40, 33)).astype(np.float32)
    stored = torch.from_numpy(exact).to(getattr(torch, dtype))
    found, plain = (values(rows_of({"w": w}, "bdm,bdm_2d,gzip,lz76_density")) for w in (stored, exact))
    assert found == plain
    notes = {row.note for row in rows_of({"w": stored}) if row.scope == "tensor"}
    assert notes == {"float8_e4m3fn read as float16" if "8_" in dtype else None}


def test_numpy_bfloat16_and_strides():
    exact = np.random.default_rng(0).integers(-8, 9, (40, 33)).astype(np.float32)
    plain = values(rows_of({"w": exact}, "bdm,qubd"))
    for same in (exact.astype(ml_dtypes.bfloat16), np.asfortranarray(exact), exact.astype(">f4")):
        assert values(rows_of({"w": same}, "bdm,qubd")) == plain


class TestMeasure:
    def test_modules_state_dicts_and_files_agree(self, tmp_path):
        from safetensors.torch import save_file

        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 10))
        save_file(module.state_dict(), tmp_path / "w.safetensors")
        torch.save(module.state_dict(), tmp_path / "w.pt")
        sources = (module, module.state_dict(), tmp_path / "w.safetensors", str(tmp_path / "w.pt"))
        frames = [measure(source).drop(columns=["order"]) for source in sources]
        assert all(frame.equals(frames[0]) for frame in frames)

    def test_layers_then_the_model(self):
        frame = measure(STATE, ("bdm", "gzip"))
        assert frame["scope"].tolist()[-1] == "model"
        assert frame.loc[frame["scope"] == "model", ["tensor", "kind", "shape"]].isna().all(axis=None)
        assert ("fc.weight", "gzip") in set(zip(frame["tensor"], frame["metric"], strict=True))
        assert set(measure(STATE, scope="model")["scope"]) == {"model"}

    def test_columns_have_types_and_no_names_of_the_source(self):
        frame = measure(STATE, "bdm,qubd,gzip", bits=2)
        types = frame.dtypes.astype(str)
        whole = ("plane", "scored", "dropped", "ones", "blocks", "distinct_blocks", "raw_bytes", "compressed_bytes")
        assert {types[name] for name in whole} == {"Int64"}
        assert types["value"] == "float64"
        assert not {"model", "study", "state", "seed", "step"} & set(frame.columns)

    def test_metrics_are_a_name_a_text_or_names(self):
        one, text, names = (measure(STATE, metrics) for metrics in ("bdm", "bdm,", ("bdm",)))
        assert one.equals(text)
        assert one.equals(names)

    def test_what_is_no_source_is_refused(self, tmp_path):
        with pytest.raises(UnreachableError, match="holds no weights"):
            measure(tmp_path)
        with pytest.raises(InputError, match="wanted a module"):
            measure(3)
        with pytest.raises(InputError, match="wanted model or layer"):
            measure(STATE, scope="block")
        with pytest.raises(UnknownNameError, match="did you mean bdm"):
            measure(STATE, "bdmm")
        with pytest.raises(UnknownNameError, match="unknown zoo 'tim'"):
            measure("tim:resnet18")

    def test_the_order_of_a_file_is_told(self, tmp_path):
        from safetensors.numpy import save_file

        save_file(
            {"head.weight": np.ones((4, 4), np.float32), "b.weight": np.ones((4, 4), np.float32)},
            tmp_path / "w.safetensors",
        )
        for order in ("natural", "file"):
            assert set(measure(tmp_path / "w.safetensors", order=order)["order"]) == {order}


def test_preset_marks():
    """Rows of planes and of their null models say by which rules they were made; with momos-paper every row does."""
    for row in rows_of(STATE, preset="fixed", controls="shuffle", draws=2):
        made_by = ("fixed", True) if row.metric == "qubd" else (None, False)
        assert (row.preset, bool(row.departures)) == made_by
    assert {row.preset for row in rows_of(STATE, preset="momos-paper")} == {"momos-paper"}
    plain = rows_of(STATE, "bdm,bdm_2d")
    with_planes = [row for row in rows_of(STATE, "bdm,bdm_2d", bits=4, controls="all") if row.metric != "qubd"]
    assert [row for row in with_planes if row.null in (None, "iid", "fair", "share_45")] == plain
    assert replace(plain[0], preset=None) == plain[0]
