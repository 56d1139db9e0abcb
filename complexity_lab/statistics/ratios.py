"""Trained against initial weights, per model and metric: the ratio (MoMos paper, Eq. 22), and whether to trust it."""

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import add_nulls, null_values
from complexity_lab.statistics.pairs import N_PAIRS, PAIR_RATIO_SD, pair_spreads
from complexity_lab.statistics.rows import AMOUNT, KEYS, NUMBER, measured, model_rows, per_state
from complexity_lab.statistics.saturation import possible_blocks, saturated, saturation
from complexity_lab.statistics.significance import Floats, p_values, q_values
from complexity_lab.tables import columns as c

RATIO_COLUMNS: dict[str, str] = {
    c.MODEL: "id of the model",
    c.ZOO: "zoo that supplied it",
    c.ARCHITECTURE: "architecture without pretraining tag",
    c.FAMILY: "family of architectures",
    c.PARAMETERS: "trainable parameters",
    c.TEST_ACCURACY: "mean over trained seeds, fraction of held-out examples",
    c.METRIC: "what was measured; null models are columns, not metrics",
    c.PLANE: "bit plane, 0 the least significant; missing for sums and metrics without planes",
    c.UNIT: "unit of the means; bytes for compressors",
    d.N_INITIAL: "initial seeds",
    d.INITIAL_MEAN: "mean over initial seeds",
    d.INITIAL_SD: "sample sd over initial seeds; NaN for one seed",
    d.N_TRAINED: "sets of trained weights",
    d.TRAINED_MEAN: "mean over trained seeds",
    d.TRAINED_SD: "sample sd over trained seeds; NaN for one",
    d.RATIO: "trained mean / initial mean; below 1 is simpler",
    d.RATIO_SD: "spread of the ratio over seeds, see spread",
    d.SPREAD: "seeds behind ratio_sd: initial, trained, both, pairs (the same seeds in both states) or none",
    d.Z: "(trained mean - initial mean) / initial sd",
    d.EFFECT: "1 - ratio",
    d.P_VALUE: "two-sided, see test",
    d.TEST: "paired (the same seeds in both states), new observation (one set of trained weights), Welch, or empty",
    d.UNDEFINED: "why there is no p-value; empty if there is one",
    d.Q_VALUE: "Benjamini-Hochberg over the models of this metric and plane",
    d.ONES_FRACTION_INITIAL: "share of weights above zero, mean over seeds",
    d.ONES_FRACTION_TRAINED: "share of weights above zero, mean over seeds",
    c.BLOCKS: "blocks counted",
    d.SATURATION: "blocks / possible blocks (4,096; 65,536 for 4x4); bit planes: of the tensor of the median weight",
    d.DISTINCT_FRACTION: "different blocks seen in trained weights / possible blocks; NaN for bit planes",
    d.SATURATED: "fair random bits of this length would show every possible block but one at most",
    d.IID_RATIO: "iid mean / initial mean: the ratio that the share of ones alone explains",
    d.RATIO_P45: "ratio that independent bits would reach with a ones fraction of 0.45 at this size",
}
"""After these comes what was stored of null models: a column ``null_column`` each, in the unit of the metric."""

_FACTS = [c.MODEL, c.ZOO, c.ARCHITECTURE, c.FAMILY, c.PARAMETERS, c.TEST_ACCURACY]


