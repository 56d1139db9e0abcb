"""Profiles of bit planes: QuBD plane by plane, of models and of tensors, against three references (arXiv 2605.15551).

Planes count from 0, the least significant. A ratio is in percent, ``100 * C_l / C_l(reference)`` (Eq. 14); the sum over
planes has no plane number. The references:

``initial``   the same architecture at random initialization: the mean over initial seeds
``own``       the initial weights that training started from: pairs of equal seeds
``shuffled``  the trained weights with the values of each tensor permuted: what is left is arrangement alone
"""

from typing import Final, Literal

import numpy as np
import pandas as pd

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.layers import with_depth
from complexity_lab.statistics.pairs import seed_pairs
from complexity_lab.statistics.rows import AMOUNT, KEYS, PLANE_METRIC, measured, model_rows, of_null, per_state
from complexity_lab.tables import columns as c

Reference = Literal["initial", "own", "shuffled"]
REFERENCES: Final[tuple[Reference, ...]] = ("initial", "own", "shuffled")

_MODEL: Final = {
    c.MODEL: "id of the model",
    c.FAMILY: "family of architectures",
    c.PARAMETERS: "trainable parameters",
}
_NUMBER: Final = {
    c.METRIC: "qubd",
    c.PLANE: "number of the plane, 0 the least significant; missing for the sum over planes",
}
PROFILE_COLUMNS: Final[dict[str, str]] = {
    **_MODEL,
    c.STATE: "initial or trained",
    **_NUMBER,
    d.N: "seeds",
    d.MEAN: "mean over seeds; bits",
    d.SD: "sample sd over seeds; bits; NaN for one seed",
}
PLANE_RATIO_COLUMNS: Final[dict[str, str]] = {
    **_MODEL,
    c.REFERENCE: "initial, own or shuffled",
    **_NUMBER,
    d.N: "trained seeds behind the percentage; pairs for own",
    d.PERCENT: "100 * trained / reference; below 100 is simpler",
    d.SD: "spread over seeds, percentage points; NaN where seeds do not tell",
    d.NOISE: "sd of the shuffled weights themselves, percentage points; NaN for other references",
}
TENSOR_PROFILE_COLUMNS: Final[dict[str, str]] = {
    c.MODEL: "id of the model",
    c.TENSOR: "name of the tensor",
    c.KIND: "matrix, norm, bias, embedding or other",
    c.SHAPE: "64x3x7x7",
    d.DEPTH: "position among the model's scored tensors in model order, 0 (first) to 1 (last)",
    c.WEIGHTS: "weights scored",
    **_NUMBER,
    d.INITIAL_MEAN: "mean over initial seeds; bits",
    d.TRAINED_MEAN: "mean over trained seeds; bits",
    d.PERCENT: "100 * trained / initial; NaN where the initial plane is constant",
    d.SD: "its spread over seeds, percentage points",
    d.SHUFFLED_PERCENT: "100 * trained / the same tensor with its values permuted; NaN without such a null",
}


def plane_profiles(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return QuBD per model, state and plane, and its sum, columns PROFILE_COLUMNS; empty without bit planes."""
    states = per_state(measured(_plane_rows(models, measurements)))
    return states.merge(models[list(_MODEL)], on=c.MODEL, how="left")[list(PROFILE_COLUMNS)]


def plane_ratios(models: pd.DataFrame, measurements: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """Return trained weights in percent of each reference that there is, columns PLANE_RATIO_COLUMNS.

    ``own`` needs the same known seeds in both states, one or more, as ``pairs`` does: percentages are taken pair by
    pair, and ``percent`` and ``sd`` are their mean and spread. ``shuffled`` pairs each trained seed with its own
    shuffles.

    Args:
        models: the survey's table of models.
        measurements: the survey's table of measurements.
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned for them.
    """
    rows = _plane_rows(models, measurements)
    found = [_to_initial(ratios), _to_own(rows), _to_shuffled(rows)]
    table = pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)
    return table.merge(models[list(_MODEL)], on=c.MODEL, how="left")[list(PLANE_RATIO_COLUMNS)]


def tensor_profiles(tensors: pd.DataFrame) -> pd.DataFrame:
    """Return QuBD per tensor and plane, trained against initial and shuffled, columns TENSOR_PROFILE_COLUMNS.

    Every tensor that the rules scored is listed, whatever its kind; tensors keep the order of the model.

    Args:
        tensors: what :func:`complexity_lab.statistics.layers.compare_tensors` returned.
    """
    table = with_depth(tensors.loc[tensors[c.METRIC] == PLANE_METRIC])
    shuffled = table[d.SHUFFLE_MEAN].where(table[d.SHUFFLE_MEAN] > 0)
    percents = {
        d.PERCENT: 100 * table[d.RATIO],
        d.SD: 100 * table[d.RATIO_SD],
        d.SHUFFLED_PERCENT: 100 * table[d.TRAINED_MEAN] / shuffled,
    }
    return table.assign(**percents)[list(TENSOR_PROFILE_COLUMNS)]


def _plane_rows(models: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of whole models of QuBD, its planes and their nulls."""
    return model_rows(models, measurements.loc[measurements[c.METRIC] == PLANE_METRIC])


def _to_initial(ratios: pd.DataFrame) -> pd.DataFrame:
    known = ratios.loc[ratios[d.RATIO].notna() & (ratios[c.METRIC] == PLANE_METRIC)]
    percents = {d.N: known[d.N_TRAINED], d.PERCENT: 100 * known[d.RATIO], d.SD: 100 * known[d.RATIO_SD]}
    return known[KEYS].assign(**percents).assign(**{c.REFERENCE: "initial"}).assign(**{d.NOISE: np.nan})


def _to_own(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the percentages over pairs of equal seeds, for models whose seeds all have a partner."""
    pairs = seed_pairs(measured(rows), KEYS, AMOUNT)
    percent = 100 * pairs["trained"] / pairs["initial"].where(pairs["initial"] > 0)
    pairs = pairs.assign(**{d.PERCENT: percent}).assign(**{d.NOISE: np.nan})
    whole = pairs[d.PERCENT].notna().groupby([pairs[key] for key in KEYS], dropna=False).transform("all").astype(bool)
    return _over_seeds(pairs.loc[whole], "own")


def _to_shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the percentages of each trained seed against its own shuffles."""
    keys = [*KEYS, c.SEED]
    trained = rows.loc[rows[c.STATE] == "trained", [*keys, c.NULL, c.STATISTIC, AMOUNT]]
    mean, sd = (
        of_null(trained, "shuffle", statistic)[[*keys, AMOUNT]].rename(columns={AMOUNT: f"shuffle_{statistic}"})
        for statistic in ("mean", "sd")
    )
    both = measured(trained).merge(mean, on=keys).merge(sd, on=keys, how="left")
    base = both["shuffle_mean"].where(both["shuffle_mean"] > 0)
    percents = {d.PERCENT: 100 * both[AMOUNT] / base, d.NOISE: 100 * both["shuffle_sd"] / base}
    return _over_seeds(both.assign(**percents), "shuffled")


def _over_seeds(table: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    known = table.loc[table[d.PERCENT].notna()]
    means = known.groupby(KEYS, sort=False, dropna=False).agg(
        **{
            d.N: (d.PERCENT, "size"),
            d.SD: (d.PERCENT, "std"),
            d.NOISE: (d.NOISE, "mean"),
            d.PERCENT: (d.PERCENT, "mean"),
        }
    )
    return means.reset_index().assign(**{c.REFERENCE: reference})
