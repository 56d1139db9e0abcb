"""The iid null: what BDM would be if the bits were independent, with the observed share of ones.

Block c with j ones then has probability ``P = p**j (1 - p)**(size - j)``, and the counts of N blocks are multinomial.
Blocks with equally many ones share one probability, so 13 (or 17) binomial distributions tell everything.

Mean: ``sum over blocks of P(n > 0) CTM + E[log2 n; n > 0]``, exact.

Variance below EXACT_BELOW blocks: exact, from the joint law of the counts of two blocks, which all pairs from two
classes of ones counts share. From there on: multinomial counts are independent Poisson counts given their total, so it
is the sum of the Poisson variances less what the total explains (``Cov(BDM, total)**2 / N``). That is exact as N grows,
but for one part in 4,096 (65,536) of the variance; at 64 blocks the sd is within 1 % for shares of ones from 1e-7 to
0.9999, at a single block it would be 3,000 times too large. The tests compare both with simulated counts.

In saturated bits the total explains all but a part in ``2 N / 4096`` of the Poisson variances. So nothing is
subtracted: the variances are those of ``I CTM + L - slope * n`` with the slope of the regression on the total, which is
the same, and each is computed from ``log1p(n / expected - 1)``. Above ASYMPTOTIC expected counts all moments are series
in ``1 / expected`` (central moments of the binomial and Poisson laws in the series of the logarithm). The sd keeps six
digits for any number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table

WINDOW = 12.0  # standard deviations summed on either side; the rest is below 1e-30
EXACT_BELOW = 64  # blocks; the exact variance takes at most 5 ms (12-bit) and 9 ms (4x4); grows as N**2
ASYMPTOTIC = 1e5  # expected count from which log2 n is smooth enough for series: the mean to 1e-15, the sd to 1e-8


@dataclass(frozen=True)
class NullDistribution:
    """Mean and standard deviation of an estimator under a null model, in the estimator's unit."""

    mean: float
    sd: float


def iid_null(ctm: np.ndarray, blocks: int, ones_fraction: float) -> NullDistribution:
    """Return mean and sd of BDM in bits for ``blocks`` blocks of independent bits.

    The mean is exact. The sd is exact below EXACT_BELOW blocks and within 1 % from there on.

    Args:
        ctm: CTM table in bits, ``[2**size]``, indexed by block code.
        blocks: number of blocks.
        ones_fraction: probability of a one, 0..1.

    Raises:
        InputError: the fraction is outside 0..1 or the number of blocks is negative.
    """
    if not 0 <= ones_fraction <= 1:
        raise InputError(f"share of ones is {ones_fraction}, wanted a number in 0..1")
    if blocks < 0:
        raise InputError(f"{blocks} blocks, wanted 0 or more")
    if blocks == 0:
        return NullDistribution(0.0, 0.0)
    if 1 - ones_fraction in (0, 1):  # one block, always (to the last bit of a float)
        return NullDistribution(float(ctm[-int(ones_fraction)] + np.log2(blocks)), 0.0)
    by_ones, squares, cells = _ctm_by_ones(ctm.tobytes(), ctm.size)
    ones = np.arange(cells.size)
    probability = ones_fraction**ones * (1 - ones_fraction) ** ones[::-1]
    classes = [(k, _moments(blocks, float(probability[k]))) for k in ones if probability[k] > 0]  # else never seen
    mean = sum(by_ones[k] * law.seen + cells[k] * law.log for k, law in classes)
    if blocks < EXACT_BELOW:
        variance = _exact_variance(ctm, blocks, ones_fraction, mean)
    else:
        slope = sum(by_ones[k] * law.seen_with_n + cells[k] * law.log_with_n for k, law in classes) / blocks
        variance = sum(_class_variance((cells[k], by_ones[k], squares[k]), law, slope) for k, law in classes)
    return NullDistribution(float(mean), float(np.sqrt(max(variance, 0.0))))


