"""Shuffles of quantized values as they read: permute the levels, cut every plane of the matrix, look every block up."""

from collections import Counter

import numpy as np


def cut(bits, side):
    """Complete blocks of a 0/1 matrix from the top left, row-major codes with the first value as the lowest bit."""
    rows, columns = bits.shape
    for top in range(0, rows - side + 1, side):
        for left in range(0, columns - side + 1, side):
            block = bits[top : top + side, left : left + side].ravel()
            yield int(sum(int(bit) << place for place, bit in enumerate(block)))


def pieces(bits, side):
    """Blocks of a matrix, and of what they leave over, cut smaller down to a side of 2."""
    for code in cut(bits, side):
        yield side, code
    rows, columns = bits.shape
    right, bottom = columns - columns % side, rows - rows % side
    strips = [bits[top : top + side, right:] for top in range(0, bottom, side)]
    strips += [bits[bottom:, left : left + side] for left in range(0, right, side)]
    for part in (*strips, bits[bottom:, right:]):
        if min(part.shape) >= 2:
            yield from pieces(part, min(part.shape))


def score(bits, ctm, boundary):
    """BDM of a plane; ``ctm`` is a function of a block's side."""
    found = Counter(pieces(bits, 4) if boundary == "recursive" else ((4, code) for code in cut(bits, 4)))
    return sum(ctm(side)[code] + np.log2(number) for (side, code), number in found.items())


def shuffled_scores(levels, bits, ctm, boundary, repetitions, rng):
    """Scores of every plane, ``[repetitions, bits]``."""
    found = np.empty((repetitions, bits))
    for row in found:
        mixed = rng.permutation(levels.ravel()).reshape(levels.shape)
        row[:] = [score((mixed >> plane) & 1, ctm, boundary) for plane in range(bits)]
    return found
