"""What changed between two tensors of one shape: how many values, signs and zeros, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from complexity_lab.binary.binarize import bad_weights, signed
from complexity_lab.errors import WeightsError

PIECE = 1 << 15  # values at a time, in float64: they stay in the cache, 2 times as fast as 2^20


@dataclass(frozen=True)
class Change:
    """Counts of weights and sums of squares of one tensor, or of several tensors added up.

    Attributes:
        weights: pairs of values.
        changed: pairs that differ as real numbers, whatever their types; 0 and -0 are equal.
        signs_changed: pairs of which one is above zero and the other is not.
        zeros_a: exact zeros before.
        zeros_b: exact zeros after.
        ones_a: values above zero before.
        ones_b: values above zero after.
        squares: sum of squares before.
        squares_moved: sum of squares of the differences.
    """

    weights: int = 0
    changed: int = 0
    signs_changed: int = 0
    zeros_a: int = 0
    zeros_b: int = 0
    ones_a: int = 0
    ones_b: int = 0
    squares: float = 0.0
    squares_moved: float = 0.0

    def __add__(self, other: Change) -> Change:
        return Change(
            weights=self.weights + other.weights,
            changed=self.changed + other.changed,
            signs_changed=self.signs_changed + other.signs_changed,
            zeros_a=self.zeros_a + other.zeros_a,
            zeros_b=self.zeros_b + other.zeros_b,
            ones_a=self.ones_a + other.ones_a,
            ones_b=self.ones_b + other.ones_b,
            squares=self.squares + other.squares,
            squares_moved=self.squares_moved + other.squares_moved,
        )

    @property
    def distance(self) -> float | None:
        """``||b - a|| / ||a||``, Euclidean; 0 if nothing changed.

        None if there is no such number: ``a`` is all zeros, or squares leave the range of float64, which takes
        float64 weights above 1e150.
        """
        if self.changed == 0:
            return 0.0
        if self.squares == 0 or not isfinite(self.squares) or not isfinite(self.squares_moved):
            return None
        return sqrt(self.squares_moved) / sqrt(self.squares)


class NotFiniteError(WeightsError):
    """One of the two tensors holds NaN or infinities; the message says which, and how many."""


class _Piece(NamedTuple):
    a: np.ndarray
    b: np.ndarray


def change(a: np.ndarray, b: np.ndarray) -> Change:
    """Return what changed from ``a`` to ``b``, floats of one shape, of whatever types.

    Raises:
        NotFiniteError: NaN or infinite weights in one of them.

    >>> found = change(np.array([1.0, -2.0, 0.0]), np.array([1.0, 2.0, 0.0]))
    >>> found.changed, found.signs_changed, found.zeros_b, round(found.distance, 3)
    (1, 1, 1, 1.789)
    """
    one, other = a.reshape(-1), b.reshape(-1)
    pieces = (slice(start, start + PIECE) for start in range(0, one.size, PIECE))
    with np.errstate(all="ignore"):  # squares may overflow; values that are not finite are refused
        found = (_change(_Piece(_float64(one[piece]), _float64(other[piece])), a, b) for piece in pieces)
        return reduce(Change.__add__, found, Change())


def _float64(values: np.ndarray) -> np.ndarray:
    exact: np.ndarray = values.astype(np.float64)  # holds every value of the shorter floats
    return exact


def _change(piece: _Piece, a: np.ndarray, b: np.ndarray) -> Change:
    moved = piece.b - piece.a
    squares, squares_moved = _squares(piece.a), _squares(moved)
    if not isfinite(squares) or not isfinite(squares_moved):  # or large float64 weights, whose squares are not
        for side, values, whole in (("A", piece.a, a), ("B", piece.b, b)):
            if not np.isfinite(values).all():
                view = signed(whole)
                raise NotFiniteError(f"{side}: {bad_weights(view.values, view.limit)}")
    above_a, above_b = piece.a > 0, piece.b > 0
    return Change(
        weights=piece.a.size,
        changed=int(np.count_nonzero(piece.a != piece.b)),
        signs_changed=int(np.count_nonzero(above_a != above_b)),
        zeros_a=int(np.count_nonzero(piece.a == 0)),
        zeros_b=int(np.count_nonzero(piece.b == 0)),
        ones_a=int(np.count_nonzero(above_a)),
        ones_b=int(np.count_nonzero(above_b)),
        squares=squares,
        squares_moved=squares_moved,
    )


def _squares(values: np.ndarray) -> float:
    """Return the sum of squares, by one thread: ``np.dot`` asks several for a piece this small."""
    return float(np.einsum("i,i->", values, values))
