"""QuBD beside the other metrics: rows per tensor and plane, sums over the model, reasons for what is left out."""

import gzip

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.estimators.bdm import bdm
from complexity_lab.estimators.qubd import qubd
from complexity_lab.survey.plan import make_plan
from complexity_lab.survey.planes import plane_metrics, preset_of
from complexity_lab.survey.single import measure_rows
from complexity_lab.zoo.selection import Selection


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "conv.weight": rng.standard_normal((8, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.standard_normal(8).astype(np.float32),
        "fc.weight": rng.standard_normal((10, 33)).astype(np.float32),
        "embedding": rng.standard_normal((9, 9)).astype(np.float32),
        "thin.weight": rng.standard_normal((3, 100)).astype(np.float32),
    }


def by_place(rows):
    return {(row["tensor"], row["metric"]): row for row in rows if row["metric"].startswith("qubd")}


def test_rows_are_those_of_qubd():
    state = weights()
    rows = by_place(measure_rows(state, ("bdm",), preset="qubd-paper"))
    expected = {name: qubd(state[name]) for name in ("conv.weight", "fc.weight")}
    for name, score in expected.items():
        assert rows[name, "qubd"]["value"] == pytest.approx(score.total, rel=1e-12)
        assert [rows[name, f"qubd_plane{plane}"]["value"] for plane in range(8)] == list(score.planes)
        assert rows[name, "qubd"]["scored"] == score.scored
    whole = rows["", "qubd"]
    assert whole["value"] == pytest.approx(sum(score.total for score in expected.values()))
    assert whole["scored"] + whole["dropped"] == sum(values.size for values in state.values())
    planes = [rows["", f"qubd_plane{plane}"]["value"] for plane in range(8)]
    assert sum(planes) == pytest.approx(whole["value"])


def test_what_the_rules_leave_out_says_why():
    rows = by_place(measure_rows(weights(), ("bdm",), preset="qubd-paper"))
    reasons = {tensor: row["reason"] for (tensor, metric), row in rows.items() if row["status"] == "skipped"}
    assert set(reasons) == {"conv.bias", "embedding", "thin.weight"}
    assert "not called weight" in reasons["embedding"]
    assert "3x100" in reasons["thin.weight"]
    ours = by_place(measure_rows(weights(), ("bdm",), preset="fixed"))
    assert {tensor for (tensor, _), row in ours.items() if row["status"] == "skipped"} == {"conv.bias"}


def test_other_metrics_do_not_change():
    with_planes = measure_rows(weights(), ("bdm", "bdm_2d"), preset="fixed", bits=4)
    assert [row for row in with_planes if not row["metric"].startswith("qubd")] == measure_rows(
        weights(), ("bdm", "bdm_2d")
    )


def test_a_model_without_a_matrix_says_so():
    rows = by_place(measure_rows({"a": np.ones(50, np.float32)}, ("bdm",), preset="fixed"))
    assert (rows["", "qubd"]["status"], rows["", "qubd"]["value"]) == ("failed", None)
    assert "no tensor is a matrix" in rows["", "qubd"]["reason"]


def test_nan_is_named():
    state = weights()
    state["fc.weight"][2, 2] = np.nan
    rows = by_place(measure_rows(state, ("bdm",), preset="fixed"))
    assert ("fc.weight", "qubd_plane0") not in rows
    assert rows["fc.weight", "qubd"]["status"] == "failed"
    assert "not finite" in rows["fc.weight", "qubd"]["reason"] or "NaN" in rows["fc.weight", "qubd"]["reason"]
    assert rows["", "qubd"]["status"] == "failed"
    assert "fc.weight" in rows["", "qubd"]["reason"]


def test_a_range_that_cannot_be_quantized_fails_alone():
    state = weights() | {"wide.weight": np.array([[-3e38] * 4, [3e38] * 4] * 2, np.float32)}
    rows = measure_rows(state, ("bdm",), preset="qubd-paper")
    found = by_place(rows)
    assert found["wide.weight", "qubd"]["status"] == "failed"
    assert "wide.weight" in found["", "qubd"]["reason"]
    assert [row["status"] for row in rows if row["metric"] == "bdm" and row["scope"] == "model"] == ["ok"]


def test_presets_and_bits():
    assert preset_of(None, None) is None
    assert preset_of(None, 4).rules.boundary == "recursive"
    assert preset_of("qubd-paper", 4).rules.bits == 4
    assert "4 planes instead of 8" in preset_of("qubd-paper", 4).departures
    assert preset_of("qubd-paper", 8) == preset_of("qubd-paper", None)
    assert plane_metrics(2) == ("qubd", "qubd_plane0", "qubd_plane1")
    for bits in (0, 17):
        with pytest.raises(InputError, match="wanted 1 to 16"):
            preset_of("fixed", bits)
    with pytest.raises(UnknownNameError, match="did you mean qubd-paper"):
        preset_of("qubd-papr", None)
    with pytest.raises(InputError, match="has no bit planes"):
        preset_of("momos-paper", 4)


def test_every_row_says_by_which_rules_it_was_made():
    for row in measure_rows(weights(), preset="qubd-paper"):
        made_by = (row["preset"], bool(row["departures"]))
        assert made_by == (("qubd-paper", True) if row["metric"].startswith("qubd") else (None, False))


def test_momos_paper_is_one_stream_and_one_byte_per_bit():
    rows = measure_rows(weights(), preset="momos-paper", scope="model")
    values = {row["metric"]: row["value"] for row in rows}
    stream = np.concatenate([values.reshape(-1) > 0 for values in weights().values()])
    assert values["bdm"] == bdm(stream)
    assert values["gzip:bits-bytes"] == len(stream) / len(gzip.compress(stream.tobytes(), 9, mtime=0))
    assert {row["preset"] for row in rows} == {"momos-paper"}
    with pytest.raises(InputError, match="leave one of them out"):
        measure_rows(weights(), ("bdm_2d",), preset="momos-paper")


def test_a_plan_without_planes_is_that_of_versions_that_had_none():
    plan = make_plan("digits", selection=Selection(models=("resnet8_w6",)))
    assert not {"preset", "bits", "controls"} & set(plan.as_dict())
    with_planes = make_plan("digits", selection=Selection(models=("resnet8_w6",)), preset="fixed", bits=4)
    assert (with_planes.as_dict()["preset"], with_planes.as_dict()["bits"]) == ("fixed", 4)
    assert with_planes.hash() != plan.hash()
    assert with_planes.rules().rules.bits == 4
    momos = make_plan("digits", selection=Selection(models=("resnet8_w6",)), preset="momos-paper")
    assert momos.metrics == ("bdm", "gzip:bits-bytes", "bz2:bits-bytes", "lzma:bits-bytes")


def test_a_parametrized_weight_is_scored_as_the_model_computes_it():
    torch.manual_seed(0)
    plain = torch.nn.Linear(16, 16)
    module = torch.nn.Sequential(torch.nn.Linear(16, 16))
    module.load_state_dict({f"0.{name}": value for name, value in plain.state_dict().items()})

    class Clipped(torch.nn.Module):
        def forward(self, weight):
            return weight.clamp(min=0)

    parametrize.register_parametrization(module[0], "weight", Clipped())
    rows = measure_rows(module, ("bdm",), preset="qubd-paper", controls=("shuffle",))
    found = {(row["tensor"], row["metric"]): row for row in rows}
    raw = "0.parametrizations.weight.original"
    assert found[raw, "qubd"]["value"] == qubd(plain.weight.detach().clamp(min=0)).total
    assert found[raw, "bdm"]["value"] == bdm(plain.weight.detach().numpy().reshape(-1) > 0)
    assert found[raw, "qubd_shuffle_mean"]["status"] == "ok"


def test_how_values_were_read_is_said():
    state = {"fc.weight": torch.randn(16, 16).to(torch.float8_e4m3fn)}
    rows = [row for row in measure_rows(state, ("bdm",)) if row["scope"] == "tensor"]
    assert [(row["status"], bool(row["note"])) for row in rows] == [("ok", True)]
