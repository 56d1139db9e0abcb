"""QuBD against pybdm and the definition, and the properties that the score must have."""

import ml_dtypes
import numpy as np
import pytest

import complexity_lab as cl
from complexity_lab.binary.plane_kernels import PLANE_KERNELS
from complexity_lab.binary.planes import plane_counts, quantize
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators import qubd as module
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.qubd import (
    QUBD_PRESETS,
    plane_ratios,
    qubd_tiled,
    suggested_bits,
)
from tests.naive import qubd as naive
from tests.oracle import pybdm

DTYPES = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]
ZEROS = 22.006706292292527  # CTM of 4x4 zeros


@pytest.fixture(params=["compiled", "numpy"])
def path(request, monkeypatch):
    """Each test runs on both routes: the compiled kernels and plain numpy."""
    monkeypatch.setattr(PLANE_KERNELS, "seen", 10**15 if request.param == "compiled" else -(10**15))


def normal(shape, dtype=np.float32):
    return (0.02 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)


def exactly(values):
    return pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 4), (9, 9), (32, 48), (18, 27), (10, 5, 3, 3)])
@pytest.mark.parametrize(("bits", "clip"), [(1, None), (4, 99.9), (8, 99.9), (8, None), (16, 99.0)])
def test_planes_equal_pybdm(path, dtype, shape, bits, clip):
    weights = normal(shape, dtype)
    real = np.float64 if dtype is np.float64 else np.float32
    expected = naive.qubd(weights, bits, clip, pybdm(2).bdm, real)
    found = cl.qubd(weights, bits, clip)
    assert found.planes == exactly(expected)
    assert found.total == exactly(sum(expected))


@pytest.mark.parametrize("shape", [(4, 4), (9, 9), (3, 100), (30, 41), (6, 7)])
def test_the_recursive_boundary_equals_pybdm(path, shape):
    expected = naive.qubd(normal(shape), 4, 99.9, pybdm(2, "recursive").bdm)
    assert cl.qubd(normal(shape), 4, boundary="recursive").planes == exactly(expected)


def test_the_tiled_variant_equals_pybdm():
    quantized = quantize(normal((12, 20)), 8)
    expected = naive.tiled([naive.plane(quantized.levels(), index) for index in range(8)])
    assert bdm_of(quantized.tiled_counts()) == exactly(pybdm(2).bdm(expected))
    assert qubd_tiled(normal((12, 20)), 8) == exactly(pybdm(2).bdm(expected))


