"""BDM and block entropy as their definitions read, in pure Python: slow, obvious, and sharing no code with the package.

The CTM table is an argument: a dictionary from bit string to bits, per block shape.
"""

from collections import Counter
from math import log2


def bits_of(values):
    return [1 if value > 0 else 0 for value in values]


def string_blocks(bits, size):
    whole = len(bits) // size
    return ["".join(map(str, bits[i * size : (i + 1) * size])) for i in range(whole)]


def square_blocks(matrix, side):
    rows, columns = len(matrix), len(matrix[0]) if matrix else 0
    blocks = []
    for top in range(0, rows - side + 1, side):
        for left in range(0, columns - side + 1, side):
            block = [matrix[top + r][left + c] for r in range(side) for c in range(side)]
            blocks.append("".join(map(str, block)))
    return blocks


def code(block):
    """Block code of the package: the first value is the least significant bit."""
    return sum(2**i for i, bit in enumerate(block) if bit == "1")


def bdm(blocks, ctm):
    return sum(ctm[block] + log2(count) for block, count in Counter(blocks).items())


def block_entropy(blocks):
    total = len(blocks)
    return -sum(count / total * log2(count / total) for count in Counter(blocks).values())
