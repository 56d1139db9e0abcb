"""What does the ratio go with? Rank correlations, also partial ones, and families; permutations and the bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from complexity_lab.counted import counted
from complexity_lab.statistics.intervals import Interval

Floats = npt.NDArray[np.float64]
_BATCH = 1000  # resamples at a time: 1,000 x 200 models is 1.6 MB
FEWEST_FREE = 10  # degrees of freedom that covariates have to leave; with three, bootstrap intervals are -1 to 1
CONSTANT = "one of the two is constant"
EXPLAINED = "the covariates explain one of the two completely"


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho, plain or partial, with its interval, p-value and number of models; NaN where undefined."""

    rho: Interval
    p_value: float
    n: int
    reason: str = ""  # why it is undefined; empty if it is not


@dataclass(frozen=True)
class GroupEffect:
    """Whether groups differ: Kruskal and Wallis's test over ranks; NaN where undefined.

    ``eta2`` is the share of the variance of the ranks that lies between groups, less what chance would put there:
    ``(H - k + 1) / (n - k)`` with k groups (Tomczak and Tomczak 2014); at or below 0 for none. Its interval is that of
    a bootstrap within groups, moved by how much the mean of the resamples exceeds the estimate: resamples repeat
    models, which makes groups look further apart than they are. Simulated with 42 models in 7 normal groups, 95 %
    intervals cover 98, 92 and 87 % for an eta squared of 0, 0.10 and 0.52.
    """

    h: float
    eta2: Interval
    p_value: float
    sizes: dict[str, int] = field(default_factory=dict)  # models per group, largest first; groups of one left out
    left_out: int = 0  # models in groups of one
    reason: str = ""  # why it is undefined; empty if it is not

    @property
    def n(self) -> int:
        """Models compared."""
        return sum(self.sizes.values())


UNKNOWN = Interval(np.nan, np.nan, np.nan)


def spearman(x: Floats, y: Floats, *, rng: np.random.Generator, resamples: int = 9999) -> RankCorrelation:
    """Return Spearman's rank correlation of two arrays of shape (n,).

    The p-value is two-sided, from ``resamples`` random pairings, ``(1 + as extreme) / (1 + resamples)``; the interval
    is the percentile bootstrap over pairs, leaving out resamples in which x or y is constant. Ties share the mean
    rank. Fewer than three pairs, or a constant x or y, leave everything NaN. Logarithms of x or y change nothing.
    """
    n = len(x)
    rho = float(_rank_rho(x[None, :], y[None, :])[0]) if n >= 3 else float("nan")
    if np.isnan(rho):
        return RankCorrelation(UNKNOWN, np.nan, n, _few(n) if n < 3 else CONSTANT)
    extreme, drawn = 0, []
    for start in range(0, resamples, _BATCH):
        size = min(_BATCH, resamples - start)
        shuffled = rng.permuted(np.tile(y, (size, 1)), axis=1)
        extreme += int((np.abs(_rank_rho(np.tile(x, (size, 1)), shuffled)) >= abs(rho) - 1e-12).sum())
        picks = rng.integers(0, n, (size, n))
        drawn.append(_rank_rho(x[picks], y[picks]))
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    return RankCorrelation(Interval(rho, float(low), float(high)), (1 + extreme) / (1 + resamples), n)


