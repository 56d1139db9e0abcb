"""Function-preserving permutations: the same network with its neurons in another order.

The hidden units of a layer have no natural order. Permuting its outputs (rows of its weight, its bias, the parameters
and running statistics of a norm behind it) together with the inputs of the next layer leaves the function as it is,
but moves bits, so every score of the arrangement changes. The spread of a score over such permutations is what the
score does not know about the function: its resolution.

A ``Coupling`` says which axes must be permuted alike. It knows no layer types: grouped or depthwise weights,
attention heads and residual streams are lists of axes too. Elementwise activations, pooling, and norms with
parameters per channel keep it valid; a norm over groups of channels does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from complexity_lab.counted import counted
from complexity_lab.errors import InputError

Tensors = Mapping[str, np.ndarray]
Axis = tuple[str, int] | tuple[str, int, int]  # a tensor's name, one of its axes, and the parts of it (1 if not given)


@dataclass(frozen=True)
class Coupling:
    """Axes that carry the same units and are permuted together.

    An axis may hold several values per unit, side by side, if its length is a multiple of ``size``: the columns of a
    linear layer behind a flattened convolution (one run of ``height * width`` per channel), or the rows of one head.
    An axis of several parts holds all units in each of them: 2 for the halves of a gated layer, 3 for packed queries,
    keys and values.

    Attributes:
        outputs: where the units are made: weights, biases, norm parameters, running statistics.
        inputs: where they are read: weights of the next layers.
        size: number of units.
    """

    outputs: tuple[Axis, ...]
    inputs: tuple[Axis, ...]
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"coupling of {self.size} units, wanted 1 or more")
        axes = (*self.outputs, *self.inputs)
        if not self.outputs or not self.inputs:
            raise InputError(f"coupling {axes} lacks outputs or inputs; units that are only made or read are no chain")
        if twice := _named_twice(axes):
            raise InputError(f"coupling names an axis twice: {twice}")


def check_couplings(tensors: Tensors, couplings: Sequence[Coupling]) -> None:
    """Refuse couplings that do not fit the tensors or one another; of the tensors only shapes are read.

    Raises:
        InputError: a tensor is missing, an axis does not fit its coupling, or two couplings share an axis.
    """
    if twice := _named_twice([axis for coupling in couplings for axis in (*coupling.outputs, *coupling.inputs)]):
        raise InputError(f"couplings share {twice}; join them to one")
    for coupling in couplings:
        _check(coupling, tensors)


def places_of(order: np.ndarray, length: int, parts: int = 1) -> np.ndarray:
    """Return from where the values of an axis come, int64 ``[length]``, when its units take the given order.

    Unit i of a part has the run ``i * run`` to ``(i + 1) * run``.

    >>> places_of(np.array([1, 0]), 8, parts=2).tolist()
    [2, 3, 0, 1, 6, 7, 4, 5]
    """
    run = length // (order.size * parts)
    part = (order[:, np.newaxis] * run + np.arange(run)).reshape(-1)
    places: np.ndarray = (np.arange(parts)[:, np.newaxis] * part.size + part).reshape(-1)
    return places


def _named_twice(axes: Sequence[Axis]) -> list[tuple[str, int]]:
    places = [axis[:2] for axis in axes]
    return sorted({place for place in places if places.count(place) > 1}) if len(set(places)) < len(places) else []


def _check(coupling: Coupling, tensors: Tensors) -> None:
    for axis in coupling.outputs + coupling.inputs:
        length, parts = _length(tensors, axis), axis[2] if len(axis) > 2 else 1
        if length == 0 or parts < 1 or length % (coupling.size * parts):
            raise InputError(
                f"axis {axis[1]} of {axis[0]} has length {length} in {counted(parts, 'part')}, wanted in each a "
                f"multiple of the {coupling.size} units that {coupling.outputs[0][0]} makes"
            )


def _length(tensors: Tensors, axis: Axis) -> int:
    name, number = axis[:2]
    if name not in tensors:
        raise InputError(f"no tensor {name!r}; there are {', '.join(tensors)}")
    if not 0 <= number < tensors[name].ndim:
        raise InputError(f"{name} has {counted(tensors[name].ndim, 'axis', 'axes')}, the coupling wants axis {number}")
    return int(tensors[name].shape[number])
