"""The iid null against simulated multinomial counts, a naive exact sum, and the published saturation values."""

from itertools import product
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
@pytest.mark.parametrize("p", [0.5, 0.05])
@pytest.mark.parametrize("blocks", [1, 2, 10, 60])
def test_few_blocks_have_the_mean_and_sd_of_simulated_counts(shape, p, blocks):
    ctm = ctm_table(shape)
    # Blocks drawn one by one, which is the law itself; a histogram of 65,536 cells per draw would take seconds.
    rng = np.random.default_rng(0)
    size = int(log2(ctm.size))
    codes = np.sort((rng.random((20_000, blocks, size)) < p) @ (1 << np.arange(size)), axis=1)
    first = np.diff(codes, axis=1, prepend=-1) > 0
    last = np.diff(codes, axis=1, append=ctm.size) > 0
    values = (first * ctm[codes]).sum(axis=1)
    run_ends = np.where(last, np.arange(1, blocks + 1), 0)
    before = np.maximum.accumulate(np.where(first, np.arange(blocks), 0), axis=1)
    values += np.log2(np.where(last, run_ends - before, 1)).sum(axis=1)
    null = iid_null(ctm, blocks, p)
    assert null.mean == pytest.approx(values.mean(), abs=4.5 * null.sd / 20_000**0.5)
    assert null.sd == pytest.approx(values.std(ddof=1), rel=0.06)


@pytest.mark.parametrize("p", [0.5, 0.2, 1e-3, 1e-9, 1 - 1e-9])
@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_the_sd_of_few_blocks_is_exact(blocks, p):
    """Every sequence of blocks of two bits, enumerated."""
    ctm = np.array([3.0, 5.0, 7.5, 3.5])
    mean = square = 0.0
    for sequence in product(range(4), repeat=blocks):
        weight = np.prod(block_probabilities(2, p)[list(sequence)])
        codes, counts = np.unique(sequence, return_counts=True)
        value = ctm[codes].sum() + np.log2(counts).sum()
        mean, square = mean + weight * value, square + weight * value**2
    assert iid_null(ctm, blocks, p).sd == pytest.approx((square - mean**2) ** 0.5, rel=1e-4, abs=2e-7)


def test_one_block_has_the_sd_of_its_ctm_value():
    p = block_probabilities(12, 0.05)
    spread = (p @ (STRINGS - p @ STRINGS) ** 2) ** 0.5
    assert iid_null(STRINGS, 1, 0.05).sd == pytest.approx(spread, rel=1e-10)


@pytest.mark.parametrize("shape", [(12,), (4, 4)])
@pytest.mark.parametrize("p", [0.5, 0.05, 1e-3, 1e-7, 0.9999])
def test_the_exact_sd_joins_the_one_of_many_blocks(monkeypatch, shape, p):
    many = iid_null(ctm_table(shape), iid.EXACT_BELOW, p)
    monkeypatch.setattr(iid, "EXACT_BELOW", iid.EXACT_BELOW + 1)
    exact = iid_null(ctm_table(shape), iid.EXACT_BELOW - 1, p)
    assert many.mean == exact.mean
    assert many.sd == pytest.approx(exact.sd, rel=0.01)


def test_a_share_of_ones_below_the_last_bit_of_a_float_is_none():
    assert iid_null(STRINGS, 5, 1e-300) == iid_null(STRINGS, 5, 0.0)


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


@pytest.mark.parametrize(("blocks", "p"), [(10_500_000, 0.9998), (500_000_000, 0.5), (500_000_000, 0.47)])
def test_the_series_join_the_sums(monkeypatch, blocks, p):
    """With p = 0.9998 one block is far more common than the others; with 0.5 all are expected 122,000 times."""
    series = iid_null(STRINGS, blocks, p)
    monkeypatch.setattr(iid, "ASYMPTOTIC", 1e9)
    iid._moments.cache_clear()
    summed = iid_null(STRINGS, blocks, p)
    iid._moments.cache_clear()
    assert series.mean == pytest.approx(summed.mean, rel=1e-14)
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


def extended_sd(ctm, blocks, p):
    """The formula as it reads, sums of Poisson variances less what the total explains, in 64-bit mantissas.

    The subtraction loses up to eight digits of nineteen. Probabilities come from the ratio of neighbours, outwards from
    the likeliest; logarithms are less that of the expected count, which no variance sees.
    """
    real = np.longdouble
    ones = np.bitwise_count(np.arange(ctm.size))
    variance = explained = real(0)
    for number in np.unique(ones):
        values = ctm[ones == number].astype(real)
        expected = real(blocks) * real(p) ** int(number) * (1 - real(p)) ** int(log2(ctm.size) - number)
        mode, reach = int(expected), int(11 * float(expected) ** 0.5) + 40
        up = np.cumprod(expected / np.arange(mode + 1, mode + reach, dtype=real))
        down = np.cumprod(np.arange(mode, max(0, mode - reach), -1, dtype=real) / expected)
        n = np.concatenate([np.arange(mode - down.size, mode), np.arange(mode, mode + reach)]).astype(real)
        weight = np.concatenate([down[::-1], [real(1)], up])
        weight /= weight.sum()
        log, seen, n = np.log2(np.maximum(n, 1) / expected), (n > 0).astype(real), n - expected

        def covariance(x, y, weight=weight):
            return (weight * (x - (weight * x).sum()) * (y - (weight * y).sum())).sum()

        variance += (values**2).sum() * covariance(seen, seen) + 2 * values.sum() * covariance(seen, log)
        variance += values.size * covariance(log, log)
        explained += values.sum() * covariance(seen, n) + values.size * covariance(log, n)
    return float(np.sqrt(variance - explained**2 / blocks))


@pytest.mark.parametrize("p", [0.5, 0.4999, 0.33])
@pytest.mark.parametrize("blocks", [10**4, 10**6, 10**9, 10**11])
def test_the_sd_keeps_its_digits(blocks, p):
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no longer than double here")
    assert iid_null(STRINGS, blocks, p).sd == pytest.approx(extended_sd(STRINGS, blocks, p), rel=1e-6)


@pytest.mark.parametrize("ctm", [STRINGS, ctm_table((4, 4))], ids=["12", "4x4"])
@pytest.mark.parametrize("saturation", [1e5, 1e8, 1e11])
def test_the_sd_of_fair_bits_is_that_of_a_chi_square(ctm, saturation):
    """Of many fair bits ``sum of log n`` is a constant less half a chi square statistic over the expected count."""
    expected = (ctm.size / 2) ** 0.5 / (saturation * np.log(2))
    assert iid_null(ctm, int(saturation * ctm.size), 0.5).sd == pytest.approx(expected, rel=1e-4)


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
