"""A MoMos projection as its definition reads, in numpy and the standard library: slow, obvious, sharing no code.

A slot is a place in a block: ``(tensor, index)`` of the value that belongs there, or None for padding. A block is a
list of slots.
"""

from itertools import product

import numpy as np


def in_order(shapes):
    """Slots of every value of every tensor, row-major."""
    return [[(t, index) for index in np.ndindex(*shape)] for t, shape in enumerate(shapes)]


def chunks(slots, s):
    blocks = [slots[i : i + s] for i in range(0, len(slots), s)]
    return [block + [None] * (s - len(block)) for block in blocks]


def flat_blocks(shapes, s, padding="tensor"):
    parts = in_order(shapes)
    if padding == "vector":
        parts = [[slot for part in parts for slot in part]]
    return [block for part in parts for block in chunks(part, s)]


def tile_blocks(shapes, rows, columns):
    blocks = []
    for t, shape in enumerate(shapes):
        *leading, height, width = (1, *shape) if len(shape) == 1 else shape
        for batch in product(*map(range, leading)):
            for top in range(0, height, rows):
                for left in range(0, width, columns):
                    block = []
                    for r in range(top, top + rows):
                        for c in range(left, left + columns):
                            index = (c,) if len(shape) == 1 else (*batch, r, c)
                            block.append((t, index) if r < height and c < width else None)
                    blocks.append(block)
    return blocks


def values_of(arrays, block):
    return [0.0 if slot is None else float(arrays[slot[0]][slot[1]]) for slot in block]


def nearest(block, motifs):
    """Index of the motif of least squared distance; the first of equals."""
    distances = [sum((b - z) ** 2 for b, z in zip(block, motif, strict=True)) for motif in motifs]
    return distances.index(min(distances))


def motifs_at(arrays, blocks, positions, force_zero):
    chosen = [values_of(arrays, blocks[position]) for position in positions]
    return [[0.0] * len(blocks[0]), *chosen] if force_zero else chosen


def project(arrays, blocks, motifs):
    """New arrays, assignment, distortion and number of changed values; the arrays given stay as they are."""
    after = [array.copy() for array in arrays]
    assignment, distortion, changed = [], 0.0, 0
    for block in blocks:
        motif = nearest(values_of(arrays, block), motifs)
        assignment.append(motif)
        for slot, value in zip(block, motifs[motif], strict=True):
            if slot is None:
                continue
            t, index = slot
            after[t][index] = value  # rounds to the dtype of the array
            step = float(after[t][index]) - float(arrays[t][index])
            distortion += step**2
            changed += step != 0
    return after, assignment, distortion, changed


def rac(n, s, k, q=32):
    """The bound with the index bits counted by doubling."""
    bits = 0
    while 2**bits < k:
        bits += 1
    blocks = (n + s - 1) // s
    return n * q / (k * s * q + blocks * bits)