def compare(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Compare trained with initial weights: one row per model, metric and plane that has both, columns RATIO_COLUMNS.

    The ratio is that of Eq. 22 of the MoMos paper (arXiv 2602.14896) with the mean over seeds in numerator and
    denominator. ``ratio_sd`` is the delta method's ``ratio * sqrt(vi + vt - 2 c)``, with ``vi = (initial_sd /
    initial_mean)^2``, ``vt`` the same for trained weights and ``c`` their covariance over the product of the means:
    how far the ratio of one trained to one initial draw strays, not a standard error. It is not the sd of the ratios
    of single seeds, though close to it.

    If both states of a model have the same two or more seeds, trained seed s started from initial seed s: then c is
    estimated over these pairs and ``spread`` is ``pairs``. Otherwise seeds are independent, c is zero, a state with
    one seed adds nothing, and ``spread`` names the states that did; ``ratio_sd`` is NaN where neither has two seeds.

    Rows that are not ok, models that are not ok, and states other than initial and trained are left out. A metric
    whose initial mean is zero or below (normalized BDM can be) has no ratio. Rows come in the order in which metrics
    appear in the measurements, sums before planes, and in the order of the models table within each.

    Args:
        models: the survey's table of models.
        measurements: the survey's table of measurements.

    Raises:
        InputError: a row has status ok and no number.
    """
    rows = model_rows(models, measurements)
    facts = _side_by_side(rows).merge(models[_FACTS], on=c.MODEL, how="left")
    table = add_nulls(add_nulls(facts, rows, "trained"), rows, "initial")
    nulls = [name for name in table.columns if name not in facts.columns]
    table = table.merge(pair_spreads(measured(rows), KEYS, AMOUNT), on=KEYS, how="left")
    table = _add_spread(_add_ratio(table))
    table = table.join(p_values(table))
    tested = table.groupby(NUMBER, sort=False, dropna=False)[d.P_VALUE]
    table[d.Q_VALUE] = tested.transform(lambda p: q_values(p.to_numpy(float)))
    return _in_order(_add_saturation(table, measurements), models, rows)[[*RATIO_COLUMNS, *nulls]]


def metrics_of(ratios: pd.DataFrame) -> list[str]:
    """Return the metrics of a comparison in their order of appearance."""
    return [str(metric) for metric in ratios[c.METRIC].unique()]


def _side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model, metric and plane with the columns of both states."""
    states = per_state(measured(rows))
    initial = states.loc[states[c.STATE] == "initial", [*KEYS, d.N, d.MEAN, d.SD, d.ONES_FRACTION]].rename(
        columns={
            d.N: d.N_INITIAL,
            d.MEAN: d.INITIAL_MEAN,
            d.SD: d.INITIAL_SD,
            d.ONES_FRACTION: d.ONES_FRACTION_INITIAL,
        }
    )
    trained = states.loc[states[c.STATE] == "trained"].rename(
        columns={
            d.N: d.N_TRAINED,
            d.MEAN: d.TRAINED_MEAN,
            d.SD: d.TRAINED_SD,
            d.ONES_FRACTION: d.ONES_FRACTION_TRAINED,
        }
    )
    return trained.drop(columns=c.STATE).merge(initial, on=KEYS, how="inner")


def _add_ratio(table: pd.DataFrame) -> pd.DataFrame:
    initial, trained = table[d.INITIAL_MEAN].to_numpy(float), table[d.TRAINED_MEAN].to_numpy(float)
    iid, fair, biased = (np.asarray(null_values(table, null, "mean")) for null in ("iid", "fair", "share_45"))
    base = np.where(initial > 0, initial, np.nan)
    return table.assign(
        **{
            d.RATIO: trained / base,
            d.EFFECT: 1 - trained / base,
            d.Z: _divide(trained - initial, table[d.INITIAL_SD].to_numpy(float)),
            d.IID_RATIO: iid / base,
            d.RATIO_P45: _divide(biased, fair),
        }
    )


def _add_spread(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``ratio_sd`` and the states whose seeds it rests on."""
    initial, trained = (
        _divide(table[sd].to_numpy(float), np.abs(table[mean].to_numpy(float)))
        for sd, mean in ((d.INITIAL_SD, d.INITIAL_MEAN), (d.TRAINED_SD, d.TRAINED_MEAN))
    )
    known = ~np.isnan(initial), ~np.isnan(trained)
    variance = np.nan_to_num(initial) ** 2 + np.nan_to_num(trained) ** 2
    ratio_sd = np.where(known[0] | known[1], table[d.RATIO].to_numpy(float) * np.sqrt(variance), np.nan)
    paired = table[N_PAIRS].notna().to_numpy(bool)
    spread = np.select(
        [paired, known[0] & known[1], known[0], known[1]], ["pairs", "both", "initial", "trained"], default="none"
    )
    ratio_sd = np.where(paired, table[PAIR_RATIO_SD].to_numpy(float), ratio_sd)
    return table.assign(**{d.RATIO_SD: ratio_sd, d.SPREAD: spread})


def _add_saturation(table: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Add how full the histogram is, see ``saturation``."""
    share, possible = saturation(table, measurements, "trained"), possible_blocks(table)
    seen = table[c.DISTINCT_BLOCKS].to_numpy(float) / possible
    return table.assign(**{d.SATURATION: share, d.DISTINCT_FRACTION: seen, d.SATURATED: saturated(share, possible)})


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with NaN where the denominator is zero or unknown."""
    return np.asarray(numerator / np.where(denominator == 0, np.nan, denominator), dtype=np.float64)


def _in_order(table: pd.DataFrame, models: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    ranks = pd.DataFrame(
        {
            "metric": table[c.METRIC].map({name: rank for rank, name in enumerate(rows[c.METRIC].unique())}),
            "plane": table[c.PLANE].fillna(-1),
            "model": table[c.MODEL].map({name: rank for rank, name in enumerate(models[c.MODEL])}),
        }
    )
    return table.loc[ranks.sort_values(list(ranks.columns)).index].reset_index(drop=True)
