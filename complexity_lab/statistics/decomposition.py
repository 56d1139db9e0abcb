"""How much of the drop in BDM is a shifted share of ones, and how much is the arrangement of the bits."""

import numpy as np
import pandas as pd

DECOMPOSITION_COLUMNS: dict[str, str] = {
    "model": "id of the model",
    "family": "family of architectures",
    "parameters": "trainable parameters",
    "metric": "bdm or bdm_2d",
    "initial_mean": "mean over initial seeds; bits",
    "trained_mean": "mean over trained seeds; bits",
    "iid_mean": "expected BDM of independent bits with the trained share of ones; bits",
    "drop": "initial mean - trained mean; bits",
    "sign_bias": "initial mean - iid mean; bits",
    "arrangement": "iid mean - trained mean; bits",
    "sign_bias_share": "sign_bias / drop; NaN if there is no drop, can leave 0..1 if the parts oppose each other",
    "arrangement_share": "arrangement / drop = 1 - sign_bias_share",
    "sign_bias_percent": "sign_bias in percent of the initial mean",
    "arrangement_percent": "arrangement in percent of the initial mean",
    "sign_shift": "iid mean at the initial share of ones - iid mean at the trained one; bits",
    "gained_arrangement": "how much further trained weights are below their null than initial ones below theirs; bits",
    "z_null": "(trained mean - iid mean) / iid sd: distance from bits that are only biased, in sd of those bits",
}


def decompose(ratios: pd.DataFrame) -> pd.DataFrame:
    """Split ``initial - trained`` into sign bias and arrangement: one row per row of ``ratios`` that has a null model.

    ``initial - trained = [initial - E BDM(iid bits, trained share of ones)] + [E BDM(iid bits, ...) - trained]``. The
    two parts add up to the drop. What initial weights already lack against fair bits (constant norms and biases) is
    part of the sign bias, which can therefore be negative. Shares are NaN where nothing dropped.

    A second split of the same drop keeps that part out: ``sign_shift + gained_arrangement``, where each state is held
    against independent bits with its own share of ones.

    Args:
        ratios: what :func:`complexity_lab.statistics.ratios.compare` returned.
    """
    table = ratios.loc[ratios["iid_mean"].notna()].copy()
    initial, trained, iid = (table[name].to_numpy(float) for name in ("initial_mean", "trained_mean", "iid_mean"))
    before = table["iid_mean_initial"].to_numpy(float)
    drop = initial - trained
    positive = np.where(drop > 0, drop, np.nan)
    iid_sd = table["iid_sd"].to_numpy(float)
    table = table.assign(
        drop=drop,
        sign_bias=initial - iid,
        arrangement=iid - trained,
        sign_bias_share=(initial - iid) / positive,
        arrangement_share=(iid - trained) / positive,
        sign_bias_percent=100 * (initial - iid) / initial,
        arrangement_percent=100 * (iid - trained) / initial,
        sign_shift=before - iid,
        gained_arrangement=(iid - trained) - (before - initial),
        z_null=(trained - iid) / np.where(iid_sd > 0, iid_sd, np.nan),
    )
    return table[list(DECOMPOSITION_COLUMNS)].reset_index(drop=True)
