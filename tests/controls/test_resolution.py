"""The smallest detectable bias, and the simulated saturation values of ALGORITHMS.md 0.6."""

import numpy as np
import pytest

from complexity_lab.controls.iid import iid_null
from complexity_lab.controls.resolution import bias_ratio, resolution
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table

STRINGS = ctm_table((12,))
SIZES = [10**power for power in range(3, 14)]


@pytest.mark.parametrize(
    ("millions", "ratio", "digits"),
    [(0.27, 0.80, 2), (1.05, 0.94, 2), (5.5, 0.971, 3), (26, 0.974, 3), (86, 0.975, 3)],
)
def test_the_simulated_saturation_values(millions, ratio, digits):
    """A share of ones of 0.33 at the sizes of Table 1's models, to one last digit of the simulation.

    All but the first also round to what is printed; the first is 0.807. A share of 1/3 does not: 0.815, 0.943, 0.973.
    """
    assert bias_ratio(int(millions * 1e6), 0.33) == pytest.approx(ratio, abs=10**-digits)


def naive_bias(ctm, weights, z):
    """The first of many shares below one half whose mean lies z sd lower."""
    blocks = weights // int(np.log2(ctm.size))
    fair = iid_null(ctm, blocks, 0.5)
    for bias in np.arange(0, 0.5, 0.0005):
        if iid_null(ctm, blocks, 0.5 - bias).mean <= fair.mean - z * fair.sd:
            return bias
    return None


@pytest.mark.parametrize("z", [1.0, 3.0])
@pytest.mark.parametrize("weights", [2_000, 30_000, 500_000])
def test_the_smallest_bias_is_the_first_that_is_z_sd_away(weights, z):
    found = resolution(weights, z=z)
    expected = naive_bias(STRINGS, weights, z)
    assert expected - 0.0005 <= found.bias <= expected
    assert found.ones_fraction == 0.5 - found.bias
    assert found.ratio == pytest.approx(bias_ratio(weights, found.ones_fraction), rel=1e-12)


@pytest.mark.parametrize(("weights", "p"), [(3_000, 0.5), (100_000, 0.5)])
def test_the_threshold_is_z_sd_of_simulated_fair_bits(weights, p):
    blocks = weights // 12
    counts = np.random.default_rng(0).multinomial(blocks, np.full(4096, 1 / 4096), size=800)
    values = (counts > 0) @ STRINGS + np.log2(np.maximum(counts, 1)).sum(axis=1)
    found = resolution(weights, z=2.0)
    threshold = found.ratio * iid_null(STRINGS, blocks, p).mean
    assert (values.mean() - threshold) / values.std(ddof=1) == pytest.approx(2.0, abs=0.25)


@pytest.mark.parametrize("shape", [(12,), (4, 4)])
def test_more_weights_tell_smaller_biases(shape):
    found = [resolution(weights, shape=shape) for weights in SIZES]
    biases, ratios = [each.bias for each in found], [each.ratio for each in found]
    assert biases == sorted(biases, reverse=True)
    assert ratios == sorted(ratios)
    assert len(set(biases)) == len(SIZES)
    assert biases[-1] < 2e-4


def test_fewer_sd_tell_smaller_biases():
    assert resolution(10_000, z=1).bias < resolution(10_000, z=3).bias


def test_a_mirrored_share_is_alike():
    assert bias_ratio(10**5, 0.4) == pytest.approx(bias_ratio(10**5, 0.6), rel=1e-12)


def test_a_single_block_tells_no_bias():
    found = resolution(13, z=10)
    assert found.bias is None
    assert found.ones_fraction is None
    assert found.blocks == 1
    assert found.ratio < iid_null(STRINGS, 1, 0.0).mean / iid_null(STRINGS, 1, 0.5).mean


def test_bad_input_is_named():
    with pytest.raises(InputError, match="11 weights"):
        resolution(11)
    with pytest.raises(InputError, match="z is 0"):
        resolution(1_000, z=0)
    with pytest.raises(InputError, match="the effect is rounding"):
        resolution(10**14)
    with pytest.raises(InputError, match="15 weights"):
        resolution(15, shape=(4, 4))
    with pytest.raises(InputError, match="share of ones"):
        bias_ratio(1_000, 1.5)
