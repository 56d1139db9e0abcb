"""Trained seed s that started from initial seed s: what a seed adds to both states is no noise of the change."""

import pandas as pd

from complexity_lab.tables import columns as c

N_PAIRS = "n_pairs"
DIFFERENCE_SD = "difference_sd"
PAIR_RATIO_SD = "pair_ratio_sd"
_ROUNDING = 1e-14  # differences of two numbers near m carry an error of a few 1e-16 m


def seed_pairs(rows: pd.DataFrame, keys: list[str], amount: str) -> pd.DataFrame:
    """Return ``keys``, seed, and the amounts ``initial`` and ``trained`` of groups in which every seed has both.

    Seeds must be known (not null) and occur once per state; other groups are left out.
    """
    both = _of_state(rows, keys, amount, "initial").merge(
        _of_state(rows, keys, amount, "trained"), on=[*keys, c.SEED], how="outer"
    )
    paired = both[c.SEED].notna() & both["initial"].notna() & both["trained"].notna()
    paired &= ~both.duplicated([*keys, c.SEED], keep=False)
    whole = paired.groupby([both[key] for key in keys], dropna=False).transform("all").astype(bool)
    return both.loc[whole]


def _of_state(rows: pd.DataFrame, keys: list[str], amount: str, state: str) -> pd.DataFrame:
    return rows.loc[rows[c.STATE] == state, [*keys, c.SEED, amount]].rename(columns={amount: state})


def pair_spreads(rows: pd.DataFrame, keys: list[str], amount: str) -> pd.DataFrame:
    """Return one row per group whose initial and trained states have the same two or more seeds.

    With d = trained - initial of one seed and R = mean trained / mean initial:

    - ``n_pairs``: seeds
    - ``difference_sd``: sample sd of d, in the unit of the amount; exactly 0 if every seed changes by the same amount
    - ``pair_ratio_sd``: sample sd of ``trained - R * initial`` over the mean initial amount. This is the delta method
      with its covariance term, ``R * sqrt(vi + vt - 2 c)``, where vi and vt are the variances of the amounts relative
      to their means and c is their covariance relative to both means. NaN if the mean initial amount is not positive.

    Args:
        rows: one row per group, state and seed.
        keys: columns that name a group.
        amount: column with the number.
    """
    pairs = seed_pairs(rows, keys, amount)
    grouped = pairs.groupby(keys, sort=False, dropna=False)
    pairs = pairs.loc[grouped[c.SEED].transform("size") >= 2]
    mean = pairs.groupby(keys, sort=False, dropna=False)[["initial", "trained"]].transform("mean")
    start = mean["initial"].where(mean["initial"] > 0)
    spread = pairs[keys].assign(
        difference=pairs["trained"] - pairs["initial"],
        residual=(pairs["trained"] - mean["trained"] / start * pairs["initial"]) / start,
        scale=pairs[["initial", "trained"]].abs().max(axis=1),
    )
    table = spread.groupby(keys, sort=False, dropna=False).agg(
        **{N_PAIRS: ("difference", "size"), DIFFERENCE_SD: ("difference", "std"), PAIR_RATIO_SD: ("residual", "std")},
        scale=("scale", "max"),
    )
    same = table[DIFFERENCE_SD] <= _ROUNDING * table["scale"]
    table[DIFFERENCE_SD] = table[DIFFERENCE_SD].where(~same, 0.0)
    return table.drop(columns="scale").reset_index()
