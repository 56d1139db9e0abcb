"""From a source to rows, against the estimators applied to the whole weights at once."""

import numpy as np
import pandas as pd
import pytest

import complexity_lab as cl
from complexity_lab.binary.counting import SQUARE
from complexity_lab.controls.iid import iid_null_of
from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.survey.compression import compressor_pool
from complexity_lab.survey.measure import Wanted, measure_source
from complexity_lab.weights.from_checkpoint import StateDict

STATE = {
    "conv.weight": np.random.default_rng(0).standard_normal((16, 3, 5, 5)).astype(np.float32),
    "norm.weight": np.ones(16, np.float32),
    "fc.weight": np.random.default_rng(1).standard_normal((33, 50)).astype(np.float16),
    "fc.bias": np.zeros(7, np.float32),
    "count": np.arange(3),
    "empty": np.zeros((0, 4), np.float32),
    "narrow.weight": np.random.default_rng(2).standard_normal((3, 40)).astype(np.float32),
}
FLOATS = [values for values in STATE.values() if values.dtype.kind == "f"]


def rows_of(state, metrics, **options):
    with compressor_pool(2) as pool:
        found = measure_source(StateDict(state), Wanted(metrics, **options), {"model": "m"}, pool).wait()
    return found, pd.DataFrame(found.measurements).set_index(["scope", "tensor", "metric"])


def test_model_rows_are_the_estimators_of_the_whole_stream():
    stream = np.concatenate([values.astype(np.float32).ravel() for values in FLOATS])
    found, rows = rows_of(STATE, ("bdm", "block_entropy", "gzip", "lzma:float32"))
    counts = cl.block_counts(stream)
    assert rows.loc["model", "", "bdm"]["value"] == bdm_of(counts)
    assert rows.loc["model", "", "block_entropy"]["value"] == cl.block_entropy(stream)
    assert rows.loc["model", "", "gzip"]["value"] == cl.compress(cl.payload(stream), "gzip").rate
    assert rows.loc["model", "", "lzma:float32"]["raw_bytes"] == 4 * stream.size
    facts = rows.loc["model", "", "bdm"][["scored", "dropped", "ones", "blocks", "distinct_blocks"]]
    assert facts.tolist() == [counts.scored, counts.dropped, counts.ones, counts.blocks, counts.distinct]
    assert found.parameters == stream.size
    assert found.histograms[0]["counts"].tolist() == counts.counts.tolist()


def test_squares_of_a_model_are_those_of_its_tensors():
    matrices = [values.reshape(values.shape[0], -1) for values in FLOATS if values.ndim >= 2 and values.size]
    total = sum((cl.block_counts(m, SQUARE) for m in matrices[1:]), start=cl.block_counts(matrices[0], SQUARE))
    _, rows = rows_of(STATE, ("bdm_2d",))
    model = rows.loc["model", "", "bdm_2d"]
    assert model["value"] == bdm_of(total)
    assert model["scored"] + model["dropped"] == sum(values.size for values in FLOATS)


def test_nulls_come_with_their_estimator():
    _, rows = rows_of(STATE, ("bdm", "bdm_2d"))
    stream = np.concatenate([values.astype(np.float32).ravel() for values in FLOATS])
    null = iid_null_of(cl.block_counts(stream), ctm_table((12,)))
    assert rows.loc["model", "", "bdm_iid_mean"]["value"] == null.mean
    assert rows.loc["model", "", "bdm_iid_sd"]["value"] == null.sd
    assert rows.loc["model", "", "bdm_iid_mean_p45"]["value"] < rows.loc["model", "", "bdm_iid_mean_p50"]["value"]
    assert ("model", "", "bdm_2d_iid_mean") in rows.index


