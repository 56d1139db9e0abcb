"""Two sources side by side: what is measured of each, what changed, and why some tensors have no numbers."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

import complexity_lab as cl
from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from complexity_lab.survey.comparison import COLUMNS, compare_sources, compare_weights
from complexity_lab.survey.single import measure

RNG = np.random.default_rng(3)
W = RNG.standard_normal((24, 20)).astype(np.float32)
V = RNG.standard_normal((12, 16)).astype(np.float32)
BIAS = RNG.standard_normal(30).astype(np.float32)


def pruned(values):
    return np.where(np.abs(values) < 0.5, 0, values).astype(np.float32)


def rows_of(a, b, metrics=None, **options):
    return compare_weights(a, b, metrics, **options).set_index(["tensor", "metric"])


def test_both_values_are_those_of_measure_and_ratio_and_difference_follow():
    a, b = {"w": W, "v": V, "bias": BIAS}, {"w": pruned(W), "v": V, "bias": BIAS + 1}
    metrics = ("bdm", "bdm_2d", "gzip", "exponent_entropy")
    found = rows_of(a, b, metrics, preset="fixed", bits=3)
    for side, state in (("value_a", a), ("value_b", b)):
        alone = measure(state, metrics, preset="fixed", bits=3).set_index(["tensor", "metric"])
        for key in found.index:
            expected = alone.loc[key, "value"]
            assert found.loc[key, side] == pytest.approx(expected, nan_ok=True, abs=0), key
            assert found.loc[key, "unit"] == alone.loc[key, "unit"]
    fine = found[found["status"] == "ok"]
    assert set(fine.loc[""].index) == {*metrics, "qubd", "qubd_plane0", "qubd_plane1", "qubd_plane2"}
    np.testing.assert_allclose(fine["ratio"], fine["value_b"] / fine["value_a"])
    np.testing.assert_allclose(fine["difference"], fine["value_b"] - fine["value_a"])
    assert set(fine.loc["w", "preset"].dropna()) == {"fixed"}


def test_changes_of_tensors_and_of_the_model():
    found = rows_of({"w": W, "v": V}, {"w": pruned(W), "v": -V})
    w, v, model = (found.loc[(name, "bdm")] for name in ("w", "v", ""))
    gone = np.abs(W) < 0.5
    assert w["changed"] == w["zeros_b"] == gone.mean()
    assert w["signs_changed"] == ((W > 0) & gone).mean()
    assert (w["zeros_a"], w["ones_a"]) == (0, (W > 0).mean())
    assert w["distance"] == pytest.approx(np.linalg.norm(W[gone]) / np.linalg.norm(W))
    assert (v["changed"], v["signs_changed"], v["distance"]) == (1, 1, 2)
    assert model["weights"] == W.size + V.size
    assert model["changed"] == (gone.sum() + V.size) / (W.size + V.size)
    together = np.concatenate([W[gone], 2 * V.ravel()])
    assert model["distance"] == pytest.approx(np.linalg.norm(together) / np.hypot(*map(np.linalg.norm, (W, V))))
    assert model["left_out"] == 0


def test_the_same_weights_have_not_changed():
    found = compare_weights({"w": W}, {"w": W.copy()}, ("bdm", "gzip"), bits=2)
    assert (found["ratio"] == 1).all()
    assert (found[["difference", "changed", "signs_changed", "distance"]] == 0).all(axis=None)


def test_types_are_compared_by_value():
    half = W.astype(np.float16)
    assert rows_of({"w": half}, {"w": half.astype(np.float64)}).loc[("w", "bdm"), "changed"] == 0
    assert rows_of({"w": W}, {"w": half}).loc[("w", "bdm"), "changed"] == np.mean(half != W)


def test_what_cannot_be_compared_says_why_and_the_others_stand():
    bad = W.copy()
    bad[0, :3] = np.nan
    a = {
        "w": W,
        "gone": V.copy(),
        "reshaped": V.copy(),
        "bad": bad,
        "typed": V.copy(),
        "count": np.arange(3),
        "short": BIAS[:5],
    }
    b = {"w": pruned(W), "reshaped": V.T, "bad": W, "typed": V.astype(int), "count": np.arange(3), "short": BIAS[:5]}
    b |= {"new": V.copy(), "index": np.arange(4)}
    found = rows_of(a, b, bits=2)
    assert found["reason"].loc[:, "bdm"].dropna().to_dict() == {
        "gone": "only in A",
        "reshaped": "shape 12x16 in A, 16x12 in B",
        "bad": "A: 3 of 480 weights are NaN or infinite; they have no bit",
        "typed": "B: dtype int64 is not a float of 8 to 64 bits",
        "count": "dtype int64 is not a float of 8 to 64 bits",
        "short": "5 weights, not one complete block of 12",
        "new": "only in B",
        "index": "only in B: dtype int64 is not a float of 8 to 64 bits",
    }
    assert found["status"].loc["bad"].eq("failed").all()
    assert found["status"].loc["gone"].eq("skipped").all()
    assert found.loc[("short", "bdm"), "changed"] == 0
    model = found.loc[("", "bdm")]
    assert (model["status"], model["weights"], model["left_out"]) == ("ok", W.size + 5, 5)
    own = measure({"w": W, "short": BIAS[:5]}, scope="model").set_index("metric")
    assert model["value_a"] == own.loc["bdm", "value"]
    assert found.index.get_level_values("tensor").drop_duplicates().tolist() == [*a, "new", "index", ""]


def test_nothing_to_compare_is_a_row_that_names_an_example():
    rows = compare_sources({"w": W}, {"v": V, "n": np.arange(3)}, bits=2)
    assert {row["status"] for row in rows if row["scope"] == "model"} == {"failed"}
    assert rows[-1]["reason"] == "state dict and state dict have no tensor that can be compared; w: only in A"
    assert {row["metric"] for row in rows} == {"bdm", "qubd"}
    empty = compare_sources({}, {})
    assert [row["reason"] for row in empty] == ["state dict and state dict have no tensor that can be compared"]


def test_a_number_that_only_one_side_has_says_whose_is_missing():
    wide = W * np.float32(3e38 / np.abs(W).max())  # a span that float32 cannot hold
    found = rows_of({"w": W}, {"w": wide}, bits=2)
    assert found.loc[("w", "bdm"), "status"] == "ok"
    rows = found.loc["w"].loc[["qubd", "qubd_plane0", "qubd_plane1"]]
    assert set(rows["status"]) == {"failed"}
    assert all(reason.startswith("B: ") for reason in rows["reason"])


def test_a_model_is_read_in_its_own_order_whatever_the_order_of_the_file(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 9))
    module.add_module("again", nn.Linear(9, 3))
    state = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    own = measure(module, scope="model")["value"][0]
    assert measure(tmp_path / "w.safetensors", scope="model", order="file")["value"][0] != own
    for pair in ((module, tmp_path / "w.safetensors"), (tmp_path / "w.safetensors", module)):
        model = compare_sources(*pair, order="file")[-1]
        assert (model["value_a"], model["value_b"], model["changed"]) == (own, own, 0)


def test_shards_are_compared_with_other_shards(tmp_path):
    tensors = {f"layer{i}": RNG.standard_normal((5, 7 + i)).astype(np.float32) for i in range(6)}
    names = list(tensors)
    for folder, order in (("a", names), ("b", names[::-1])):
        (tmp_path / folder).mkdir()
        for part in range(3):
            shard = {name: tensors[name] for name in order[2 * part : 2 * part + 2]}
            save_file(shard, tmp_path / folder / f"model-{part + 1:05d}-of-00003.safetensors")
    rows = compare_sources(tmp_path / "a", tmp_path / "b")
    assert [row["ratio"] for row in rows] == [1] * 7
    assert [row["tensor"] for row in rows][:-1] == names


def test_states_and_seeds_of_a_zoo():
    found = rows_of("digits:mlp_12", "digits:mlp_12", state_a="initial", state_b="initial", seed_b=1)
    assert found.loc[("", "bdm"), "changed"] > 0.9
    same = rows_of("digits:mlp_12", "digits:mlp_12", state_a="initial", state_b="initial", seed_a=1, seed_b=1)
    assert same.loc[("", "bdm"), "changed"] == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"metrics": ()}, InputError),
        ({"metrics": ("bdmm",)}, UnknownNameError),
        ({"preset": "qubd"}, UnknownNameError),
        ({"bits": 17}, InputError),
        ({"preset": "momos-paper", "bits": 3}, InputError),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(options, error):
    with pytest.raises(error):
        compare_sources("nowhere.safetensors", "nowhere.safetensors", **options)


def test_a_source_that_is_not_there_is_an_error():
    with pytest.raises(UnreachableError, match="does not exist"):
        compare_sources({"w": W}, "nowhere.safetensors")


def test_rows_are_json_and_all_have_the_columns():
    rows = compare_sources({"w": W, "n": np.zeros(20)}, {"w": W, "n": np.ones(20)}, ("bdm", "gzip"), preset="fixed")
    assert all(tuple(row) == COLUMNS for row in rows)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert next(row for row in rows if row["tensor"] == "n")["distance"] is None
    assert cl.ComplexityLabError


@pytest.mark.slow
def test_two_large_files_need_the_memory_of_two_tensors(tmp_path):
    """Peak of a process of its own: at most twice the largest tensors plus 300 MB, of two files of 500 MB."""
    tensor = torch.randn(25_000_000).numpy()
    for name in "ab":
        save_file({f"layer{i}": tensor for i in range(5)}, tmp_path / f"{name}.safetensors")
    code = (
        "import sys; from complexity_lab.survey.comparison import compare_sources;"
        "from complexity_lab.tables.provenance import peak_memory;"
        "compare_sources(*sys.argv[1:]);"
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
        found = rows_of(*pair)
        assert set(found.index.get_level_values("tensor")) == {"0.weight", "0.bias", ""}
        assert found.loc[("0.weight", "bdm"), "ratio"] == 1
        assert found.loc[("", "bdm"), "left_out"] == 0
    nn.utils.parametrizations.weight_norm(plain[0])
    names = set(rows_of(plain, same).index.get_level_values("tensor"))
    raw = "0.parametrizations.weight.original"
    assert names == {"0.weight", "0.bias", f"{raw}0", f"{raw}1", ""}


def test_how_values_were_read_is_said():
    eighth = torch.from_numpy(V.copy()).to(torch.float8_e4m3fn)
    found = rows_of({"v": V, "w": W}, {"v": eighth, "w": W})
    assert found.loc[("v", "bdm"), "note"] == "B: float8_e4m3fn read as float16"
    assert found.loc[("v", "bdm"), "signs_changed"] == np.mean((eighth.float().numpy() > 0) != (V > 0))
    assert found["note"].loc["w"].isna().all()
