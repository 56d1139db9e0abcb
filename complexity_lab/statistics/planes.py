"""Profiles of bit planes: QuBD plane by plane, of models and of tensors, against three references (arXiv 2605.15551).

Planes count from 0, the least significant. A ratio is in percent, ``100 * C_l / C_l(reference)`` (Eq. 14); the sum over
planes, ``qubd``, has no plane number (NaN). The references:

``initial``   the same architecture at random initialization: the mean over initial seeds
``own``       the initial weights that training started from: pairs of equal seeds
``shuffled``  the trained weights with the values of each tensor permuted: what is left is arrangement alone
"""

from typing import Final, Literal

import numpy as np
import pandas as pd

from complexity_lab.statistics.layers import compare_tensors
from complexity_lab.statistics.ratios import compare
from complexity_lab.statistics.rows import measured, model_rows, per_state, plane_of
from complexity_lab.statistics.saturation import is_plane_metric

Reference = Literal["initial", "own", "shuffled"]
REFERENCES: Final[tuple[Reference, ...]] = ("initial", "own", "shuffled")

PROFILE_COLUMNS: Final[dict[str, str]] = {
    "model": "id of the model",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "state": "initial or trained",
    "metric": "qubd (sum of planes), or qubd_plane0 (least significant), ...",
    "plane": "number of the plane, 0 the least significant; NaN for the sum",
    "n": "seeds",
    "mean": "mean over seeds; bits",
    "sd": "sample sd over seeds; bits; NaN for one seed",
}
PLANE_RATIO_COLUMNS: Final[dict[str, str]] = {
    "model": "id of the model",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "reference": "initial, own or shuffled",
    "metric": "qubd (sum of planes), or qubd_plane0 (least significant), ...",
    "plane": "number of the plane, 0 the least significant; NaN for the sum",
    "n": "trained seeds behind the percentage; pairs for own",
    "percent": "100 * trained / reference; below 100 is simpler",
    "sd": "spread over seeds, percentage points; NaN where seeds do not tell",
    "noise": "sd of the shuffled weights themselves, percentage points; NaN for other references",
}
TENSOR_PROFILE_COLUMNS: Final[dict[str, str]] = {
    "model": "id of the model",
    "tensor": "name of the tensor",
    "kind": "matrix, norm, bias, embedding or other",
    "shape": "64x3x7x7",
    "depth": "position among the model's scored tensors in model order, 0 (first) to 1 (last)",
    "weights": "weights scored",
    "metric": "qubd (sum of planes), or qubd_plane0 (least significant), ...",
    "plane": "number of the plane, 0 the least significant; NaN for the sum",
    "initial_mean": "mean over initial seeds; bits",
    "trained_mean": "mean over trained seeds; bits",
    "percent": "100 * trained / initial; NaN where the initial plane is constant",
    "sd": "its spread over seeds, percentage points",
    "shuffled_percent": "100 * trained / the same tensor with its values permuted; NaN without such a null",
}
_FACTS = ["model", "family", "parameters"]
_SHUFFLED = "_shuffle_mean"


def plane_profiles(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return QuBD per model, state and plane, and its sum, columns PROFILE_COLUMNS; empty without bit planes."""
    states = per_state(measured(model_rows(models, _planes_only(measurements))))
    table = states.merge(models[_FACTS], on="model", how="left")
    return table.assign(plane=_plane_numbers(table["metric"]))[list(PROFILE_COLUMNS)]


def plane_ratios(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return trained weights in percent of each reference that there is, columns PLANE_RATIO_COLUMNS.

    ``own`` needs the same known seeds in both states, one or more, as ``pairs`` does: percentages are taken pair by
    pair, and ``percent`` and ``sd`` are their mean and spread. ``shuffled`` pairs each trained seed with its own
    shuffles.
    """
    kept = _planes_only(measurements)
    rows = model_rows(models, kept)
    found = [_to_initial(compare(models, kept)), _to_own(rows), _to_shuffled(rows)]
    table = pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)
    table = table.merge(models[_FACTS], on="model", how="left")
    return table.assign(plane=_plane_numbers(table["metric"]))[list(PLANE_RATIO_COLUMNS)]


