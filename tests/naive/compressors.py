"""Payloads and rates as their definitions read, standard library only (zstd aside)."""

import bz2
import gzip
import lzma
import struct


def payload(values, kind):
    values = [float(value) for value in values]
    if kind == "float32":
        return b"".join(struct.pack("<f", value) for value in values)
    bits = [1 if value > 0 else 0 for value in values]
    if kind == "bits-bytes":
        return bytes(bits)
    bits += [0] * (-len(bits) % 8)
    return bytes(int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits), 8))


def rate(data, compressor):
    if compressor == "zstd":
        import zstandard

        return len(data) / len(zstandard.ZstdCompressor(level=19).compress(data))
    compressed = {
        "gzip": lambda: gzip.compress(data, 9, mtime=0),
        "bz2": lambda: bz2.compress(data, 9),
        "lzma": lambda: lzma.compress(data, preset=9),
    }[compressor]()
    return len(data) / len(compressed)