def test_every_tensor_has_a_row_and_what_is_not_scored_says_why():
    _, rows = rows_of(STATE, ("bdm", "bdm_2d"))
    tensors = rows.loc["tensor"]
    assert set(tensors.index.get_level_values("tensor")) == set(STATE)
    assert tensors.loc["conv.weight", "bdm"]["value"] == pytest.approx(cl.bdm(STATE["conv.weight"].ravel()), rel=1e-12)
    assert tensors.loc["conv.weight", "bdm"]["shape"] == "16x3x5x5"
    said = tensors["reason"].dropna().to_dict()
    assert said["fc.bias", "bdm"] == "7 weights, not one complete block of 12"
    assert said["fc.bias", "bdm_2d"] == "1 axis, squares need a matrix"
    assert said["narrow.weight", "bdm_2d"] == "120 weights, not one complete block of 4x4"
    assert said["empty", "bdm"] == "zero-size tensor"
    assert said["count", "bdm"].startswith("dtype int64 is not a float")
    unsaid = tensors[(tensors["status"] != "ok") & tensors["reason"].isna()]
    assert unsaid.empty


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_weights_name_the_tensor_and_the_rest_is_scored(bad):
    broken = {**STATE, "fc.weight": STATE["fc.weight"].copy()}
    broken["fc.weight"][3, 4] = bad
    found, rows = rows_of(broken, ("bdm", "gzip"))
    assert isinstance(found.failure, WeightsError)
    reason = "tensor fc.weight: 1 of 1650 weights are NaN or infinite; they have no bit"
    assert rows.loc["model", "", "bdm"]["reason"] == rows.loc["model", "", "gzip"]["reason"] == reason
    assert rows.loc["tensor", "fc.weight", "bdm"]["status"] == "failed"
    assert rows.loc["tensor", "conv.weight", "bdm"]["status"] == "ok"


def test_compressors_alone_refuse_what_is_not_finite_too():
    found, rows = rows_of({"w": np.array([1.0, np.nan] * 20, dtype=np.float32)}, ("gzip",))
    assert rows["status"].tolist() == ["failed"]
    assert "tensor w" in str(found.failure)


@pytest.mark.parametrize("state", [{}, {"n": np.arange(4)}, {"e": np.zeros(0, np.float32)}])
def test_an_empty_model_is_an_error_with_a_sentence(state):
    found, rows = rows_of(state, ("bdm", "gzip"))
    assert rows.loc["model", "", "bdm"]["reason"] == "state dict has no trainable floating-point parameters"
    assert found.failure is not None


def test_a_model_smaller_than_a_block_is_skipped_with_its_reason():
    _, rows = rows_of({"w": np.ones(5, np.float32)}, ("bdm", "gzip"))
    assert rows.loc["model", "", "bdm"]["status"] == "skipped"
    assert rows.loc["model", "", "gzip"]["status"] == "ok"


class TestMeasure:
    def test_modules_state_dicts_and_files_agree(self, tmp_path):
        import torch
        from safetensors.torch import save_file

        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Linear(30, 10))
        save_file(module.state_dict(), tmp_path / "w.safetensors")
        torch.save(module.state_dict(), tmp_path / "w.pt")
        values = {
            str(source)[:20]: cl.measure(source).set_index("tensor")["value"]["0.weight"]
            for source in (module, module.state_dict(), tmp_path / "w.safetensors", str(tmp_path / "w.pt"))
        }
        assert len(set(values.values())) == 1

    def test_layers_then_the_model(self):
        frame = cl.measure(STATE, ("bdm", "gzip"), scope="layer")
        assert frame["scope"].tolist()[-1] == "model"
        assert ("fc.weight", "gzip") in set(zip(frame["tensor"], frame["metric"], strict=True))
        only = cl.measure(STATE, ("bdm",), scope="model")
        assert set(only["scope"]) == {"model"}

    def test_directories_of_shards(self, tmp_path):
        from safetensors.numpy import save_file

        floats = {name: values for name, values in STATE.items() if values.dtype.kind == "f"}
        names = sorted(floats)
        save_file({n: floats[n] for n in names[:2]}, tmp_path / "model-00001-of-00002.safetensors")
        save_file({n: floats[n] for n in names[2:]}, tmp_path / "model-00002-of-00002.safetensors")
        whole = cl.measure({n: floats[n] for n in names}, scope="model")
        pd.testing.assert_frame_equal(cl.measure(tmp_path, scope="model"), whole)

    def test_what_is_no_source_is_refused(self, tmp_path):
        with pytest.raises(UnreachableError, match="holds no weights"):
            cl.measure(tmp_path)
        with pytest.raises(InputError, match="wanted a module"):
            cl.measure(3)
        with pytest.raises(InputError, match="wanted model or layer"):
            cl.measure(STATE, scope="block")
        with pytest.raises(UnknownNameError, match="did you mean bdm"):
            cl.measure(STATE, ("bdmm",))
        with pytest.raises(UnknownNameError, match="unknown zoo 'tim'"):
            cl.measure("tim:resnet18")