@pytest.mark.parametrize(("side", "offset"), [(8, 0.198), (16, 0.053), (32, 0.014)])
def test_zeros_score_what_one_block_does(side, offset):
    zeros = cl.qubd(np.zeros((side, side)), 3)
    assert zeros.planes == exactly([ZEROS + np.log2(side**2 // 16)] * 3)
    assert zeros.delta == 0
    rng = np.random.default_rng(0)
    random = np.mean([cl.bdm(rng.integers(0, 2, (side, side))) for _ in range(10)])
    assert zeros.planes[0] / random == pytest.approx(offset, abs=0.004)


def test_one_plane_tells_what_is_nearer_to_the_maximum():
    weights = normal((16, 16))
    middle = (weights.min() + weights.max()) / 2
    assert cl.qubd(weights, 1, None).total == exactly(cl.bdm((weights > middle).astype(int)))


def test_transposition_and_complement_change_nothing(path):
    weights = np.random.default_rng(3).integers(-128, 128, (20, 36)).astype(np.float32) + np.float32(0.5)
    weights[0, :2] = -127.5, 127.5  # a range around 0 whose 256 levels mirror exactly
    expected = cl.qubd(weights, 8, None)
    assert cl.qubd(np.ascontiguousarray(weights.T), 8, None).planes == exactly(expected.planes)
    assert cl.qubd(-weights, 8, None).planes == exactly(expected.planes)


def test_a_border_is_ignored(path):
    rng = np.random.default_rng(4)
    weights = rng.random((9, 9), dtype=np.float32)
    weights[:2, 0] = 0, 1  # the range lies in the crop
    assert cl.qubd(weights, 8, None).planes == cl.qubd(weights[:8, :8], 8, None).planes
    found = cl.qubd(weights, 8, None)
    assert (found.blocks, found.scored, found.dropped) == (4, 64, 17)
    recursive = cl.qubd(weights, 8, None, boundary="recursive")
    assert recursive.scored + recursive.dropped == 81


def test_a_result_says_what_it_was_made_of():
    found = cl.qubd(normal((16, 16)), 8, None)
    assert found.bits == 8 == len(found.distinct)
    assert (found.lo, found.hi) == (normal((16, 16)).min(), normal((16, 16)).max())
    assert found.delta == pytest.approx((found.hi - found.lo) / 255)
    assert all(1 <= distinct <= 16 for distinct in found.distinct)
    assert module.qubd_of_planes(plane_counts(normal((16, 16)), clip=None)) == found.planes


@pytest.mark.parametrize(
    "weights", [np.zeros((0, 8)), np.zeros(80), np.float32(1), np.zeros((3, 100)), [[1.0] * 3] * 3]
)
def test_what_is_too_small_is_refused_with_a_reason(weights):
    with pytest.raises(InputError, match="QuBD needs"):
        cl.qubd(weights)


def test_what_is_not_finite_is_refused():
    weights = normal((9, 9))
    weights[8, 8] = np.nan
    with pytest.raises(WeightsError, match="1 of 81"):
        cl.qubd(weights)


def test_presets_say_what_they_skip():
    paper, fixed = QUBD_PRESETS["qubd-paper"], QUBD_PRESETS["fixed"]
    assert (paper.bits, paper.clip, paper.boundary, paper.min_side) == (8, 99.9, "ignore", 4)
    assert paper.why_not((64, 3, 7, 7), "conv.weight") is None
    assert "3x100" in paper.why_not((3, 100))
    assert fixed.why_not((3, 100)) is None
    assert "not called weight" in paper.why_not((8, 8), "attn.in_proj_weight")
    assert fixed.why_not((8, 8), "attn.in_proj_weight") is None
    assert "1 axis," in fixed.why_not((100,)) and "1 axis," in paper.why_not((100,), "norm.weight")
    assert "axes" in module.Rules(flatten=False).why_not((8, 8, 3, 3))


@pytest.mark.parametrize("name", QUBD_PRESETS)
def test_a_preset_scores_what_it_does_not_skip(name):
    rules = QUBD_PRESETS[name]
    assert rules.score(normal((9, 4, 3, 3))) == cl.qubd(normal((9, 4, 3, 3)), boundary=rules.boundary)
    assert rules.score(np.ones((8, 8))).total == exactly(8 * (ZEROS + 2))


def test_scale_is_nothing_to_the_fixed_rules():
    weights = normal((17, 23))
    fixed = QUBD_PRESETS["fixed"]
    assert fixed.score(weights * np.float32(2.0**-60)).planes == fixed.score(weights).planes


def test_ratios_and_models():
    first, second = cl.qubd(normal((16, 16))), cl.qubd(normal((32, 16)))
    model = module.total_profile([first, second])
    np.testing.assert_allclose(model, np.add(first.planes, second.planes))
    np.testing.assert_allclose(plane_ratios(first, first), 100)
    assert np.isnan(plane_ratios([0.0, 1.0], [0.0, 2.0])).tolist() == [True, False]
    with pytest.raises(InputError, match="planes"):
        plane_ratios(first, [1.0])
    with pytest.raises(InputError, match="planes"):
        module.total_profile([])


@pytest.mark.parametrize(
    ("profile", "bits"), [([100, 100, 100, 100], 1), ([100, 100, 100, 50], 1), ([50, 100, 100, 100], 4), ([9] * 4, 4)]
)
def test_suggested_bits_keep_every_structured_plane(profile, bits):
    assert suggested_bits(profile, [100.0] * 4) == bits


def test_suggested_bits_need_a_reference():
    with pytest.raises(InputError, match="no ratio"):
        suggested_bits([0.0], [0.0])
    with pytest.raises(InputError, match="threshold"):
        suggested_bits([1.0], [1.0], threshold=0)


def test_structure_in_the_leading_planes_is_found():
    rng = np.random.default_rng(0)
    steps = np.add.outer(np.arange(64), np.arange(64)) // 16 * 32  # the 3 leading planes in stripes, 5 of noise
    weights = (steps + rng.integers(0, 32, (64, 64))).astype(np.float32)
    reference = rng.integers(0, 256, (64, 64)).astype(np.float32)
    assert suggested_bits(cl.qubd(weights, clip=None), cl.qubd(reference, clip=None), threshold=95) == 3
