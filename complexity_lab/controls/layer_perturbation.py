"""Perturbation layer by layer: what flipping one bit of a tensor does to the BDM of the whole model.

The change depends on nothing but the block's code, the place in it and the model's histogram. So the histogram of each
tensor tells the mean and the extremes over all of its bits, exactly, at any size and for the price of counting; blocks
of 12 that straddle tensors count bit by bit for the tensors they hold bits of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from complexity_lab.binary.binarize import Signed, refuse_bad, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.codes import encode
from complexity_lab.binary.counting import SQUARE, STRING, TensorCounter, as_matrix
from complexity_lab.controls.perturbation import flip_changes
from complexity_lab.errors import InputError


@dataclass(frozen=True)
class LayerPerturbation:
    """Changes of the model's BDM by flipping one bit of a tensor, over all bits of it that are scored; in bits.

    Attributes:
        name: of the tensor.
        scored: bits of the tensor in complete blocks; without any, all numbers are 0.
        mean: of the changes.
        mean_absolute: of their absolute values.
        lowest: the most that a flip takes from the BDM, negative if any does.
        highest: the most that a flip adds.
    """

    name: str
    scored: int
    mean: float
    mean_absolute: float
    lowest: float
    highest: float

    @property
    def largest(self) -> float:
        """The largest change in either direction, absolute."""
        return max(abs(self.lowest), abs(self.highest))


def layer_perturbation(
    tensors: Mapping[str, Any] | Iterable[tuple[str, Any]], shape: Shape = STRING
) -> list[LayerPerturbation]:
    """Return what flipping a bit of each tensor does to the BDM of the model, in the order of the tensors.

    Args:
        tensors: names and weights (numpy or torch, any shape, binarized by ``w > 0``) or 0/1 values, in model order,
            read once: ``module.named_parameters()``, or a state dict of floats.
        shape: ``(12,)`` for strings of the model's stream, or ``(4, 4)`` for squares, cut per tensor and added up.

    Raises:
        InputError: another block shape, or a wrong dtype.
        WeightsError: NaN or infinite weights.

    >>> first, second = layer_perturbation({"a": np.zeros(24), "b": np.zeros(3)})
    >>> (first.scored, round(first.highest, 3), second.scored)
    (24, 27.348, 0)
    """
    if shape not in (STRING, SQUARE):
        raise InputError(f"blocks of shape {shape}, wanted {STRING} or {SQUARE}")
    parts = _Parts(shape)
    for name, weights in tensors.items() if isinstance(tensors, Mapping) else tensors:
        parts.add(name, weights)
    return parts.perturbations()


class _Parts:
    """Histograms of the tensors' own blocks, and the bits of strings that straddle them."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.counter = shape, TensorCounter(shape)
        self.names: list[str] = []
        self.own: list[BlockCounts] = []
        self.loose: list[np.ndarray] = []
        self.length = 0  # of the stream so far

    def add(self, name: str, weights: Any) -> None:
        view = signed(weights)
        refuse_bad(view.values, view.limit)
        self.names.append(name)
        if self.shape == SQUARE:
            matrix = as_matrix(view.values) if view.values.ndim >= 2 else np.zeros((0, 0), view.values.dtype)
            self.own.append(self.counter.count(Signed(matrix, view.limit)))
            return
        flat = view.values.reshape(-1)
        missing = min(-self.length % 12, flat.size)
        body = (flat.size - missing) // 12 * 12
        self.own.append(self.counter.count(Signed(flat[missing : missing + body], view.limit)))
        self.loose.append(np.append(flat[:missing], flat[missing + body :]) > 0)
        self.length += flat.size

    def perturbations(self) -> list[LayerPerturbation]:
        codes, owners = self._straddling()
        histogram = np.bincount(codes, minlength=2 ** prod(self.shape))
        for counts in self.own:
            histogram[counts.codes] += counts.counts
        whole = BlockCounts.from_histogram(self.shape, histogram)
        row = np.zeros(histogram.size, dtype=np.int64)
        row[whole.codes] = np.arange(whole.distinct)
        changes = flip_changes(whole)
        edges = changes[row[codes]].reshape(-1)
        order = np.argsort(owners, kind="stable")
        first = np.searchsorted(owners[order], np.arange(len(self.own) + 1))
        return [
            _summary(name, changes[row[counts.codes]], counts.counts, edges[order[first[index] : first[index + 1]]])
            for index, (name, counts) in enumerate(zip(self.names, self.own, strict=True))
        ]

    def _straddling(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of strings that straddle tensors, and the tensor of each of their bits."""
        bits = np.concatenate([np.zeros(0, dtype=bool), *self.loose])
        owners = np.repeat(np.arange(len(self.loose)), [each.size for each in self.loose])
        whole = bits.size - bits.size % 12
        return encode(bits[:whole].reshape(-1, 12)), owners[:whole]


def _summary(name: str, changes: np.ndarray, times: np.ndarray, edges: np.ndarray) -> LayerPerturbation:
    """Sum up changes ``[distinct, size]``, each row seen some times, and those of single bits."""
    scored = int(times.sum()) * changes.shape[1] + edges.size
    if scored == 0:
        return LayerPerturbation(name, 0, 0.0, 0.0, 0.0, 0.0)
    total = float(times @ changes.sum(axis=1) + edges.sum())
    absolute = float(times @ np.abs(changes).sum(axis=1) + np.abs(edges).sum())
    values = np.append(changes.reshape(-1), edges)
    return LayerPerturbation(name, scored, total / scored, absolute / scored, float(values.min()), float(values.max()))
