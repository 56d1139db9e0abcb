"""The headline numbers of a survey: one frozen record per metric, from which every sentence is written."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.correlation import RankCorrelation, spearman
from complexity_lab.statistics.decomposition import THREE, decompose, share_of
from complexity_lab.statistics.intervals import Interval, median_interval, signed_rank_p, wilson
from complexity_lab.statistics.rows import NUMBER
from complexity_lab.tables import columns as c

SIGNIFICANCE: Final = 0.05
"""A model counts as significant when its Benjamini-Hochberg adjusted p-value is at most this."""


@dataclass(frozen=True, kw_only=True)
class ZooSummary:
    """What a survey found, for one metric. Counts are of models; NaN marks what these models cannot tell."""

    metric: str
    n_models: int  # in the plan
    n_ok: int
    n_failed: int
    n_skipped: int
    n_compared: int  # ok, with initial and trained weights and a ratio
    n_below: int  # ratio below 1
    below: Interval  # share of the compared, Wilson
    n_above: int  # ratio above 1; the rest did not change
    median_ratio: Interval  # percentile bootstrap over models
    lowest_ratio: float
    highest_ratio: float
    wilcoxon_p: float  # two-sided, log ratio = 0
    n_tested: int  # with a p-value of their own
    n_significant: int  # q at most SIGNIFICANCE, in either direction
    n_significant_below: int  # of these, simpler after training
    correlation: RankCorrelation  # of ratio with parameters
    median_sign_bias_share: float  # of the drop, over models that dropped and have a null model
    n_with_share: int
    median_distribution_share: float  # of the drop, over models that dropped and whose values were shuffled as well
    median_arrangement_share: float  # of the same models
    n_three_parts: int
    n_null: int  # compared, with a null model
    n_below_null: int  # simpler than independent bits with their own share of ones
    below_null: Interval  # share of n_null, Wilson
    n_gained: int  # further below their null than their initial weights were below theirs
    n_gained_known: int  # with null models of both states
    n_saturated: int
    initial_seeds: tuple[int, int]  # fewest and most per compared model; (0, 0) if none
    trained_seeds: tuple[int, int]


def summarize(
    models: pd.DataFrame, ratios: pd.DataFrame, *, rng: np.random.Generator, metric: str = "bdm"
) -> ZooSummary:
    """Summarize one metric of a survey.

    Zero compared models give counts of zero and NaN elsewhere; one gives a median without interval and no correlation.

    Args:
        models: the survey's table of models.
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
        rng: drives the bootstrap and the permutations.
        metric: which rows of ``ratios``.
    """
    table = ratios.loc[(ratios[c.METRIC] == metric) & ratios[c.PLANE].isna() & ratios[d.RATIO].notna()]
    ratio = table[d.RATIO].to_numpy(float)
    parts = decompose(table)
    shares = parts[share_of(d.SIGN_BIAS)].dropna().to_numpy(float)
    independent = parts.loc[parts[d.IID_MEAN].notna()]
    below_null = int((independent[d.BELOW_NULL] > 0).sum())
    three = parts.loc[(parts[d.PARTS] == THREE) & parts[share_of(d.ARRANGEMENT)].notna()]
    significant = table[d.Q_VALUE].to_numpy(float) <= SIGNIFICANCE
    sized = table.loc[table[c.PARAMETERS].notna()]
    return ZooSummary(
        metric=metric,
        n_models=len(models),
        n_ok=int((models[c.STATUS] == "ok").sum()),
        n_failed=int((models[c.STATUS] == "failed").sum()),
        n_skipped=int((models[c.STATUS] == "skipped").sum()),
        n_compared=len(table),
        n_below=int((ratio < 1).sum()),
        below=wilson(int((ratio < 1).sum()), len(table)),
        n_above=int((ratio > 1).sum()),
        median_ratio=median_interval(ratio, rng=rng),
        lowest_ratio=float(ratio.min()) if len(ratio) else np.nan,
        highest_ratio=float(ratio.max()) if len(ratio) else np.nan,
        wilcoxon_p=signed_rank_p(ratio),
        n_tested=int(table[d.P_VALUE].notna().sum()),
        n_significant=int(significant.sum()),
        n_significant_below=int((significant & (ratio < 1)).sum()),
        correlation=spearman(sized[d.RATIO].to_numpy(float), sized[c.PARAMETERS].to_numpy(float), rng=rng),
        median_sign_bias_share=float(np.median(shares)) if len(shares) else np.nan,
        n_with_share=len(shares),
        median_distribution_share=float(three[share_of(d.DISTRIBUTION)].median()),
        median_arrangement_share=float(three[share_of(d.ARRANGEMENT)].median()),
        n_three_parts=len(three),
        n_null=len(independent),
        n_below_null=below_null,
        below_null=wilson(below_null, len(independent)),
        n_gained=int((independent[d.GAINED] > 0).sum()),
        n_gained_known=int(independent[d.GAINED].notna().sum()),
        n_saturated=int(table[d.SATURATED].sum()),
        initial_seeds=_range(table[d.N_INITIAL]),
        trained_seeds=_range(table[d.N_TRAINED]),
    )


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """One metric's line in a table of metrics."""

    metric: str
    plane: int | None  # 0 the least significant; None for sums and metrics without planes
    n_compared: int
    n_below: int  # ratio below 1
    below: Interval  # share, Wilson
    median_ratio: Interval  # percentile bootstrap over models
    wilcoxon_p: float
    n_significant: int  # q at most SIGNIFICANCE, in either direction


def summarize_metrics(ratios: pd.DataFrame, *, seed: int = 0) -> list[MetricSummary]:
    """Return one record per metric and plane that has a ratio, in the order of the comparison.

    Args:
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
        seed: of the bootstrap, the same for each metric, so that none depends on which others were measured.
    """
    known = ratios.loc[ratios[d.RATIO].notna()]
    records = []
    for _, table in known.groupby(NUMBER, sort=False, dropna=False):
        metric, plane = table[c.METRIC].iloc[0], table[c.PLANE].iloc[0]
        ratio = table[d.RATIO].to_numpy(float)
        n_below = int((ratio < 1).sum())
        records.append(
            MetricSummary(
                metric=str(metric),
                plane=None if pd.isna(plane) else int(plane),
                n_compared=len(ratio),
                n_below=n_below,
                below=wilson(n_below, len(ratio)),
                median_ratio=median_interval(ratio, rng=np.random.default_rng(seed)),
                wilcoxon_p=signed_rank_p(ratio),
                n_significant=int((table[d.Q_VALUE] <= SIGNIFICANCE).sum()),
            )
        )
    return records


def _range(counts: "pd.Series[int]") -> tuple[int, int]:
    return (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
