"""Bit planes: rows per tensor and plane, sums over the model, reasons for what is left out."""

import gzip

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from complexity_lab.estimators.bdm import bdm
from complexity_lab.estimators.qubd import qubd
from complexity_lab.weights.source import NamedTensor, SkippedTensor
from tests.measurement.rows import rows_of, values, weights


def planes_of(source, **options):
    """Return rows of the weights' own planes by tensor and plane."""
    rows = rows_of(source, "bdm", **options)
    return {(row.tensor, row.plane): row for row in rows if row.metric == "qubd" and row.null is None}


def test_rows_are_those_of_qubd():
    state = weights()
    rows = planes_of(state, preset="qubd-paper")
    expected = {name: qubd(state[name]) for name in ("conv.weight", "fc.weight")}
    for name, score in expected.items():
        assert rows[name, None].value == pytest.approx(score.total, rel=1e-12)
        each = [rows[name, plane] for plane in range(8)]
        assert [row.value for row in each] == list(score.planes)
        assert [row.ones for row in each] == list(score.ones)
        assert [row.distinct_blocks for row in each] == list(score.distinct)
        assert {(row.scored, row.dropped, row.blocks) for row in each} == {(score.scored, score.dropped, score.blocks)}
    whole = rows[None, None]
    assert whole.value == pytest.approx(sum(score.total for score in expected.values()))
    assert whole.scored + whole.dropped == sum(array.size for array in state.values())
    assert sum(rows[None, plane].value for plane in range(8)) == pytest.approx(whole.value)


def test_what_the_rules_leave_out_says_why():
    rows = planes_of(weights(), preset="qubd-paper")
    reasons = {tensor: row.reason for (tensor, _), row in rows.items() if row.status == "skipped"}
    assert set(reasons) == {"conv.bias", "embedding", "thin.weight"}
    assert "not called weight" in reasons["embedding"]
    assert "3x100" in reasons["thin.weight"]
    ours = planes_of(weights(), preset="fixed")
    assert {tensor for (tensor, _), row in ours.items() if row.status == "skipped"} == {"conv.bias"}


def test_qubd_is_a_metric_of_its_own():
    assert planes_of(weights(), preset="fixed") == {
        (row.tensor, row.plane): row for row in rows_of(weights(), "qubd") if row.metric == "qubd"
    }
    assert {row.metric for row in rows_of(weights(), "qubd")} == {"qubd"}


def test_a_model_without_a_matrix_says_so():
    whole = planes_of({"a": np.ones(50, np.float32)}, preset="fixed")[None, None]
    assert (whole.status, whole.value) == ("failed", None)
    assert "no tensor is a matrix" in whole.reason


def test_nan_is_named():
    state = weights()
    state["fc.weight"][2, 2] = np.nan
    rows = planes_of(state, preset="fixed")
    assert [row.status for (tensor, _), row in rows.items() if tensor == "fc.weight"] == ["failed"]
    assert "NaN" in rows["fc.weight", None].reason
    assert [(row.status, "fc.weight" in row.reason) for (tensor, _), row in rows.items() if tensor is None] == [
        ("failed", True)
    ]


def test_a_range_that_no_float_holds_fails_alone():
    state = weights() | {"wide.weight": np.array([[-3e38] * 4, [3e38] * 4] * 2, np.float32)}
    rows = rows_of(state, "bdm", preset="qubd-paper")
    found = {(row.tensor, row.metric): row for row in rows if row.null is None and row.plane is None}
    assert found["wide.weight", "qubd"].status == "failed"
    assert "wide.weight" in found[None, "qubd"].reason
    assert found[None, "bdm"].status == found["wide.weight", "bdm"].status == "ok"


def test_momos_paper_is_one_stream_and_one_byte_per_bit():
    found = values(rows_of(weights(), preset="momos-paper", tensor_rows=False))
    stream = np.concatenate([array.reshape(-1) > 0 for array in weights().values()])
    assert found[None, "bdm", None] == bdm(stream)
    packed = len(stream) / len(gzip.compress(stream.tobytes(), 9, mtime=0))
    assert found[None, "gzip:bits-bytes", None] == packed


class Clipped(torch.nn.Module):
    def forward(self, weight):
        return weight.clamp(min=0)


def clipped():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Linear(16, 4))
    plain = module[0].weight.detach().clone()
    parametrize.register_parametrization(module[0], "weight", Clipped())
    return module, plain


def test_a_parametrized_weight_is_scored_as_the_model_computes_it():
    module, plain = clipped()
    rows = rows_of(module, "bdm", preset="qubd-paper", controls="all")
    found = {(row.tensor, row.metric, row.null): row for row in rows if row.plane is None}
    raw = "0.parametrizations.weight.original"
    assert found[raw, "qubd", None].value == qubd(plain.clamp(min=0)).total
    assert found[raw, "bdm", None].value == bdm(plain.numpy().reshape(-1) > 0)
    assert found[raw, "qubd", "shuffle"].status == "ok"


def test_parts_of_a_parametrized_weight_are_skipped_with_their_reason():
    part = SkippedTensor("w", (4, 4), "float32", "matrix", "a part of w, which comes with original0")
    tensors = [
        NamedTensor("a", np.random.default_rng(0).standard_normal((8, 8)), "matrix"),
        NamedTensor("b", np.ones((4, 4)), "matrix", computed=part),
    ]
    rows = planes_of(tensors, preset="fixed", controls="shuffle")
    assert (rows["b", None].status, rows["b", None].reason) == ("skipped", part.reason)
    assert rows[None, None].dropped == 16
