"""QuBD as its definition reads (ALGORITHMS.md 3.1), one number at a time; shares no code with the package.

The score of one plane is an argument: a function from a 2-D array of 0/1 to bits.
"""

import math

import numpy as np


def as_matrix(weights):
    return [list(row) for row in np.asarray(weights).reshape(len(weights), -1)]


def quantile(values, share):
    """Linear interpolation between the two nearest ranks, in float64."""
    ordered = sorted(float(value) for value in values)
    rank = share * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    t = rank - below
    gap = ordered[above] - ordered[below]
    return ordered[below] + gap * t if t < 0.5 else ordered[above] - gap * (1 - t)


def value_range(values, clip):
    if clip is None:
        return min(map(float, values)), max(map(float, values))
    share = (1 - clip / 100) / 2
    return quantile(values, share), quantile(values, 1 - share)


def levels(weights, bits, clip, real=np.float32):
    matrix = as_matrix(weights)
    lo, hi = map(real, value_range([value for row in matrix for value in row], clip))
    if hi - lo < 1e-8:
        return [[0 for _ in row] for row in matrix]
    delta = (hi - lo) / real(2**bits - 1)
    top = 2**bits - 1
    # Python's round of a float is half to even
    return [[min(max(round(float((real(value) - lo) / delta)), 0), top) for value in row] for row in matrix]


def plane(z, index):
    return np.array([[level // 2**index % 2 for level in row] for row in z])


def qubd(weights, bits, clip, score, real=np.float32):
    z = levels(weights, bits, clip, real)
    return [score(plane(z, index)) for index in range(bits)]


def tiled(planes):
    bits = len(planes)
    high, wide = {2: (2, 1), 4: (2, 2), 8: (4, 2)}.get(bits, (bits, 1))
    rows, columns = len(planes[0]), len(planes[0][0])
    matrix = np.zeros((high * rows, wide * columns), dtype=int)
    for i in range(high):
        for j in range(wide):
            matrix[i::high, j::wide] = planes[i * wide + j]
    return matrix
