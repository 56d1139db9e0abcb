"""LZ76 and entropies of float fields as their definitions read, in pure Python: slow, obvious, and sharing no code."""

import struct
from collections import Counter
from math import log2


def components(bits):
    """The exhaustive history: each word is the shortest that does not begin anywhere before its own start."""
    text, words, start = "".join(map(str, bits)), [], 0
    while start < len(text):
        end = start + 1
        while end <= len(text) and text[start:end] in text[: end - 1]:
            end += 1
        words.append(text[start:end])
        start = end
    return words


def density(bits):
    return len(components(bits)) * log2(len(bits)) / len(bits) if len(bits) > 1 else float("nan")


def windowed_density(bits, window):
    """Mean over windows, the last of which ends at the last bit."""
    if len(bits) <= window:
        return density(bits)
    starts = [*range(0, len(bits) - window, window), len(bits) - window]
    return sum(density(bits[start : start + window]) for start in starts) / len(starts)


def entropy(symbols):
    total = len(symbols)
    return -sum(count / total * log2(count / total) for count in Counter(symbols).values())


FIELDS = {"float64": (11, 52), "float32": (8, 23), "float16": (5, 10), "bfloat16": (8, 7)}
CODES = {"float64": ">d", "float32": ">f", "float16": ">e"}


def digits(value, dtype):
    """The bits of one number, the most significant first; bfloat16 is the upper half of float32."""
    data = struct.pack(CODES.get(dtype, ">f"), value)
    return "".join(f"{byte:08b}" for byte in (data[:2] if dtype == "bfloat16" else data))


def exponent_entropy(values, dtype):
    width, _ = FIELDS[dtype]
    return entropy([digits(value, dtype)[1 : 1 + width] for value in values])


def mantissa_entropy(values, dtype):
    """Split from the right, eight bits at a time."""
    _, width = FIELDS[dtype]
    mantissas = [digits(value, dtype)[-width:] for value in values]
    parts = [(max(0, width - first - 8), width - first) for first in range(0, width, 8)]
    return sum(entropy([mantissa[a:b] for mantissa in mantissas]) for a, b in parts)
