"""The shuffle null as it reads: permute the values of every group, then binarize, cut and count. Numpy only."""

from collections import Counter

import numpy as np


def groups(array, within):
    """Views of the values that exchange places."""
    if within == "tensor" or array.ndim == 0:
        return [array.reshape(-1)]
    if within == "channel":
        return [array[i].reshape(-1) for i in range(array.shape[0])]
    return list(array.reshape(-1, array.shape[-1]))


def shuffled(weights, within, rng):
    array = np.array(weights, dtype=float)
    for group in groups(array, within):
        group[:] = group[rng.permutation(group.size)]
    return array


def stream_codes(tensors):
    bits = [int(value > 0) for tensor in tensors for value in np.ravel(tensor)]
    whole = len(bits) - len(bits) % 12
    return Counter(sum(bits[i + j] << j for j in range(12)) for i in range(0, whole, 12))


def square_codes(tensors):
    found = Counter()
    for tensor in tensors:
        if np.ndim(tensor) < 2:
            continue
        bits = (np.reshape(tensor, (len(tensor), -1)) > 0).astype(int)
        for top in range(0, bits.shape[0] - 3, 4):
            for left in range(0, bits.shape[1] - 3, 4):
                block = bits[top : top + 4, left : left + 4].ravel()
                found[int(sum(bit << i for i, bit in enumerate(block)))] += 1
    return found
