"""What the ratio goes with, over the models of a survey: one frozen list for the report, tested together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.correlation import RankCorrelation, group_effect, partial_spearman, spearman
from complexity_lab.statistics.intervals import Interval
from complexity_lab.statistics.significance import q_values
from complexity_lab.tables import columns as c

Quantity = Literal["parameters", "accuracy", "accuracy given parameters and family", "family"]
MAIN_METRICS: Final = ("bdm", "bdm_2d", "qubd")


@dataclass(frozen=True)
class Association:
    """Whether the ratio of one metric goes with something, over models; NaN where undefined.

    ``estimate`` is Spearman's rho, for families eta squared of ranks: the share of the variance of the ranks between
    families, see ``GroupEffect``. Intervals are of the bootstrap over models, p-values of permutations.
    """

    metric: str
    quantity: Quantity
    statistic: Literal["rho", "partial rho", "eta squared"]
    estimate: Interval
    p_value: float
    q_value: float  # Benjamini-Hochberg over the list
    n: int  # models
    sizes: tuple[tuple[str, int], ...] = ()  # families and their models, where families are compared
    reason: str = ""  # why it is undefined; empty if it is not


def associations(
    ratios: pd.DataFrame,
    accuracies: pd.DataFrame,
    *,
    rng: np.random.Generator,
    metrics: Sequence[str] = MAIN_METRICS,
) -> list[Association]:
    """Return what the ratio of each metric goes with: parameters, accuracy, accuracy with the rest held, family.

    Metrics without any ratio are left out. Where accuracies are unknown, the entries are there, with a reason.

    Args:
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
        accuracies: what :func:`complexity_lab.statistics.accuracy.model_accuracy` returned.
        rng: drives the permutations and the bootstrap.
        metrics: which of the metrics of ``ratios``; sums over planes.
    """
    found: list[Association] = []
    for metric in metrics:
        table = ratios.loc[(ratios[c.METRIC] == metric) & ratios[c.PLANE].isna() & (ratios[d.RATIO] > 0)]
        if len(table):
            found += _of_metric(metric, table.merge(accuracies[[c.MODEL, d.ACCURACY]], on=c.MODEL, how="left"), rng)
    q = q_values(np.array([each.p_value for each in found], dtype=float))
    return [replace(each, q_value=float(value)) for each, value in zip(found, q, strict=True)]


def _of_metric(metric: str, table: pd.DataFrame, rng: np.random.Generator) -> list[Association]:
    sized = table.loc[table[c.PARAMETERS].notna()]
    known = sized.loc[sized[d.ACCURACY].notna()]
    ratio, parameters, accuracy = (
        known[d.RATIO].to_numpy(float),
        known[c.PARAMETERS].to_numpy(float),
        known[d.ACCURACY].to_numpy(float),
    )
    families = known[c.FAMILY].astype(str).tolist()
    by_size = spearman(sized[d.RATIO].to_numpy(float), sized[c.PARAMETERS].to_numpy(float), rng=rng)
    plain = spearman(ratio, accuracy, rng=rng)
    partial = partial_spearman(ratio, accuracy, numbers=(parameters,), groups=families, rng=rng)
    unknown = "" if len(known) else "no accuracy is known"
    by_family = group_effect(table[d.RATIO].to_numpy(float), table[c.FAMILY].astype(str).tolist(), rng=rng)
    return [
        _correlation(metric, "parameters", "rho", by_size),
        _correlation(metric, "accuracy", "rho", plain, unknown),
        _correlation(metric, "accuracy given parameters and family", "partial rho", partial, unknown),
        Association(
            *(metric, "family", "eta squared", by_family.eta2, by_family.p_value, np.nan, by_family.n),
            sizes=tuple(by_family.sizes.items()),
            reason=by_family.reason,
        ),
    ]


def _correlation(
    metric: str,
    quantity: Quantity,
    statistic: Literal["rho", "partial rho"],
    found: RankCorrelation,
    unknown: str = "",
) -> Association:
    return Association(
        metric, quantity, statistic, found.rho, found.p_value, np.nan, found.n, reason=unknown or found.reason
    )
