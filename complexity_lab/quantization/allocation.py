"""A budget of bits spent by the rounding error of weights: what bits that planes suggest have to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def bits_by_error(errors: Mapping[str, np.ndarray], weights: Mapping[str, int], budget: float) -> dict[str, int]:
    """Return bits by tensor: a budget spent where rounding hurts most, without looking at planes.

    Every tensor starts with 1 bit. What comes next is the step, of one bit or several, by which the relative squared
    error of a tensor falls most per bit stored, until none that lessens an error fits into the budget. Every tensor's
    relative error counts the same. (One step at a time would not do: with 2 bits the error is often above that with 1.)

    Args:
        errors: relative squared error by tensor with 1, 2, ... bits, float ``[most bits]``.
        weights: values of each tensor.
        budget: bits in all, sum over tensors of bits times weights.

    >>> bits_by_error({"a": np.array([0.5, 0.6, 0.1]), "b": np.array([0.2, 0.1, 0.1])}, {"a": 10, "b": 10}, 40)
    {'a': 3, 'b': 1}
    """
    bits = dict.fromkeys(errors, 1)
    left = budget - sum(weights[name] for name in bits)
    while steps := [step for name in bits for step in _steps(name, errors[name], bits[name], weights[name], left)]:
        _, name, number = max(steps, key=lambda step: step[0])
        left -= (number - bits[name]) * weights[name]
        bits[name] = number
    return bits


def _steps(name: str, errors: np.ndarray, bits: int, weights: int, left: float) -> list[tuple[float, str, int]]:
    """Return fall of the error per bit stored, tensor and bits of each step that fits and lessens the error."""
    ahead = range(bits + 1, len(errors) + 1)
    falls = {number: float(errors[bits - 1] - errors[number - 1]) for number in ahead}
    cost = {number: (number - bits) * weights for number in ahead}
    return [
        (falls[number] / cost[number], name, number) for number in ahead if falls[number] > 0 and cost[number] <= left
    ]
