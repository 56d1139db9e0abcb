"""Entropies of exponents and mantissas against the digits of every number, and what is known of some distributions."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import complexity_lab.estimators.float_entropy as module
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.float_entropy import (
    FORMATS,
    ExponentEntropy,
    MantissaEntropy,
    exponent_entropy,
    mantissa_entropy,
)
from tests.naive import lz76 as naive

DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
EVERY = pytest.mark.parametrize("name", DTYPES)
exactly = lambda value: pytest.approx(value, rel=1e-12, abs=1e-12)  # noqa: E731


def normal(size, name="float32", seed=0):
    return (0.02 * np.random.default_rng(seed).standard_normal(size)).astype(DTYPES[name])


@EVERY
@given(values=st.lists(st.floats(-60_000, 60_000, width=16), min_size=1, max_size=40), third=st.booleans())
def test_they_are_the_entropies_of_the_digits(name, values, third):
    weights = (np.array(values) / (3 if third else 1)).astype(DTYPES[name])
    real = weights.astype(np.float64).tolist()
    assert exponent_entropy(weights) == exactly(naive.exponent_entropy(real, name))
    assert mantissa_entropy(weights) == exactly(naive.mantissa_entropy(real, name))


@EVERY
def test_special_numbers_count_like_others(name):
    smallest = np.finfo(DTYPES[name]) if name != "bfloat16" else ml_dtypes.finfo(DTYPES[name])
    weights = np.array([0.0, -0.0, smallest.smallest_subnormal, smallest.max, -smallest.max], dtype=DTYPES[name])
    real = weights.astype(np.float64).tolist()
    assert exponent_entropy(weights) == exactly(naive.entropy([0, 0, 0, 1, 1]))
    assert mantissa_entropy(weights) == exactly(naive.mantissa_entropy(real, name))


def test_normal_weights_have_the_exponents_of_their_distribution():
    edges = 2.0 ** np.arange(-30, 5)
    shares = 2 * np.diff(stats.norm.cdf(edges / 0.02))
    assert exponent_entropy(normal(1_000_000)) == pytest.approx(stats.entropy(shares, base=2), abs=0.005)
    assert mantissa_entropy(normal(1_000_000)) == pytest.approx(23, abs=0.05)


def test_rounded_mantissas_are_seen():
    rounded = normal(100_000).astype(ml_dtypes.bfloat16).astype(np.float32)
    assert mantissa_entropy(rounded) == exactly(mantissa_entropy(rounded.astype(ml_dtypes.bfloat16)))
    assert mantissa_entropy(rounded) < 7.01


@pytest.mark.parametrize("kind", [ExponentEntropy, MantissaEntropy])
def test_formats_have_histograms_of_their_own(kind):
    mixed, alone = kind(), []
    sizes = {"float32": 3000, "bfloat16": 1000, "float16": 500, "float64": 100}
    for seed, (name, size) in enumerate(sizes.items()):
        for part in np.split(normal(size, name, seed), [size // 3, size // 2]):
            mixed.add(part.reshape(1, -1))
        alone.append(kind())
        alone[-1].add(normal(size, name, seed))
    expected = sum(each.value() * each.scored for each in alone) / 4600
    assert mixed.value() == exactly(expected)
    assert mixed.scored == 4600


@pytest.mark.parametrize("kind", [ExponentEntropy, MantissaEntropy])
def test_pieces_and_byte_order_change_nothing(kind, monkeypatch):
    whole, pieces = kind(), kind()
    whole.add(normal(5000))
    monkeypatch.setattr(module, "CHUNK", 77)
    pieces.add(normal(5000).astype(">f4").reshape(50, 100))
    assert pieces.value() == whole.value()


@pytest.mark.parametrize("kind", [ExponentEntropy, MantissaEntropy])
def test_what_has_no_fields_is_refused_and_adds_nothing(kind):
    entropy = kind()
    assert math.isnan(entropy.value())
    for bits in (np.ones(3, dtype=np.uint8), np.ones(3, dtype=bool), np.ones(3, dtype=np.int64)):
        with pytest.raises(InputError, match=r"no exponent and mantissa, wanted weights in float64, .*lz76_density"):
            entropy.add(bits)
    with pytest.raises(WeightsError, match="2 of 3 weights are NaN or infinite"):
        entropy.add(np.array([1, np.inf, np.nan], dtype=np.float32))
    assert entropy.scored == 0
    assert math.isnan(entropy.value())


def test_formats_are_those_of_numpy():
    for name, fields in FORMATS.items():
        info = np.finfo(DTYPES[name]) if name != "bfloat16" else ml_dtypes.finfo(DTYPES[name])
        assert (fields.mantissa, 1 + fields.exponent + fields.mantissa) == (info.nmant, info.bits)
