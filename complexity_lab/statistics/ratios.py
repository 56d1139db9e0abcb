"""Trained against initial weights, per model and metric: the ratio (MoMos paper, Eq. 22), and whether to trust it."""

import numpy as np
import pandas as pd

from complexity_lab.statistics.nulls import null_models
from complexity_lab.statistics.pairs import pair_spreads
from complexity_lab.statistics.rows import measured, model_rows, per_state, possible_blocks
from complexity_lab.statistics.saturation import saturated, saturation
from complexity_lab.statistics.significance import Floats, p_values, q_values

RATIO_COLUMNS: dict[str, str] = {
    "model": "id of the model",
    "zoo": "zoo that supplied it",
    "architecture": "architecture without pretraining tag",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "test_accuracy": "mean over trained seeds, fraction of held-out examples",
    "metric": "what was measured; null models are columns, not metrics",
    "unit": "unit of the means; bytes for compressors",
    "n_initial": "initial seeds",
    "initial_mean": "mean over initial seeds",
    "initial_sd": "sample sd over initial seeds; NaN for one seed",
    "n_trained": "sets of trained weights",
    "trained_mean": "mean over trained seeds",
    "trained_sd": "sample sd over trained seeds; NaN for one",
    "ratio": "trained mean / initial mean; below 1 is simpler",
    "ratio_sd": "spread of the ratio over seeds, see spread",
    "spread": "seeds behind ratio_sd: initial, trained, both, pairs (the same seeds in both states) or none",
    "z": "(trained mean - initial mean) / initial sd",
    "effect": "1 - ratio",
    "p_value": "two-sided, see test",
    "test": "paired (the same seeds in both states), new observation (one set of trained weights), Welch, or empty",
    "undefined": "why there is no p-value; empty if there is one",
    "q_value": "Benjamini-Hochberg over the models of this metric",
    "ones_fraction_initial": "share of weights above zero, mean over seeds",
    "ones_fraction_trained": "share of weights above zero, mean over seeds",
    "blocks": "blocks counted",
    "saturation": "blocks / possible blocks (4,096; 65,536 for 4x4); bit planes: of the tensor of the median weight",
    "distinct_fraction": "different blocks seen in trained weights / possible blocks; NaN for bit planes",
    "saturated": "fair random bits of this length would show every possible block but one at most",
    "iid_mean": "expected BDM of independent bits with the trained share of ones; bits",
    "iid_sd": "its sd; bits",
    "iid_mean_p50": "expected BDM of as many fair bits; bits",
    "iid_mean_initial": "expected BDM of independent bits with the initial share of ones, mean over seeds; bits",
    "iid_sd_initial": "its sd; bits",
    "iid_ratio": "iid_mean / initial mean: the ratio that the share of ones alone explains",
    "ratio_p45": "ratio that independent bits would reach with a ones fraction of 0.45 at this size",
    "shuffle_mean": "mean of the trained weights with the values of each tensor permuted; bits",
    "shuffle_sd": "its sd over permutations; bits",
    "shuffle_mean_initial": "the same for initial weights, mean over seeds; bits",
    "shuffle_sd_initial": "its sd over permutations; bits",
    "shuffle_channel_mean": "values permuted within each output channel; bits",
    "shuffle_channel_sd": "its sd over permutations; bits",
    "shuffle_row_mean": "values permuted within each line along the last axis; bits",
    "shuffle_row_sd": "its sd over permutations; bits",
    "gaussian_mean": "mean of normal draws with the mean and sd of each trained tensor; bits",
    "gaussian_sd": "its sd over draws; bits",
    "gaussian_mean_initial": "the same for initial weights, mean over seeds; bits",
    "gaussian_sd_initial": "its sd over draws; bits",
    "permutation_mean": "mean over permutations of neurons that leave the trained function as it is; bits",
    "permutation_sd": "its sd: differences below it are none of the function; bits",
}

_BLOCK_METRICS = (
    *("bdm", "bdm_2d", "bdm_normalized", "bdm_2d_normalized"),
    *("block_entropy", "block_entropy_2d", "block_entropy_normalized", "block_entropy_2d_normalized"),
    *("qubd", *(f"qubd_plane{plane}" for plane in range(16))),
)
_OF_INITIAL = ["iid_mean", "iid_sd", "shuffle_mean", "shuffle_sd", "gaussian_mean", "gaussian_sd"]
_FACTS = ["model", "zoo", "architecture", "family", "parameters", "test_accuracy"]


