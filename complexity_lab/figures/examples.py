"""Which models a figure with room for few shows: spread evenly over the ranking from simplest to most complex."""

import numpy as np
import pandas as pd


def examples(totals: "pd.Series[float]", most: int) -> list[str]:
    """Return at most so many models, lowest total first: all if they fit, else the ends and even steps between.

    >>> examples(pd.Series({"b": 2.0, "a": 1.0, "d": 4.0, "c": 3.0}), 2)
    ['a', 'd']
    """
    ranked = totals.dropna().sort_index().sort_values(kind="stable").index.astype(str).tolist()
    if len(ranked) <= most:
        return ranked
    return [ranked[round(place)] for place in np.linspace(0, len(ranked) - 1, most)]
