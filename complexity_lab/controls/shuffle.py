"""Shuffle nulls: the bits of a model with their arrangement removed and their numbers kept.

What exchanges places (row-major, as the stream reads it, each group is a run of neighbours of one length):

- ``tensor``: all values of a tensor. Keeps its share of ones.
- ``channel``: the values of one index of axis 0, ``w[i]``: all weights of one output channel or neuron, the row of the
  matrix that 2-D blocks are cut from. Keeps the share of every output. A vector has one value per channel and stays.
- ``row``: the values along the last axis, ``w[i, ..., :]``. A matrix's rows are its channels; in a convolution a row
  is one line of a kernel, three values of a 3x3 one. A vector is one row.

Only bits are shuffled. A permutation of the weights permutes their bits, and every arrangement of the bits is equally
likely, so shuffling weights and then binarizing has the same law.

The stream of a shuffled model is that of its shuffled tensors: no value leaves its tensor, blocks of 12 straddle
tensors as in ``StreamCounter``, and what is dropped is what the model itself drops. Squares are cut per tensor and
added up; vectors hold none and are dropped, as in the survey.

Routes, chosen by size alone: below ``SMALL`` values numpy permutes; from there on a compiled loop arranges bits; and a
whole tensor with at least DENSE blocks per possible block has its histogram drawn, no bit of it (see
``arrangement``). There the strings and the squares of one repetition come from different arrangements: each has the
law of the null, but a repetition's strings and squares are then not those of one shuffled model.

Each tensor has its own random stream, of the seed and its place among the tensors added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from complexity_lab.binary.binarize import Signed, refuse_bad, signed
from complexity_lab.binary.block_counts import BlockCounts, Shape
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, TensorCounter, as_matrix
from complexity_lab.controls.arrangement import arrangement_histogram, ones_in_part
from complexity_lab.controls.shuffle_kernels import arrangements
from complexity_lab.errors import InputError

Within = Literal["tensor", "channel", "row"]
WITHIN: tuple[Within, ...] = ("tensor", "channel", "row")
DENSE = 8  # blocks per possible block from which a histogram is drawn faster than the bits
PIECE = 1 << 22  # values arranged at a time; whole rows of blocks
_LIMIT = np.int8(2)  # of ready bits, see ``binarize.signed``


def shuffled_counts(
    weights: Any, shape: Shape = STRING, *, within: Within = "tensor", repetitions: int = 20, seed: int = 0
) -> list[BlockCounts]:
    """Return the block counts of seeded shuffles of one tensor, one per repetition.

    Args:
        weights: numpy array or torch tensor of any shape, or ready 0/1 values; binarized by ``w > 0``.
        shape: ``(12,)`` strings over the flattened tensor, or ``(4, 4)`` squares with axes after the first flattened.
        within: what exchanges places, see the module.
        repetitions: number of shuffles.
        seed: of the random stream.

    Raises:
        InputError: wrong dtype, shape or ``within``.
        WeightsError: NaN or infinite weights.

    >>> [counts.ones for counts in shuffled_counts([1, 0, 0, 1] * 6, repetitions=2)]
    [12, 12]
    """
    shuffles = ShuffleNull(within, repetitions=repetitions, seed=seed, shapes=(shape,))
    shuffles.add(weights)
    return shuffles.strings() if shape == STRING else shuffles.squares()


class ShuffleNull:
    """Counts the blocks of several shuffles of a model, tensor after tensor; see the module for what is shuffled."""

    def __init__(
        self,
        within: Within = "tensor",
        *,
        repetitions: int = 20,
        seed: int = 0,
        shapes: tuple[Shape, ...] = (STRING, SQUARE),
    ) -> None:
        """Prepare ``repetitions`` shuffles.

        Raises:
            InputError: unknown ``within``, no repetition, or shapes other than ``(12,)`` and ``(4, 4)``.
        """
        if within not in WITHIN:
            raise InputError(f"shuffle within {within!r}, wanted one of {', '.join(WITHIN)}")
        if repetitions < 1:
            raise InputError(f"{repetitions} repetitions, wanted 1 or more")
        if not shapes or not set(shapes) <= {STRING, SQUARE}:
            raise InputError(f"blocks of shapes {shapes}, wanted {STRING}, {SQUARE} or both")
        self.within = within
        self.shapes = shapes
        self._seed = seed
        self._added = 0
        self._length = 0  # of the stream so far
        self._repetitions = [_Repetition.empty(shapes) for _ in range(repetitions)]
        self._counter = TensorCounter(SQUARE)

    def add(self, weights: Any) -> None:
        """Append the shuffles of a tensor, numpy or torch, of any shape.

        Raises:
            InputError: wrong dtype.
            WeightsError: NaN or infinite weights.
        """
        view = signed(weights)
        refuse_bad(view.values, view.limit)
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(self._seed, spawn_key=(self._added,))))
        self._added += 1
        tensor = _tensor(view.values, self.within)
        drawn = self._drawn(tensor)
        for repetition in self._repetitions:
            for shape in drawn:
                self._draw(repetition, tensor, shape, rng)
            self._arrange(repetition, tensor, drawn, rng)
        self._length += tensor.size

    def strings(self) -> list[BlockCounts]:
        """Return the counts of strings of 12 of the stream, one per repetition; no tensor may be added after that."""
        found = []
        for repetition in self._repetitions:
            loose = repetition.stream.result()
            whole = BlockCounts.from_histogram(STRING, repetition.histograms[STRING])
            found.append(whole + loose)
        return found

    def squares(self) -> list[BlockCounts]:
        """Return the counts of 4x4 squares, added up over the tensors, one per repetition."""
        return [
            BlockCounts.from_histogram(SQUARE, repetition.histograms[SQUARE], dropped=repetition.dropped)
            for repetition in self._repetitions
        ]

    def _drawn(self, tensor: _Tensor) -> tuple[Shape, ...]:
        """Return the shapes whose histograms are drawn without drawing bits."""
        if tensor.ones.size != 1:
            return ()
        return tuple(shape for shape in self.shapes if _whole(tensor, shape) // prod(shape) >= DENSE * 2 ** prod(shape))

    def _draw(self, repetition: _Repetition, tensor: _Tensor, shape: Shape, rng: np.random.Generator) -> None:
        ones = int(tensor.ones[0])
        missing = min(-self._length % 12, tensor.size) if shape == STRING else 0
        body = (tensor.size - missing) // 12 * 12 if shape == STRING else _whole(tensor, shape)
        rest = tensor.size - body
        at_rest = ones_in_part(rest, tensor.size, ones, rng)
        repetition.histograms[shape] += arrangement_histogram(body // prod(shape), prod(shape), ones - at_rest, rng)
        if shape == SQUARE:
            repetition.dropped += rest
            return
        ends = rng.permutation((np.arange(rest) < at_rest).astype(np.int8))
        repetition.stream.add_signed(Signed(ends[:missing], _LIMIT))  # whole blocks were taken out of the stream
        repetition.stream.add_signed(Signed(ends[missing:], _LIMIT))

    def _arrange(
        self, repetition: _Repetition, tensor: _Tensor, drawn: tuple[Shape, ...], rng: np.random.Generator
    ) -> None:
        wanted = [shape for shape in self.shapes if shape not in drawn]
        if SQUARE in wanted:
            repetition.dropped += tensor.size - _whole(tensor, SQUARE)
        if STRING not in wanted and (SQUARE not in wanted or tensor.axes < 2):
            return
        for bits in _pieces(tensor, rng):
            if STRING in wanted:
                repetition.stream.add_signed(Signed(bits.reshape(-1), _LIMIT))
            if SQUARE in wanted and tensor.axes >= 2:
                counts = self._counter.count(Signed(bits, _LIMIT))
                repetition.histograms[SQUARE][counts.codes] += counts.counts


@dataclass
class _Repetition:
    """One shuffled model so far: histograms of whole blocks, and the stream of what lies between them."""

    histograms: dict[Shape, np.ndarray]
    stream: StreamCounter
    dropped: int = 0  # values in no square

    @classmethod
    def empty(cls, shapes: tuple[Shape, ...]) -> _Repetition:
        return cls({shape: np.zeros(2 ** prod(shape), dtype=np.int64) for shape in shapes}, StreamCounter())


@dataclass(frozen=True)
class _Tensor:
    """What a shuffle keeps of a tensor: its matrix form and the ones of every group."""

    rows: int
    columns: int
    axes: int
    ones: np.ndarray  # int64 [groups]; groups have equal lengths and follow one another

    @property
    def size(self) -> int:
        return self.rows * self.columns


def _tensor(values: np.ndarray, within: Within) -> _Tensor:
    rows, columns = as_matrix(values).shape
    if within == "tensor" or values.ndim == 0 or values.size == 0:
        length = values.size
    elif within == "row":
        length = values.shape[-1]
    else:
        length = values.size // values.shape[0]
    groups = np.count_nonzero(values.reshape(-1, max(1, length)) > 0, axis=1)
    return _Tensor(rows, columns, values.ndim, groups.astype(np.int64))


def _whole(tensor: _Tensor, shape: Shape) -> int:
    """Return how many values lie in complete blocks, the stream's place aside."""
    if shape == STRING:
        return tensor.size - tensor.size % 12
    return 0 if tensor.axes < 2 else (tensor.rows - tensor.rows % 4) * (tensor.columns - tensor.columns % 4)


def _pieces(tensor: _Tensor, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield shuffled bits, int8 ``[rows, columns]``, some rows at a time unless a group is longer than a row."""
    if tensor.size == 0:
        return
    length = tensor.size // tensor.ones.size
    if length > tensor.columns or tensor.rows == 1:
        yield arrangements(tensor.ones, length, tensor.size, rng).view(np.int8).reshape(tensor.rows, tensor.columns)
        return
    per_row = tensor.columns // length
    step = max(1, PIECE // (4 * tensor.columns)) * 4
    for start in range(0, tensor.rows, step):
        ones = tensor.ones[start * per_row : (start + step) * per_row]
        yield arrangements(ones, length, tensor.size, rng).view(np.int8).reshape(-1, tensor.columns)