def iid_null_of(counts: BlockCounts, ctm: np.ndarray, ones_fraction: float | None = None) -> NullDistribution:
    """Return the iid null of observed counts, at their own share of ones unless another is given."""
    if counts.blocks == 0:
        return NullDistribution(0.0, 0.0)
    return iid_null(ctm, counts.blocks, counts.ones_fraction if ones_fraction is None else ones_fraction)


def iid_null_of_counts(counts: BlockCounts, ones_fraction: float | None = None) -> NullDistribution:
    """Return the iid null of observed counts by the shipped CTM tables, see ``iid_null_of``."""
    return iid_null_of(counts, ctm_table(counts.shape), ones_fraction)


@lru_cache(maxsize=8)
def _ctm_by_ones(table: bytes, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of CTM, sum of its squares and number of blocks, by the number of ones in a block."""
    ctm = np.frombuffer(table, dtype=np.float64)
    ones = np.bitwise_count(np.arange(size))
    return np.bincount(ones, ctm), np.bincount(ones, ctm**2), np.bincount(ones).astype(np.float64)


@dataclass(frozen=True)
class _Moments:
    """Of one block's count n: with I = [n > 0] and L = log2 n where n > 0, else 0."""

    expected: float  # E n
    seen: float  # E I, binomial
    log: float  # E L, binomial
    unseen: float  # P(n = 0), Poisson, as all below
    log_poisson: float  # E L
    seen_with_n: float  # Cov(I, n)
    log_with_n: float  # Cov(L, n)


@lru_cache(maxsize=512)  # the states of one model share their number of blocks
def _moments(blocks: int, probability: float) -> _Moments:
    expected = blocks * probability
    if expected > ASYMPTOTIC:
        return _smooth_moments(expected, probability)
    n, poisson, unseen = _poisson(expected)
    logs, relative = np.log2(n), np.log1p(n / expected - 1) / np.log(2)  # log2 n, and less its value at the mean
    binomial = _binomial(n[n <= blocks], blocks, probability)
    return _Moments(
        expected=expected,
        seen=float(binomial.sum()),
        log=float(binomial @ logs[n <= blocks]),
        unseen=unseen,
        log_poisson=float(poisson @ logs),
        seen_with_n=expected * unseen,
        log_with_n=float(poisson @ (relative * (n - expected))) + unseen * expected * np.log2(expected),
    )


def _poisson(expected: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return counts above zero, all that neither law lacks, their Poisson probabilities, and that of zero."""
    sd = np.sqrt(expected)
    low = max(1, int(expected - WINDOW * sd - 20))
    n = np.arange(low, int(expected + WINDOW * sd + 40))  # neither law has mass beyond that a float could see
    unseen = float(np.exp(-expected))
    return n, _scaled(np.log(expected / n[1:]), 1 - unseen), unseen


def _class_variance(sums: tuple[float, float, float], law: _Moments, slope: float) -> float:
    """Return the sum of the variances of ``I CTM + L - slope * n`` over blocks of one probability.

    Args:
        sums: number of blocks, sum of their CTM, sum of its squares.
        law: of the count of each of them.
        slope: of the regression on the total of all counts, bits per block.
    """
    cells, by_ones, squares = sums
    seen_with_rest = law.unseen * (law.log_poisson - slope * law.expected)
    rest = cells * _rest_variance(law.expected, slope)
    return float(squares * law.unseen * (1 - law.unseen) + 2 * by_ones * seen_with_rest + rest)


def _rest_variance(expected: float, slope: float) -> float:
    """Return the variance of ``L - slope * n`` of a Poisson count."""
    log_slope = 1 - slope * expected * np.log(2)
    if expected > ASYMPTOTIC:
        once = log_slope / expected * (1 + 5 / (3 * expected))
        series = log_slope**2 + once + (1 + 23 / (6 * expected)) / (2 * expected)
        return float(series / (expected * np.log(2) ** 2))
    n, poisson, unseen = _poisson(expected)
    share = n / expected - 1
    values = np.log1p(share) / np.log(2) - slope * expected * share
    at_zero = slope * expected - np.log2(expected)  # L is 0 there
    mean = float(poisson @ values) + unseen * at_zero
    return float(poisson @ (values - mean) ** 2 + unseen * (at_zero - mean) ** 2)


def _exact_variance(ctm: np.ndarray, blocks: int, ones_fraction: float, mean: float) -> float:
    """Return ``E[BDM**2] - mean**2``: squares of the blocks' own terms, and products over pairs of different blocks."""
    by_ones, squares, cells = _ctm_by_ones(ctm.tobytes(), ctm.size)
    ones = np.arange(cells.size)
    probability = ones_fraction**ones * (1 - ones_fraction) ** (cells.size - 1 - ones)
    ones = ones[probability > 0]  # too small for a float: never seen
    n = np.arange(1, blocks + 1)
    own = (
        np.stack([_binomial(n, blocks, p) for p in probability[ones]]) @ np.stack([n**0, np.log2(n), np.log2(n) ** 2]).T
    )
    second = (squares[ones] * own[:, 0] + 2 * by_ones[ones] * own[:, 1] + cells[ones] * own[:, 2]).sum()
    i, k = (ones[index] for index in np.triu_indices(ones.size))
    same = i == k
    possible = (cells[i] > 1) | ~same  # a class of one block has no pair
    i, k, same = i[possible], k[possible], same[possible]
    both, first_log, second_log, logs = _pair_moments(blocks, probability[i], probability[k])
    pairs = (
        (by_ones[i] * by_ones[k] - same * squares[i]) * both
        + (cells[i] - same) * by_ones[k] * first_log
        + (cells[k] - same) * by_ones[i] * second_log
        + (cells[i] - same) * cells[k] * logs
    )
    return float(second + (pairs * np.where(same, 1, 2)).sum() - mean**2)


def _pair_moments(blocks: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``E[I J], E[L J], E[I M], E[L M]``, ``[4, pairs]``, of two blocks with probabilities ``[pairs]`` each.

    I and J tell whether the blocks occur, L and M are log2 of their counts where they do.
    """
    total = np.arange(1, blocks + 1)
    a, b = (count.ravel() for count in np.meshgrid(total, total))
    a, b = a[a + b <= blocks], b[a + b <= blocks]
    others = np.maximum(1 - first - second, np.finfo(float).tiny)
    log_law = np.log([first, second, others]).T @ np.stack([a, b, blocks - a - b]).astype(float)
    log_law += gammaln(blocks + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(blocks - a - b + 1)
    law = np.exp(log_law, out=log_law)
    return np.asarray(law @ np.stack([a**0, np.log2(a), np.log2(b), np.log2(a) * np.log2(b)]).T).T


def _binomial(n: np.ndarray, blocks: int, probability: float) -> np.ndarray:
    """Return the probabilities of neighbouring counts ``n``, all of the law's mass above zero."""
    log_odds = np.log(probability) - np.log1p(-probability)  # the odds themselves may be too small for a float
    return _scaled(np.log((blocks - n[:-1]) / n[1:]) + log_odds, float(-np.expm1(blocks * np.log1p(-probability))))


def _scaled(log_ratios: np.ndarray, total: float) -> np.ndarray:
    """Return probabilities whose neighbours have given ratios, and a given sum.

    Log-gammas instead would leave rounding in every probability, 5e-4 of it for a hundred billion blocks.
    """
    log_shape = np.append(0.0, np.cumsum(log_ratios))
    weight = np.exp(log_shape - log_shape.max())
    return np.asarray(weight * (total / weight.sum()))


def _smooth_moments(expected: float, probability: float) -> _Moments:
    """Series of log2 n around its expected value, for counts so large that n = 0 cannot happen."""

    def log(p: float) -> float:
        second = (1 - p) * (1 - 2 * p) / 3 - 3 * (1 - p) ** 2 / 4
        return float(np.log2(expected) + (second / expected - (1 - p) / 2) / (expected * np.log(2)))

    return _Moments(
        expected=expected,
        seen=1.0,
        log=log(probability),
        unseen=0.0,
        log_poisson=log(0.0),
        seen_with_n=0.0,
        log_with_n=float((1 + 1 / (2 * expected) + 5 / (6 * expected**2)) / np.log(2)),
    )
