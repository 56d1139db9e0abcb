"""Rounding to few bits as its definition reads, one number at a time; shares no code with the package."""

import math


def half_even(value):
    below = math.floor(value)
    gap = value - below
    if gap != 0.5:
        return below if gap < 0.5 else below + 1
    return below if below % 2 == 0 else below + 1


def rounded_channel(values, bits):
    """Round a list of floats (python's, so float64)."""
    if bits == 1:
        size = math.fsum(abs(value) for value in values) / len(values)
        return [size if value > 0 else 0.0 - size for value in values]
    top = 2 ** (bits - 1) - 1
    largest = max(abs(value) for value in values)
    if largest == 0:
        return [0.0 for _ in values]
    scale = largest / top
    return [max(-top, min(top, half_even(value / scale))) * scale for value in values]