def partial_spearman(
    x: Floats,
    y: Floats,
    *,
    numbers: Sequence[Floats] = (),
    groups: Sequence[str] | None = None,
    rng: np.random.Generator,
    resamples: int = 1999,
) -> RankCorrelation:
    """Return the rank correlation of x and y, both of shape (n,), with covariates held fixed.

    The ranks of x and y are each regressed (least squares) on a constant, the ranks of every covariate in ``numbers``
    and a level per group; rho is the correlation of the residuals, Spearman's partial rho. The p-value is two-sided
    by permutation of the residuals of y, regressed anew (Freedman and Lane 1983); the interval is the percentile
    bootstrap over models, ranks and regressions computed anew. A model that is the only one of its group fits
    perfectly and says nothing. Undefined, with a reason, if the covariates leave fewer than FEWEST_FREE degrees of
    freedom, or explain x or y completely.
    """
    n = len(x)
    if n < 3:
        return RankCorrelation(UNKNOWN, np.nan, n, _few(n))
    columns = np.stack([x, y, *numbers])
    levels = np.unique(np.asarray(groups if groups is not None else [""] * n), return_inverse=True)[1]
    found, free = _partial_rho(columns[None], levels[None])
    if free[0] < FEWEST_FREE:
        left = counted(int(free[0]), "degree of freedom", "degrees of freedom")
        why = f"of {n} models the covariates leave {left}, wanted {FEWEST_FREE} or more"
        return RankCorrelation(UNKNOWN, np.nan, n, why)
    if np.isnan(found[0]):
        constant = any(len(np.unique(values)) == 1 for values in (x, y))
        return RankCorrelation(UNKNOWN, np.nan, n, CONSTANT if constant else EXPLAINED)
    rho = float(found[0])
    drawn = []
    for start in range(0, resamples, _BATCH // 4):
        picks = rng.integers(0, n, (min(_BATCH // 4, resamples - start), n))
        drawn.append(_partial_rho(columns[:, picks].swapaxes(0, 1), levels[picks])[0])
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    p_value = _freedman_lane(columns, levels, rho, rng, resamples)
    return RankCorrelation(Interval(rho, float(low), float(high)), p_value, n)


def group_effect(
    values: Floats, groups: Sequence[str], *, rng: np.random.Generator, resamples: int = 1999
) -> GroupEffect:
    """Test whether values of shape (n,) differ between groups (Kruskal and Wallis 1952), ties corrected.

    The p-value is from random assignments to the groups, since the chi-squared approximation is poor for groups
    below five. Groups of one model are left out; undefined with fewer than two groups, or values all equal.
    """
    names, sizes = np.unique(np.asarray(groups, dtype=object).astype(str), return_counts=True)
    kept = [(str(name), int(size)) for name, size in zip(names, sizes, strict=True) if size > 1]
    known = dict(sorted(kept, key=lambda pair: (-pair[1], pair[0])))
    left_out = len(values) - sum(known.values())
    if len(known) < 2:
        why = f"{len(known)} groups of two or more models, wanted 2 or more"
        return GroupEffect(np.nan, UNKNOWN, np.nan, known, left_out, why)
    chosen = np.isin(np.asarray(groups, dtype=object).astype(str), list(known))
    levels = np.unique(np.asarray(groups, dtype=object).astype(str)[chosen], return_inverse=True)[1]
    numbers = values[chosen]
    h = float(_h(numbers[None], levels)[0])
    if np.isnan(h):
        return GroupEffect(np.nan, UNKNOWN, np.nan, known, left_out, "the values are all equal")
    shuffled = rng.permuted(np.tile(numbers, (resamples, 1)), axis=1)
    p_value = (1 + int((_h(shuffled, levels) >= h - 1e-9).sum())) / (1 + resamples)
    drawn, eta2 = _eta2(_h(numbers[_within(levels, rng, resamples)], levels), levels), float(_eta2(h, levels))
    low, high = np.nanquantile(drawn, [0.025, 0.975]) - (np.nanmean(drawn) - eta2)
    return GroupEffect(h, Interval(eta2, float(low), float(high)), p_value, known, left_out)


def _few(n: int) -> str:
    return f"{counted(n, 'model')}, wanted 3 or more"


def _h(values: Floats, levels: npt.NDArray[np.int64]) -> Floats:
    """Return H of each row of values, (rows, n), with one level per column; NaN where all values are equal."""
    n, ranks = values.shape[1], _ranks(values)
    centred = ranks - (n + 1) / 2
    sums = centred @ (levels[:, None] == np.arange(levels.max() + 1)).astype(float)
    between = (sums**2 / np.bincount(levels)).sum(axis=1)
    total = (centred**2).sum(axis=1)
    return np.asarray((n - 1) * between / np.where(total == 0, np.nan, total), dtype=np.float64)


def _eta2(h: Floats | float, levels: npt.NDArray[np.int64]) -> Floats:
    groups = int(levels.max()) + 1
    return np.asarray((h - groups + 1) / (len(levels) - groups), dtype=np.float64)


def _within(levels: npt.NDArray[np.int64], rng: np.random.Generator, resamples: int) -> npt.NDArray[np.int64]:
    """Return picks of a bootstrap within levels, (resamples, n)."""
    picks = np.empty((resamples, len(levels)), dtype=np.int64)
    for level in range(int(levels.max()) + 1):
        members = np.flatnonzero(levels == level)
        picks[:, members] = rng.choice(members, (resamples, len(members)))
    return picks


def _design(columns: Floats, levels: npt.NDArray[np.int64]) -> Floats:
    """Return covariates of each resample, (rows, n, covariates): ranks of the numbers, and a column per level."""
    ranks = stats.rankdata(columns[:, 2:], axis=2).swapaxes(1, 2)
    ranks = ranks - (columns.shape[2] + 1) / 2
    each = (levels[:, :, None] == np.arange(int(levels.max()) + 1)).astype(float)
    return np.asarray(np.concatenate([each, ranks / max(columns.shape[2], 1)], axis=2), dtype=np.float64)


def _basis(design: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return an orthonormal basis of what covariates span, zero columns beyond their rank, and the degrees left."""
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    used = sizes > 1e-9 * sizes[:, :1]
    return left * used[:, None, :], design.shape[1] - used.sum(axis=1)


def _partial_rho(columns: Floats, levels: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the partial rank correlation of each resample, and the degrees of freedom its covariates leave.

    Args:
        columns: x, y and numeric covariates, (rows, 2 or more, n).
        levels: group of each model, (rows, n).
    """
    basis, free = _basis(_design(columns, levels))
    ranks = np.asarray(stats.rankdata(columns[:, :2], axis=2) - (columns.shape[2] + 1) / 2)
    rest = ranks - np.einsum("rni,rki->rkn", basis, np.einsum("rni,rkn->rki", basis, ranks))
    sizes = np.square(rest).sum(axis=2)
    # What least squares leaves of values that it fits is 1e-15 of their size, not zero.
    sizes = np.where(sizes > 1e-18 * np.square(ranks).sum(axis=2), sizes, np.nan)
    rho = (rest[:, 0] * rest[:, 1]).sum(axis=1) / np.sqrt(sizes.prod(axis=1))
    return np.where(free > 0, rho, np.nan), free


def _freedman_lane(
    columns: Floats, levels: npt.NDArray[np.int64], rho: float, rng: np.random.Generator, resamples: int
) -> float:
    basis, _ = _basis(_design(columns[None], levels[None]))
    inside = basis[0]
    ranks = np.asarray(stats.rankdata(columns[:2], axis=1) - (columns.shape[1] + 1) / 2)
    x, y = ranks - (ranks @ inside) @ inside.T
    shuffled = rng.permuted(np.tile(y, (resamples, 1)), axis=1)
    shuffled -= (shuffled @ inside) @ inside.T
    size = np.sqrt((x @ x) * np.square(shuffled).sum(axis=1))
    found = np.divide(shuffled @ x, size, out=np.zeros(resamples), where=size > 1e-12)
    return (1 + int((np.abs(found) >= abs(rho) - 1e-12).sum())) / (1 + resamples)


def _rank_rho(x: Floats, y: Floats) -> Floats:
    """Return the rank correlation of each row of two arrays of shape (rows, n); NaN where a row is constant."""
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (_ranks(x), _ranks(y)))
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.where(scale == 0, np.nan, scale), dtype=np.float64)


def _ranks(values: Floats) -> Floats:
    return np.asarray(stats.rankdata(values, axis=1), dtype=np.float64)
