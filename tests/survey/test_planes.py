"""QuBD beside the other metrics: rows per tensor and plane, sums over the model, reasons for what is left out."""

import numpy as np
import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.estimators.qubd import qubd, qubd_rules
from complexity_lab.survey.plan import make_plan
from complexity_lab.survey.planes import plane_metrics, planes_of
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
    rows = by_place(measure_rows(state, ("bdm",), planes=qubd_rules("qubd-paper")))
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
    rows = by_place(measure_rows(weights(), ("bdm",), planes=qubd_rules("qubd-paper")))
    reasons = {tensor: row["reason"] for (tensor, metric), row in rows.items() if row["status"] == "skipped"}
    assert set(reasons) == {"conv.bias", "embedding", "thin.weight"}
    assert "not called weight" in reasons["embedding"]
    assert "3x100" in reasons["thin.weight"]
    ours = by_place(measure_rows(weights(), ("bdm",), planes=qubd_rules("fixed")))
    assert {tensor for (tensor, _), row in ours.items() if row["status"] == "skipped"} == {"conv.bias"}


def test_other_metrics_do_not_change():
    with_planes = measure_rows(weights(), ("bdm", "bdm_2d"), planes=planes_of("fixed", 4))
    assert [row for row in with_planes if not row["metric"].startswith("qubd")] == measure_rows(
        weights(), ("bdm", "bdm_2d")
    )


def test_a_model_without_a_matrix_says_so():
    rows = by_place(measure_rows({"a": np.ones(50, np.float32)}, ("bdm",), planes=planes_of("fixed", None)))
    assert (rows["", "qubd"]["status"], rows["", "qubd"]["value"]) == ("failed", None)
    assert "no tensor is a matrix" in rows["", "qubd"]["reason"]


def test_nan_is_named():
    state = weights()
    state["fc.weight"][2, 2] = np.nan
    rows = by_place(measure_rows(state, ("bdm",), planes=planes_of("fixed", None)))
    assert ("fc.weight", "qubd_plane0") not in rows
    assert rows["fc.weight", "qubd"]["status"] == "failed"
    assert "not finite" in rows["fc.weight", "qubd"]["reason"] or "NaN" in rows["fc.weight", "qubd"]["reason"]
    assert rows["", "qubd"]["status"] == "failed"
    assert "fc.weight" in rows["", "qubd"]["reason"]


def test_a_range_that_cannot_be_quantized_fails_alone():
    state = weights() | {"wide.weight": np.array([[-3e38] * 4, [3e38] * 4] * 2, np.float32)}
    rows = measure_rows(state, ("bdm",), planes=planes_of("qubd-paper", None))
    found = by_place(rows)
    assert found["wide.weight", "qubd"]["status"] == "failed"
    assert "wide.weight" in found["", "qubd"]["reason"]
    assert [row["status"] for row in rows if row["metric"] == "bdm" and row["scope"] == "model"] == ["ok"]


def test_presets_and_bits():
    assert planes_of(None, None) is None
    assert planes_of(None, 4).boundary == "recursive"
    assert planes_of("qubd-paper", 4).bits == 4
    assert plane_metrics(2) == ("qubd", "qubd_plane0", "qubd_plane1")
    for bits in (0, 17):
        with pytest.raises(InputError, match="wanted 1 to 16"):
            planes_of("fixed", bits)
    with pytest.raises(UnknownNameError, match="did you mean qubd-paper"):
        planes_of("qubd-papr", None)


def test_a_plan_without_planes_is_that_of_versions_that_had_none():
    plan = make_plan("digits", selection=Selection(models=("resnet8_w6",)))
    assert not {"preset", "bits"} & set(plan.as_dict())
    with_planes = make_plan("digits", selection=Selection(models=("resnet8_w6",)), preset="fixed", bits=4)
    assert (with_planes.as_dict()["preset"], with_planes.as_dict()["bits"]) == ("fixed", 4)
    assert with_planes.hash() != plan.hash()
    assert with_planes.rules().bits == 4