def tensor_profiles(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return QuBD per tensor and plane, trained against initial and shuffled, columns TENSOR_PROFILE_COLUMNS.

    Every tensor that the rules scored is listed, whatever its kind; tensors keep the order of the model.
    """
    metrics = tuple(metric for metric in measurements["metric"].unique() if is_plane_metric(str(metric)))
    table = compare_tensors(models, measurements, metrics)
    shuffled = _shuffled_tensors(measurements, metrics)
    table = table.merge(shuffled, on=["model", "tensor", "metric"], how="left")
    table = table.assign(
        percent=100 * table["ratio"],
        sd=100 * table["ratio_sd"],
        shuffled_percent=100 * table["trained_mean"] / table["shuffled_mean"].where(table["shuffled_mean"] > 0),
        plane=_plane_numbers(table["metric"]),
    )
    return table[list(TENSOR_PROFILE_COLUMNS)]


def _shuffled_tensors(measurements: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return ``model tensor metric shuffled_mean``: trained tensors with their values permuted; bits."""
    names = [f"{metric}{_SHUFFLED}" for metric in metrics]
    kept = (
        (measurements["scope"] == "tensor")
        & (measurements["status"] == "ok")
        & (measurements["state"] == "trained")
        & measurements["metric"].isin(names)
    )
    rows = measurements.loc[kept, ["model", "tensor", "metric", "value"]]
    rows = rows.assign(metric=rows["metric"].str.removesuffix(_SHUFFLED))
    means = rows.groupby(["model", "tensor", "metric"], sort=False)["value"].mean()
    return means.rename("shuffled_mean").reset_index()


def _planes_only(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the model rows of QuBD, its planes and their nulls."""
    names = [name for name in measurements["metric"].unique() if str(name).split("_")[0] == "qubd"]
    return measurements.loc[(measurements["scope"] == "model") & measurements["metric"].isin(names)]


def _plane_numbers(metrics: "pd.Series[str]") -> "pd.Series[float]":
    numbers = {name: plane_of(str(name)) for name in metrics.unique()}
    return metrics.map({name: np.nan if plane is None else float(plane) for name, plane in numbers.items()}).astype(
        float
    )


def _to_initial(ratios: pd.DataFrame) -> pd.DataFrame:
    known = ratios.loc[ratios["ratio"].notna()]
    return pd.DataFrame(
        {
            "model": known["model"],
            "metric": known["metric"],
            "reference": "initial",
            "n": known["n_trained"],
            "percent": 100 * known["ratio"],
            "sd": 100 * known["ratio_sd"],
            "noise": np.nan,
        }
    )


def _to_own(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the percentages over pairs of equal seeds, for models whose seeds all have a partner."""
    states = [
        measured(rows).loc[rows["state"] == state, ["model", "metric", "seed", "amount"]]
        for state in ("initial", "trained")
    ]
    keys = ["model", "metric", "seed"]
    both = states[0].merge(states[1], on=keys, how="outer", suffixes=("_initial", "_trained"))
    paired = both["seed"].notna() & both["amount_trained"].notna() & (both["amount_initial"] > 0)
    paired &= ~both.duplicated(keys, keep=False)
    whole = paired.groupby([both["model"], both["metric"]]).transform("all").astype(bool)
    pairs = both.loc[whole]
    return _over_seeds(pairs.assign(percent=100 * pairs["amount_trained"] / pairs["amount_initial"]), "own")


def _to_shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the percentages of each trained seed against its own shuffles."""
    trained = rows.loc[rows["state"] == "trained", ["model", "metric", "seed", "amount"]]
    # pandas joins missing seeds with one another only as one number
    trained = trained.assign(seed=trained["seed"].astype(float).fillna(-1.0))
    nulls = {part: _named_after(trained, f"_shuffle_{part}") for part in ("mean", "sd")}
    keys = ["model", "metric", "seed"]
    both = trained.merge(nulls["mean"], on=keys, suffixes=("", "_null"))
    both = both.merge(nulls["sd"].rename(columns={"amount": "amount_sd"}), on=keys, how="left")
    base = both["amount_null"].where(both["amount_null"] > 0)
    return _over_seeds(
        both.assign(percent=100 * both["amount"] / base, noise=100 * both["amount_sd"] / base), "shuffled"
    )


def _named_after(rows: pd.DataFrame, suffix: str) -> pd.DataFrame:
    """Return the rows of nulls whose names end so, under the names of their metrics."""
    chosen = rows.loc[rows["metric"].str.endswith(suffix)]
    return chosen.assign(metric=chosen["metric"].str.removesuffix(suffix))


def _over_seeds(table: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    if "noise" not in table:
        table = table.assign(noise=np.nan)
    known = table.loc[table["percent"].notna()]
    means = known.groupby(["model", "metric"], sort=False).agg(
        n=("percent", "size"), percent=("percent", "mean"), sd=("percent", "std"), noise=("noise", "mean")
    )
    return means.reset_index().assign(reference=reference)