def compare(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Compare trained with initial weights: one row per model and metric that has both, columns RATIO_COLUMNS.

    The ratio is that of Eq. 22 of the MoMos paper (arXiv 2602.14896) with the mean over seeds in numerator and
    denominator. ``ratio_sd`` is the delta method's ``ratio * sqrt(vi + vt - 2 c)``, with ``vi = (initial_sd /
    initial_mean)^2``, ``vt`` the same for trained weights and ``c`` their covariance over the product of the means:
    how far the ratio of one trained to one initial draw strays, not a standard error. It is not the sd of the ratios
    of single seeds, though close to it.

    If both states of a model have the same two or more seeds, trained seed s started from initial seed s: then c is
    estimated over these pairs and ``spread`` is ``pairs``. Otherwise seeds are independent, c is zero, a state with
    one seed adds nothing, and ``spread`` names the states that did; ``ratio_sd`` is NaN where neither has two seeds.

    Rows that are not ok, models that are not ok, and states other than initial and trained are left out. A metric
    whose initial mean is zero or below (normalized BDM can be) has no ratio. Rows come in the order of the models
    table, within the order of metrics: those of blocks first, then compressors as they appear.

    Args:
        models: the survey's table of models.
        measurements: the survey's table of measurements.

    Raises:
        InputError: a row has status ok and no number.
    """
    rows = model_rows(models, measurements)
    table = _side_by_side(rows).merge(models[_FACTS], on="model", how="left")
    table = table.merge(null_models(rows, "trained"), on=["model", "metric"], how="left")
    before = null_models(rows, "initial")[["model", "metric", *_OF_INITIAL]]
    before = before.rename(columns={name: f"{name}_initial" for name in _OF_INITIAL})
    table = table.merge(before, on=["model", "metric"], how="left")
    pairs = pair_spreads(measured(rows), ["model", "metric"], "amount")
    table = table.merge(pairs, on=["model", "metric"], how="left")
    table = _add_spread(_add_ratio(table))
    table = table.join(p_values(table))
    table["q_value"] = table.groupby("metric", sort=False)["p_value"].transform(lambda p: q_values(p.to_numpy(float)))
    return _in_order(_add_saturation(table, measurements), models, rows)


def metrics_of(ratios: pd.DataFrame) -> list[str]:
    """Return the metrics of a comparison in their order of appearance."""
    return [str(metric) for metric in ratios["metric"].unique()]


def _side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model and metric with the columns of both states."""
    states = per_state(measured(rows))
    initial = states.loc[states["state"] == "initial"].drop(columns=["state", "unit", "blocks", "distinct_blocks"])
    trained = states.loc[states["state"] == "trained"].drop(columns="state")
    initial = initial.rename(
        columns={
            "n": "n_initial",
            "mean": "initial_mean",
            "sd": "initial_sd",
            "ones_fraction": "ones_fraction_initial",
        }
    )
    trained = trained.rename(
        columns={"n": "n_trained", "mean": "trained_mean", "sd": "trained_sd", "ones_fraction": "ones_fraction_trained"}
    )
    return trained.merge(initial, on=["model", "metric"], how="inner")


def _add_ratio(table: pd.DataFrame) -> pd.DataFrame:
    initial, trained = table["initial_mean"].to_numpy(float), table["trained_mean"].to_numpy(float)
    ratio = _divide(trained, np.where(initial > 0, initial, np.nan))
    iid_ratio = _divide(table["iid_mean"].to_numpy(float), np.where(initial > 0, initial, np.nan))
    return table.assign(
        ratio=ratio,
        effect=1 - ratio,
        z=_divide(trained - initial, table["initial_sd"].to_numpy(float)),
        iid_ratio=iid_ratio,
        ratio_p45=_divide(table["iid_mean_p45"].to_numpy(float), table["iid_mean_p50"].to_numpy(float)),
    )


def _add_spread(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``ratio_sd`` and the states whose seeds it rests on."""
    relative = {
        state: _divide(table[f"{state}_sd"].to_numpy(float), np.abs(table[f"{state}_mean"].to_numpy(float)))
        for state in ("initial", "trained")
    }
    known = {state: ~np.isnan(values) for state, values in relative.items()}
    variance = sum(np.where(known[state], values, 0.0) ** 2 for state, values in relative.items())
    either = known["initial"] | known["trained"]
    ratio_sd = np.where(either, table["ratio"].to_numpy(float) * np.sqrt(variance), np.nan)
    paired = table["n_pairs"].notna().to_numpy(bool)
    spread = np.select(
        [paired, known["initial"] & known["trained"], known["initial"], known["trained"]],
        ["pairs", "both", "initial", "trained"],
        default="none",
    )
    return table.assign(ratio_sd=np.where(paired, table["pair_ratio_sd"].to_numpy(float), ratio_sd), spread=spread)


def _add_saturation(table: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Add how full the histogram is, see ``saturation``."""
    share = saturation(table, measurements, "trained")
    possible = table["metric"].map(possible_blocks).to_numpy(float)
    seen = table["distinct_blocks"].to_numpy(float) / possible
    return table.assign(saturation=share, distinct_fraction=seen, saturated=saturated(share, table["metric"]))


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with NaN where the denominator is zero or unknown."""
    defined = np.where(denominator == 0, np.nan, denominator)
    return np.asarray(numerator / defined, dtype=np.float64)


def _in_order(table: pd.DataFrame, models: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    metric_rank = {metric: rank for rank, metric in enumerate([*_BLOCK_METRICS, *rows["metric"].unique()][::-1])}
    model_rank = {model: rank for rank, model in enumerate(models["model"])}
    ranked = table.assign(metric_rank=table["metric"].map(metric_rank), model_rank=table["model"].map(model_rank))
    return ranked.sort_values(["metric_rank", "model_rank"], ascending=[False, True])[list(RATIO_COLUMNS)].reset_index(
        drop=True
    )
