"""How mosaics look in every figure: a colour per block size, a dash per capacity, names of models."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

_COLOURS: Final = ("#332288", "#CC6677", "#117733", "#EE7733", "#88CCEE", "#AA4499", "#999933", "#1f2328")
_SIZES: Final = (2, 4, 8, 16, 32, 64, 128, 1)
_DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
_LABELS: Final = {
    "mlp": "MLP",
    "mlp5": "MLP, 5 hidden layers",
    "resnet20": "ResNet20",
    "tiny_vit_5m": "Tiny-ViT 5M",
    "mobilevit_xxs": "MobileViT-XXS",
}


@dataclass(frozen=True)
class Look:
    """Colour and dashes of a line."""

    colour: str
    dashes: Any


def look(s: float, capacity: float) -> Look:
    """Return the look of a mosaic: the colour tells the block size, shorter dashes a smaller capacity."""
    colour = _COLOURS[_SIZES.index(int(s)) if int(s) in _SIZES else int(s) % len(_COLOURS)]
    rank = sum(capacity < limit for limit in (0.1, 0.05, 0.01, 0.005))
    return Look(colour, _DASHES[rank])


def looks(table: pd.DataFrame) -> dict[tuple[float, float], Look]:
    """Return the looks of the mosaics of a table, the smallest blocks and the largest capacities first."""
    pairs = table[["s", "capacity"]].drop_duplicates().sort_values(["s", "capacity"], ascending=[True, False])
    return {(s, capacity): look(s, capacity) for s, capacity in pairs.itertuples(index=False)}


def method_label(s: float, capacity: float) -> str:
    """Return ``s = 4, 1 %``."""
    return f"s = {s:g}, {100 * capacity:g} %"


def label(model: str) -> str:
    """Return the name of a model as the paper writes it."""
    return _LABELS.get(model, model)


def by_size(models: Iterable[str]) -> list[str]:
    """Return distinct models in the order of the paper's tables, others after them by name."""
    found = set(models)
    return [model for model in _LABELS if model in found] + sorted(found - set(_LABELS))


def range_bars(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return the lengths of error bars from a mean down to the lowest and up to the highest seed, ``[2, rows]``.

    Reads ``column``, ``column_low`` and ``column_high``. A range stays between 0 and 100 %; mean and sd would not.
    """
    mean = rows[column].to_numpy(float)
    low, high = rows[f"{column}_low"].to_numpy(float), rows[f"{column}_high"].to_numpy(float)
    bars: np.ndarray = np.maximum(0, np.stack([mean - low, high - mean]))
    return bars
