"""Two sources side by side: what is measured of each, what changed, and why some tensors have no numbers."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from complexity_lab.measurement.comparison import compare, compare_sources
from complexity_lab.measurement.spec import spec_of
from complexity_lab.weights.source import SkippedTensor
from complexity_lab.zoo.sources import resolve
from tests.measurement.rows import Given, tensors
from tests.measurement.rows import rows_of as measured_rows

RNG = np.random.default_rng(3)
W = RNG.standard_normal((24, 20)).astype(np.float32)
V = RNG.standard_normal((12, 16)).astype(np.float32)
BIAS = RNG.standard_normal(30).astype(np.float32)


def pruned(values):
    return np.where(np.abs(values) < 0.5, 0, values).astype(np.float32)


def compared(a, b, metrics=None, *, order="model", **options):
    """Return the rows of two sources by tensor (None for the model), metric and plane."""
    sources = [each if hasattr(each, "tensors") else resolve(each, order=order) for each in (a, b)]
    rows = compare_sources(*sources, spec_of(metrics, tensor_compressors=True, **options))
    found = {(row.tensor, row.metric, row.plane): row for row in rows}
    assert len(found) == len(rows)
    return found


def changed(a, b):
    """Return the rows of BDM by tensor."""
    return {key[0]: row for key, row in compared(a, b).items()}


def test_both_values_are_those_of_measure_and_ratio_and_difference_follow():
    a, b = {"w": W, "v": V, "bias": BIAS}, {"w": pruned(W), "v": V, "bias": BIAS + 1}
    metrics = ("bdm", "bdm_2d", "gzip", "exponent_entropy")
    found = compared(a, b, metrics, preset="fixed", bits=3)
    for side, state in (("value_a", a), ("value_b", b)):
        alone = measured_rows(state, metrics, preset="fixed", bits=3, tensor_compressors=True)
        own = {(row.tensor, row.metric, row.plane): row for row in alone if row.null is None}
        assert own.keys() == found.keys()
        for key, row in found.items():
            assert (getattr(row, side), row.unit) == (own[key].value, own[key].unit), key
    for row in found.values():
        assert row.preset == ("fixed" if row.metric == "qubd" else None)
        if row.status == "ok":
            assert (row.ratio, row.difference) == (row.value_b / row.value_a, row.value_b - row.value_a)
    assert {key[1:] for key in found if key[0] is None} == {
        *((name, None) for name in metrics),
        *(("qubd", plane) for plane in (None, 0, 1, 2)),
    }


def test_changes_of_tensors_and_of_the_model():
    found = changed({"w": W, "v": V}, {"w": pruned(W), "v": -V})
    w, v, model = (found[name] for name in ("w", "v", None))
    gone = np.abs(W) < 0.5
    assert w.changed == w.zeros_b == gone.mean()
    assert w.signs_changed == ((W > 0) & gone).mean()
    assert (w.zeros_a, w.ones_a) == (0, (W > 0).mean())
    assert w.distance == pytest.approx(np.linalg.norm(W[gone]) / np.linalg.norm(W))
    assert (v.changed, v.signs_changed, v.distance) == (1, 1, 2)
    assert model.weights == W.size + V.size
    assert model.changed == (gone.sum() + V.size) / (W.size + V.size)
    together = np.concatenate([W[gone], 2 * V.ravel()])
    assert model.distance == pytest.approx(np.linalg.norm(together) / np.hypot(*map(np.linalg.norm, (W, V))))
    assert model.left_out == 0


def test_the_same_weights_have_not_changed():
    found = compared({"w": W}, {"w": W.copy()}, ("bdm", "gzip"), bits=2).values()
    assert {row.ratio for row in found} == {1}
    assert {(row.difference, row.changed, row.signs_changed, row.distance) for row in found} == {(0, 0, 0, 0)}


def test_types_are_compared_by_value():
    half = W.astype(np.float16)
    assert changed({"w": half}, {"w": half.astype(np.float64)})["w"].changed == 0
    assert changed({"w": W}, {"w": half})["w"].changed == np.mean(half != W)


def test_what_cannot_be_compared_says_why_and_the_others_stand():
    bad = W.copy()
    bad[0, :3] = np.nan
    shared = {"count": np.arange(3), "short": BIAS[:5]}
    a = {"w": W, "gone": V.copy(), "reshaped": V.copy(), "bad": bad, "typed": V.copy(), **shared}
    b = {"w": pruned(W), "reshaped": V.T, "bad": W, "typed": V.astype(int), **shared}
    found = compared(a, b | {"new": V.copy(), "index": np.arange(4)}, bits=2)
    assert {key[0]: row.reason for key, row in found.items() if key[1] == "bdm" and row.reason} == {
        "gone": "only in A",
        "reshaped": "shape 12x16 in A, 16x12 in B",
        "bad": "A: 3 of 480 weights are NaN or infinite; they have no bit",
        "typed": "B: dtype int64 is not a float of 8 to 64 bits",
        "count": "dtype int64 is not a float of 8 to 64 bits",
        "short": "5 weights, not one complete block of 12",
        "new": "only in B",
        "index": "only in B: dtype int64 is not a float of 8 to 64 bits",
    }
    assert {key[0]: row.status for key, row in found.items() if key[0] in ("bad", "gone")} == {
        "bad": "failed",
        "gone": "skipped",
    }
    assert found["short", "bdm", None].changed == 0
    model = found[None, "bdm", None]
    assert (model.status, model.weights, model.left_out) == ("ok", W.size + 5, 5)
    own = measured_rows({"w": W, "short": BIAS[:5]}, tensor_rows=False)
    assert model.value_a == own[0].value
    assert list(dict.fromkeys(key[0] for key in found)) == [*a, "new", "index", None]


def test_nothing_to_compare_is_a_row_that_names_an_example():
    found = compared({"w": W}, {"v": V, "n": np.arange(3)}, bits=2)
    model = [row for key, row in found.items() if key[0] is None]
    assert {(row.metric, row.status) for row in model} == {("bdm", "failed"), ("qubd", "failed")}
    assert model[0].reason == "state dict and state dict have no tensor that can be compared; w: only in A"
    assert [row.reason for row in compared({}, {}).values()] == [
        "state dict and state dict have no tensor that can be compared"
    ]


def test_a_number_that_only_one_side_has_says_whose_is_missing():
    wide = W * np.float32(3e38 / np.abs(W).max())  # a span that float32 cannot hold
    for pair, side in ((({"w": W}, {"w": wide}), "B: "), (({"w": wide}, {"w": W}), "A: ")):
        found = compared(*pair, bits=2)
        assert found["w", "bdm", None].status == "ok"
        planes = [found["w", "qubd", plane] for plane in (None, 0, 1)]
        assert {row.status for row in planes} == {"failed"}
        assert all(row.reason.startswith(side) for row in planes)


def test_a_model_is_read_in_its_own_order_whatever_the_order_of_the_file(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 9))
    module.add_module("again", nn.Linear(9, 3))
    file = tmp_path / "w.safetensors"
    save_file({name: values.numpy().copy() for name, values in module.state_dict().items()}, file)
    own = measured_rows(module, tensor_rows=False)[0].value
    assert measured_rows(resolve(file, order="file"), tensor_rows=False)[0].value != own
    for pair in ((module, file), (file, module)):
        model = compared(*pair, order="file")[None, "bdm", None]
        assert (model.value_a, model.value_b, model.changed, model.order) == (own, own, 0, "model")


def test_shards_are_compared_with_other_shards(tmp_path):
    state = {f"layer{i}": RNG.standard_normal((5, 7 + i)).astype(np.float32) for i in range(6)}
    names = list(state)
    for folder, order in (("a", names), ("b", names[::-1])):
        (tmp_path / folder).mkdir()
        for part in range(3):
            shard = {name: state[name] for name in order[2 * part : 2 * part + 2]}
            save_file(shard, tmp_path / folder / f"model-{part + 1:05d}-of-00003.safetensors")
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [row.ratio for row in found.values()] == [1] * 7
    assert [key[0] for key in found][:-1] == names


def test_a_tensor_that_readers_skip_is_skipped():
    left_out = SkippedTensor("n", (2, 2), "int64", "other", "not floating point")
    source = Given([*tensors({"w": W}), left_out])
    found = changed(source, source)
    assert (found["n"].status, found["n"].reason) == ("skipped", "not floating point")
    assert found[None].left_out == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"metrics": ()}, InputError),
        ({"metrics": "bdmm"}, UnknownNameError),
        ({"preset": "qubd"}, UnknownNameError),
        ({"bits": 17}, InputError),
        ({"preset": "momos-paper", "bits": 3}, InputError),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(options, error):
    with pytest.raises(error):
        compare("nowhere.safetensors", "nowhere.safetensors", **options)


def test_a_source_that_is_not_there_is_an_error():
    with pytest.raises(UnreachableError, match="does not exist"):
        compare({"w": W}, "nowhere.safetensors")


def test_the_frame_has_whole_and_real_columns_and_states_of_a_zoo():
    found = compare("digits:mlp_12", "digits:mlp_12", "bdm,gzip", state_a="initial", state_b="initial", seed_b=1)
    assert {str(found[name].dtype) for name in ("plane", "weights", "left_out")} == {"Int64"}
    assert {str(found[name].dtype) for name in ("value_a", "ratio", "distance", "changed")} == {"float64"}
    model = found[found["scope"] == "model"]
    assert model["tensor"].isna().all()
    assert (model["changed"] > 0.9).all()
    same = compare("digits:mlp_12", "digits:mlp_12", state_a="initial", state_b="initial", seed_a=1, seed_b=1)
    assert (same["changed"] == 0).all()
    zero = compare({"n": np.zeros(20)}, {"n": np.ones(20)})
    assert pd.isna(zero["distance"]).all()


@pytest.mark.slow
def test_two_large_files_need_the_memory_of_two_tensors(tmp_path):
    """Peak of a process of its own: at most twice the largest tensors plus 300 MB, of two files of 500 MB."""
    tensor = torch.randn(25_000_000).numpy()
    for name in "ab":
        save_file({f"layer{i}": tensor for i in range(5)}, tmp_path / f"{name}.safetensors")
    code = (
        "import sys; from complexity_lab.measurement.comparison import compare_sources;"
        "from complexity_lab.measurement.spec import spec_of; from complexity_lab.zoo.sources import resolve;"
        "from complexity_lab.tables.provenance import peak_memory;"
        "compare_sources(*map(resolve, sys.argv[1:]), spec_of());"
        "print(peak_memory())"
    )
    files = (str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"))
    done = subprocess.run([sys.executable, "-c", code, *files], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 2 * 200_000_000 + 300_000_000


class Scaled(nn.Module):
    def forward(self, values):
        return values * 0.5


def test_a_parametrized_weight_is_paired_with_the_plain_one():
    plain, same = nn.Sequential(nn.Linear(20, 12)), nn.Sequential(nn.Linear(20, 12))
    same.load_state_dict(plain.state_dict())
    nn.utils.parametrize.register_parametrization(same[0], "weight", Scaled())
    for pair in ((plain, same), (same, plain), (plain.state_dict(), same.state_dict())):
        found = changed(*pair)
        assert set(found) == {"0.weight", "0.bias", None}
        assert found["0.weight"].ratio == 1
        assert found[None].left_out == 0
    nn.utils.parametrizations.weight_norm(plain[0])
    raw = "0.parametrizations.weight.original"
    assert set(changed(plain, same)) == {"0.weight", "0.bias", f"{raw}0", f"{raw}1", None}


def test_how_values_were_read_is_said():
    eighth = torch.from_numpy(V.copy()).to(torch.float8_e4m3fn)
    found = changed({"v": V, "w": W}, {"v": eighth, "w": W})
    assert found["v"].note == "B: float8_e4m3fn read as float16"
    assert found["v"].signs_changed == np.mean((eighth.float().numpy() > 0) != (V > 0))
    assert found["w"].note is None
