"""Trained seed s that started from initial seed s: what a seed adds to both states is no noise of the change."""

import pandas as pd

PAIR_COLUMNS = ["n_pairs", "difference_sd", "pair_ratio_sd"]
_ROUNDING = 1e-14  # differences of two numbers near m carry an error of a few 1e-16 m


def pair_spreads(rows: pd.DataFrame, keys: list[str], amount: str) -> pd.DataFrame:
    """Return one row per group whose initial and trained states have the same two or more seeds: keys and PAIR_COLUMNS.

    Seeds must be known (not null) and occur once per state; other groups are left out. With d = trained - initial of
    one seed and R = mean trained / mean initial:

    - ``n_pairs``: seeds
    - ``difference_sd``: sample sd of d, in the unit of the amount; exactly 0 if every seed changes by the same amount
    - ``pair_ratio_sd``: sample sd of ``trained - R * initial`` over the mean initial amount. This is the delta method
      with its covariance term, ``R * sqrt(vi + vt - 2 c)``, where vi and vt are the variances of the amounts relative
      to their means and c is their covariance relative to both means. NaN if the mean initial amount is not positive.

    Args:
        rows: one row per group, state and seed, with columns ``state`` and ``seed``.
        keys: columns that name a group.
        amount: column with the number.
    """
    rows = rows.astype(dict.fromkeys(keys, object))  # pandas cannot join empty columns of Arrow strings
    seeds = [
        rows.loc[rows["state"] == state, [*keys, "seed", amount]].rename(columns={amount: state})
        for state in ("initial", "trained")
    ]
    both = seeds[0].merge(seeds[1], on=[*keys, "seed"], how="outer")
    paired = both["seed"].notna() & both["initial"].notna() & both["trained"].notna()
    paired &= ~both.duplicated([*keys, "seed"], keep=False)
    names = [both[key] for key in keys]
    paired &= both["seed"].groupby(names).transform("size") >= 2
    pairs = both.loc[paired.groupby(names).transform("all").astype(bool)]
    mean = pairs.groupby(keys, sort=False)[["initial", "trained"]].transform("mean")
    start = mean["initial"].where(mean["initial"] > 0)
    spread = pairs[keys].assign(
        difference=pairs["trained"] - pairs["initial"],
        residual=(pairs["trained"] - mean["trained"] / start * pairs["initial"]) / start,
        scale=pairs[["initial", "trained"]].abs().max(axis=1),
    )
    table = spread.groupby(keys, sort=False).agg(
        n_pairs=("difference", "size"),
        difference_sd=("difference", "std"),
        pair_ratio_sd=("residual", "std"),
        scale=("scale", "max"),
    )
    same = table["difference_sd"] <= _ROUNDING * table["scale"]
    table["difference_sd"] = table["difference_sd"].where(~same, 0.0)
    return table.drop(columns="scale").reset_index()
