"""What readers call metrics, null models and layers, in one place for figures and pages, and the order they come in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import pandas as pd

from complexity_lab.statistics.nulls import null_labels

_LABELS: Final = {
    "bdm": "BDM",
    "bdm_2d": "BDM 4×4",
    "bdm_normalized": "normalized BDM",
    "bdm_2d_normalized": "normalized BDM 4×4",
    "block_entropy": "block entropy",
    "block_entropy_2d": "block entropy 4×4",
    "block_entropy_normalized": "normalized block entropy",
    "block_entropy_2d_normalized": "normalized block entropy 4×4",
    "qubd": "QuBD",
    "lz76_density": "LZ76",
    "exponent_entropy": "exponent entropy",
    "mantissa_entropy": "mantissa entropy",
    "zstd": "Zstandard",
    "lzma": "LZMA",
}
_PAYLOADS: Final = {
    "bits-bytes": "sign bits as bytes",
    "float32": "float32 values",
}
_LONG_WORD: Final = re.compile("[A-Za-z]{4,}")
MAIN: Final[tuple[str, ...]] = ("bdm", "qubd", "bdm_2d")
"""Metrics that a figure with room for few shows first."""


def metric_label(metric: str, plane: int | None = None) -> str:
    """Return what readers call a metric, or one of its bit planes.

    >>> metric_label("bdm"), metric_label("qubd", 3), metric_label("gzip"), metric_label("lzma:float32")
    ('BDM', 'QuBD, plane 3', 'gzip', 'LZMA of float32 values')
    """
    name, _, payload = metric.partition(":")
    label = _LABELS.get(name, name)
    label = f"{label} of {_PAYLOADS.get(payload, payload)}" if payload else label
    return label if plane is None else f"{label}, plane {plane}"


def null_label(null: str) -> str:
    """Return what readers call a null model; its name if there is none of that name any more.

    >>> null_label("iid")
    'independent bits'
    """
    return null_labels().get(null, null)


def main_metrics(metrics: Iterable[str], most: int = 2) -> list[str]:
    """Return the first few of MAIN that occur.

    >>> main_metrics(["gzip", "bdm_2d", "qubd", "bdm"])
    ['bdm', 'qubd']
    """
    found = set(metrics)
    return [metric for metric in MAIN if metric in found][:most]


def main_first(metrics: Iterable[str]) -> list[str]:
    """Return distinct metrics, those of MAIN first, the others in their order.

    >>> main_first(["gzip", "qubd", "block_entropy", "bdm", "gzip"])
    ['bdm', 'qubd', 'gzip', 'block_entropy']
    """
    found = list(dict.fromkeys(metrics))
    return [metric for metric in MAIN if metric in found] + [metric for metric in found if metric not in MAIN]


def layer_label(tensor: str, most: int = 20) -> str:
    """Return the name of a layer: of its weight without that word, and of too long ones the words cut to three letters.

    >>> layer_label("layers.0.weight"), layer_label("features.denseblock1.denselayer2.conv1.weight")
    ('layers.0', 'fea.den1.den2.conv1')
    """
    name = tensor.removesuffix(".weight")
    if len(name) <= most:
        return name
    path, _, last = name.rpartition(".")
    return f"{_LONG_WORD.sub(lambda word: word[0][:3], path)}.{last}" if path else name


def order_label(orders: pd.Series[str]) -> str:
    """Return what a position among layers means: that the first is at the left only where their order is the model's.

    Args:
        orders: of the tensors, as ``order`` of measurements: model, natural or file.
    """
    known: Sequence[str] = sorted(set(orders.dropna().astype(str)))
    if known and set(known) <= {"model", "natural"} and not orders.isna().any():
        return "first layer at the left"
    return "layers in the order of the file"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])
