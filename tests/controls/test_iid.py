"""The iid null against simulated multinomial counts, a naive exact sum, and the published saturation values."""

from math import comb, log2

import numpy as np
import pytest

from complexity_lab.binary.counting import block_counts
from complexity_lab.controls import iid
from complexity_lab.controls.iid import iid_null, iid_null_of
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table

STRINGS = ctm_table((12,))


def block_probabilities(size, p):
    ones = np.bitwise_count(np.arange(2**size)).astype(float)
    return p**ones * (1 - p) ** (size - ones)


def simulated(ctm, blocks, p, draws, seed=0):
    probabilities = block_probabilities(int(log2(ctm.size)), p)
    counts = np.random.default_rng(seed).multinomial(blocks, probabilities / probabilities.sum(), size=draws)
    return (counts > 0) @ ctm + np.log2(np.maximum(counts, 1)).sum(axis=1)


def exact_mean(ctm, blocks, p):
    """The expectation written out over every possible count of every block; for few blocks only."""
    total = 0.0
    for probability, value in zip(block_probabilities(int(log2(ctm.size)), p), ctm, strict=True):
        for n in range(1, blocks + 1):
            weight = comb(blocks, n) * probability**n * (1 - probability) ** (blocks - n)
            total += weight * (value + log2(n))
    return total


@pytest.mark.parametrize("p", [0.5, 0.3, 0.02])
@pytest.mark.parametrize("blocks", [1, 2, 9])
def test_the_mean_is_exact(blocks, p):
    assert iid_null(STRINGS, blocks, p).mean == pytest.approx(exact_mean(STRINGS, blocks, p), rel=1e-11)


@pytest.mark.parametrize("shape", [(12,), (4, 4)])
@pytest.mark.parametrize("p", [0.5, 0.45, 0.33, 0.02])
@pytest.mark.parametrize("blocks", [300, 8_333, 500_000, 8_000_000])
def test_mean_and_sd_are_those_of_simulated_counts(shape, p, blocks):
    ctm = ctm_table(shape)
    draws = 200
    values = simulated(ctm, blocks, p, draws)
    null = iid_null(ctm, blocks, p)
    assert null.mean == pytest.approx(values.mean(), abs=4.5 * null.sd / draws**0.5)
    assert null.sd == pytest.approx(values.std(ddof=1), rel=0.25)


def test_the_smooth_branch_joins_the_exact_one(monkeypatch):
    """With p = 0.9998 one block is so common that log2 n is expanded in a series; it must agree with the sum."""
    series = iid_null(STRINGS, 10_500_000, 0.9998)
    monkeypatch.setattr(iid, "ASYMPTOTIC", 1e9)
    summed = iid_null(STRINGS, 10_500_000, 0.9998)
    assert series.mean == pytest.approx(summed.mean, rel=1e-12)
    assert series.sd == pytest.approx(summed.sd, rel=1e-6)


@pytest.mark.parametrize(
    ("millions", "ratio", "digits"),
    [(0.27, 0.80, 2), (1.05, 0.94, 2), (5.5, 0.971, 3), (26, 0.974, 3), (86, 0.975, 3)],
)
def test_the_published_saturation_values(millions, ratio, digits):
    """Ratio that a sign bias of 67/33 alone produces at the sizes of Table 1's models, to one last digit."""
    blocks = int(millions * 1e6) // 12
    found = iid_null(STRINGS, blocks, 0.67).mean / iid_null(STRINGS, blocks, 0.5).mean
    assert found == pytest.approx(ratio, abs=10**-digits)


@pytest.mark.parametrize(
    ("bits", "mean", "sd", "at_45"),
    [
        (1e5, 119_231, 519, 0.968),
        (1e6, 150_791, 4.0, 0.9975),
        (1e7, 164_534, 0.29, 0.9978),
        (1e8, 178_154, 0.04, 0.998),
    ],
)
def test_measured_values_of_fair_bits(bits, mean, sd, at_45):
    blocks = int(bits) // 12
    null = iid_null(STRINGS, blocks, 0.5)
    assert null.mean == pytest.approx(mean, rel=2e-3)
    assert null.sd == pytest.approx(sd, rel=0.35)
    biased = iid_null(STRINGS, blocks, 0.45)
    one_draw = (null.sd + biased.sd) / null.mean  # the published ratios are of single draws
    assert biased.mean / null.mean == pytest.approx(at_45, abs=5e-4 + 3 * one_draw)


def test_constant_bits_are_one_block():
    for p, code in ((0.0, 0), (1.0, 4095)):
        null = iid_null(STRINGS, 1000, p)
        assert null.mean == pytest.approx(STRINGS[code] + log2(1000), rel=1e-12)
        assert null.sd == pytest.approx(0, abs=1e-6)


def test_nothing_scores_nothing_and_nonsense_is_refused():
    assert iid_null(STRINGS, 0, 0.5).mean == 0
    with pytest.raises(InputError, match=r"0\.\.1"):
        iid_null(STRINGS, 10, 1.5)
    with pytest.raises(InputError, match="-1 blocks"):
        iid_null(STRINGS, -1, 0.5)


def test_the_null_of_observed_counts_uses_their_share_of_ones():
    counts = block_counts((np.random.default_rng(0).random(120_000) < 0.4).astype(int))
    null = iid_null_of(counts, STRINGS)
    assert null == iid_null(STRINGS, counts.blocks, counts.ones_fraction)
    assert iid_null_of(counts, STRINGS, 0.5).mean > null.mean
