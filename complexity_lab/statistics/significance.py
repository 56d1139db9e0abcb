"""Tests of one model: are its trained weights simpler than its initial weights vary by seed?"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from complexity_lab.statistics import columns as d
from complexity_lab.statistics.pairs import DIFFERENCE_SD, N_PAIRS

Floats = npt.NDArray[np.float64]

NO_RATIO = "initial mean is not positive"
ONE_SEED = "one initial seed: spread unknown"
NO_SPREAD = "seeds do not differ: no spread to test against"
SAME_CHANGE = "every seed changes by the same amount: no spread to test against"


def p_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``p_value`` (two-sided), ``test`` and ``undefined`` for each row of a comparison.

    ====================  ========================================================================================
    ``paired``            both states have the same two or more seeds, so trained seed s started from initial seed s:
                          Student's t-test of the differences, n - 1 degrees of freedom (``scipy.stats.ttest_rel``)
    ``new observation``   one set of trained weights against n initial seeds: ``t = z / sqrt(1 + 1/n)``, n - 1 degrees
    ``Welch``             several trained seeds, not the initial ones: Welch's test
    ====================  ========================================================================================

    The first takes the differences, the others the seeds as independent draws from a normal distribution. Where none
    is defined, ``p_value`` is NaN, ``test`` is empty and ``undefined`` says why.
    """
    undefined = _why_undefined(table)
    paired = (undefined == "") & table[N_PAIRS].notna().to_numpy(bool)
    welch = (undefined == "") & ~paired & (table[d.N_TRAINED].to_numpy() > 1)
    single = (undefined == "") & ~paired & ~welch
    p_value = np.full(len(table), np.nan)
    p_value[paired] = _paired(table.loc[paired])
    p_value[single] = _new_observation(table.loc[single])
    p_value[welch] = _welch(table.loc[welch])
    test = np.select([paired, single, welch], ["paired", "new observation", "Welch"], default="")
    return pd.DataFrame({d.P_VALUE: p_value, d.TEST: test, d.UNDEFINED: undefined}, index=table.index)


def q_values(p_value: Floats) -> Floats:
    """Return Benjamini-Hochberg adjusted p-values; NaN stays NaN and does not count as a test.

    >>> q_values(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    adjusted = np.full(len(p_value), np.nan)
    tested = ~np.isnan(p_value)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_value[tested], method="bh")
    return adjusted


def _why_undefined(table: pd.DataFrame) -> npt.NDArray[np.object_]:
    varies = (table[d.INITIAL_SD].to_numpy() > 0) | (table[d.TRAINED_SD].to_numpy() > 0)
    same_change = table[DIFFERENCE_SD].to_numpy(float) == 0
    conditions = [table[d.INITIAL_MEAN].to_numpy() <= 0, table[d.N_INITIAL].to_numpy() < 2, ~varies, same_change]
    return np.select(conditions, [NO_RATIO, ONE_SEED, NO_SPREAD, SAME_CHANGE], default="").astype(object)


def _paired(table: pd.DataFrame) -> Floats:
    n = table[N_PAIRS].to_numpy(float)
    distance = np.abs(table[d.TRAINED_MEAN].to_numpy(float) - table[d.INITIAL_MEAN].to_numpy(float))
    t = distance / (table[DIFFERENCE_SD].to_numpy(float) / np.sqrt(n))
    return np.asarray(2 * stats.t.sf(t, n - 1), dtype=np.float64)


def _new_observation(table: pd.DataFrame) -> Floats:
    n = table[d.N_INITIAL].to_numpy(float)
    distance = np.abs(table[d.TRAINED_MEAN].to_numpy() - table[d.INITIAL_MEAN].to_numpy())
    t = distance / (table[d.INITIAL_SD].to_numpy() * np.sqrt(1 + 1 / n))
    return np.asarray(2 * stats.t.sf(t, n - 1), dtype=np.float64)


def _welch(table: pd.DataFrame) -> Floats:
    result = stats.ttest_ind_from_stats(
        table[d.TRAINED_MEAN].to_numpy(float),
        table[d.TRAINED_SD].to_numpy(float),
        table[d.N_TRAINED].to_numpy(float),
        table[d.INITIAL_MEAN].to_numpy(float),
        table[d.INITIAL_SD].to_numpy(float),
        table[d.N_INITIAL].to_numpy(float),
        equal_var=False,
    )
    return np.asarray(result.pvalue, dtype=np.float64)
