"""One battery for every estimator in the registry: a new one is held to it without a line here."""

import math

import ml_dtypes
import numpy as np
import pytest

from complexity_lab.errors import ComplexityLabError, InputError, UnknownNameError
from complexity_lab.estimators.estimator import REGISTRY, CountEstimator, PlaneEstimator, StreamEstimator, estimator
from tests.naive import bdm as naive_bdm
from tests.naive import compressors as naive_compressors
from tests.naive import lz76 as naive_lz76
from tests.naive import qubd as naive_qubd
from tests.oracle import pybdm

EVERY = pytest.mark.parametrize("item", REGISTRY.values(), ids=list(REGISTRY))
STREAMS = [item for item in REGISTRY.values() if isinstance(item, StreamEstimator)]
EVERY_STREAM = pytest.mark.parametrize("item", STREAMS, ids=[item.name for item in STREAMS])
READS_FLOATS = {"exponent_entropy", "mantissa_entropy"}  # their numbers are those of a float format


def random_weights(side=60, seed=0):
    return np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.float32), (side, side))


def noise(item):
    """Weights that this estimator finds complex, in a format that any other float format can hold."""
    if item.name not in READS_FLOATS:
        return random_weights()
    mantissas = np.random.default_rng(0).integers(128, 256, (60, 60))  # eight bits, as bfloat16 has them
    return np.ldexp(random_weights(), -(mantissas % 7)) * mantissas.astype(np.float32)


def ctm_of_pybdm(axes):
    table = pybdm(axes)._ctm[(12,) if axes == 1 else (4, 4)]
    flip = str.maketrans("01", "10")
    return {**table, **{bits.translate(flip): value for bits, value in table.items()}}


def naive_score(item, weights):
    """The number by definition, from code that shares nothing with the package."""
    if item.name in READS_FLOATS:
        return getattr(naive_lz76, item.name)(weights.ravel().tolist(), "float32")
    if item.name == "lz76_density":
        return naive_lz76.density(naive_bdm.bits_of(weights.ravel().tolist()))
    if isinstance(item, PlaneEstimator):
        return sum(naive_qubd.qubd(weights, 8, 99.9, pybdm(2, "recursive").bdm))
    if not isinstance(item, CountEstimator):
        return naive_compressors.rate(naive_compressors.payload(weights.ravel(), item.payload), item.compressor)
    flat = naive_bdm.bits_of(weights.ravel().tolist())
    rows = [naive_bdm.bits_of(row) for row in weights.reshape(weights.shape[0], -1).tolist()]
    axes = len(item.shape)
    blocks = naive_bdm.string_blocks(flat, 12) if axes == 1 else naive_bdm.square_blocks(rows, 4)
    bits = np.array(flat if axes == 1 else rows)
    return {
        "bdm": lambda: naive_bdm.bdm(blocks, ctm_of_pybdm(axes)),
        "bdm_normalized": lambda: pybdm(axes).nbdm(bits),
        "block_entropy": lambda: naive_bdm.block_entropy(blocks),
        "block_entropy_normalized": lambda: pybdm(axes).nent(bits),
    }[item.name.replace("_2d", "")]()


@EVERY
def test_it_has_a_name_a_unit_and_a_source(item):
    assert REGISTRY[item.name] is item
    assert item.unit
    assert item.source


@EVERY
def test_it_equals_its_naive_twin(item):
    for weights in (noise(item), random_weights(61, 1) * np.float32(0.5), np.ones((40, 40), dtype=np.float32)):
        assert item.score(weights) == pytest.approx(naive_score(item, weights), rel=1e-12, abs=1e-12)


@EVERY
def test_it_is_deterministic_and_leaves_its_input_alone(item):
    weights = noise(item)
    before = weights.copy()
    assert item.score(weights) == item.score(weights)
    np.testing.assert_array_equal(weights, before)


@EVERY
def test_strides_and_byte_order_of_the_same_numbers_change_nothing(item):
    weights = noise(item)
    expected = item.score(weights)
    for same in (np.asfortranarray(weights), np.repeat(weights, 2, axis=0)[::2], weights.astype(">f4")):
        assert item.score(same) == expected


@EVERY
def test_the_type_of_the_same_numbers_changes_nothing_unless_it_is_what_is_scored(item):
    weights = noise(item)
    expected = item.score(weights)
    same = [weights.astype(dtype) for dtype in (np.float64, np.float16, ml_dtypes.bfloat16)]
    if item.name in READS_FLOATS:
        assert [item.score(other) for other in same] == pytest.approx([expected] * 3, rel=0.01)  # other bytes
        return
    if "float32" not in item.name:
        same += [(weights > 0).astype(dtype) for dtype in (bool, np.uint8, np.int64)]
    for other in same:
        assert item.score(other) == expected


@EVERY
def test_bits_are_scored_or_refused_by_name(item):
    bits = (random_weights() > 0).astype(np.uint8)
    if item.name in READS_FLOATS:
        with pytest.raises(InputError, match="dtype uint8 has no exponent and mantissa, wanted weights in float64"):
            item.score(bits)
    else:
        assert item.score(bits) >= 0


@EVERY
def test_a_constant_is_simpler_than_noise(item):
    constant, noisy = item.score(np.ones((60, 60), dtype=np.float32)), item.score(noise(item))
    assert constant > noisy if item.unit == "raw/compressed" else constant < noisy


@EVERY
def test_nothing_and_a_single_bit_are_defined(item):
    for weights in (np.zeros((0,), np.float32), np.ones(1, np.float32), np.zeros((1, 1), np.float32)):
        value = item.score(weights)
        assert isinstance(value, float)
        assert value >= 0 or math.isnan(value)


@EVERY
def test_what_is_not_finite_is_refused(item):
    for bad in (np.nan, np.inf, -np.inf):
        weights = random_weights()
        weights[7, 7] = bad
        with pytest.raises(ComplexityLabError, match="1 of 3,600 weights are NaN or infinite"):
            item.score(weights)


@EVERY_STREAM
def test_a_stream_of_tensors_scores_like_the_whole(item):
    weights, accumulator = noise(item), item.start()
    for part in np.split(weights, [1, 1, 20, 37]):
        accumulator.add(part)
    assert accumulator.value() == accumulator.value() == item.score(weights)
    assert accumulator.scored == weights.size


@EVERY_STREAM
def test_accumulators_share_nothing_and_keep_no_view_of_a_tensor(item):
    first, second, weights = item.start(), item.start(), noise(item)
    expected = item.score(weights)
    first.add(weights)
    weights[:] = 1  # readers of files overwrite the tensor before
    second.add(weights)
    assert first.value() == expected
    assert second.value() < expected


@EVERY_STREAM
def test_what_was_refused_leaves_no_trace(item):
    weights, accumulator = noise(item), item.start()
    bad = weights.copy()
    bad[0, 0] = np.inf
    accumulator.add(weights[:30])
    for refused in (bad, np.array([2, 3])):
        with pytest.raises(ComplexityLabError):
            accumulator.add(refused)
    accumulator.add(weights[30:])
    assert accumulator.value() == item.score(weights)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean gzip"):
        estimator("gzpi")
