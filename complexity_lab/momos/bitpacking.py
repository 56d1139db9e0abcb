"""Indices as bytes: bit-packed, or compressed where that is shorter.

Bit-packed means that index ``i`` of ``bits`` bits fills bits ``i * bits`` to ``(i + 1) * bits - 1`` of the stream, its
lowest bit first, and bit ``j`` of the stream is bit ``j % 8`` of byte ``j // 8``. The last byte is filled with zeros.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable

import numpy as np

from complexity_lab.counted import counted
from complexity_lab.errors import WeightsError

INDEX = np.dtype("<u4")
CHUNK = 2**16  # indices packed at a time; a multiple of 8, so that every chunk ends with a whole byte
ZSTD_LEVEL = 19


def pack_bits(indices: np.ndarray, bits: int) -> bytes:
    """Return ``ceil(m * bits / 8)`` bytes for ``[m]`` indices below ``2**bits``; 0 to 32 bits each."""
    chunks = (indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK))
    return b"".join(_pack_chunk(chunk, bits) for chunk in chunks)


def _pack_chunk(indices: np.ndarray, bits: int) -> bytes:
    octets = indices.astype(INDEX).view(np.uint8).reshape(-1, INDEX.itemsize)
    low_bits = np.unpackbits(octets, axis=1, count=bits, bitorder="little")
    return np.packbits(low_bits.reshape(-1), bitorder="little").tobytes()


def unpack_bits(packed: bytes, bits: int, m: int) -> np.ndarray:
    """Return the ``[m]`` indices that ``pack_bits`` packed, uint32.

    Raises:
        WeightsError: there are more or fewer bytes than ``m`` indices fill.
    """
    wanted = packed_size(m, bits)
    if len(packed) != wanted:
        raise WeightsError(
            f"{counted(len(packed), 'byte')} of indices, wanted {wanted} for {counted(m, 'index', 'indices')} of "
            f"{counted(bits, 'bit')}"
        )
    indices = np.zeros(m, dtype=INDEX)
    octets = np.frombuffer(packed, dtype=np.uint8)
    for start in range(0, m if bits else 0, CHUNK):
        part = indices[start : start + CHUNK]
        part[:] = _unpack_chunk(octets[start * bits // 8 :], bits, len(part))
    return indices


def _unpack_chunk(octets: np.ndarray, bits: int, m: int) -> np.ndarray:
    stream = np.unpackbits(octets[: packed_size(m, bits)], count=m * bits, bitorder="little")
    wide = np.zeros((m, 8 * INDEX.itemsize), dtype=np.uint8)
    wide[:, :bits] = stream.reshape(m, bits)
    return np.packbits(wide, axis=1, bitorder="little").view(INDEX).reshape(m)


def packed_size(m: int, bits: int) -> int:
    """Return the bytes of ``m`` indices of ``bits`` bits."""
    return -(-m * bits // 8)


def encode(indices: np.ndarray, bits: int, *, entropy: bool) -> tuple[str, bytes]:
    """Return the shortest coding of ``[m]`` indices and its name: ``bits``, or with ``entropy`` ``ORDER+COMPRESSOR``.

    The order is ``bits`` as packed here, or ``bytes``: all lowest bytes of the indices, then all second ones, and so
    on, which leaves a compressor the symbols that straddle bytes otherwise.
    """
    best, shortest = "bits", pack_bits(indices, bits)
    if not entropy:
        return best, shortest
    for order, plain in (("bits", shortest), ("bytes", _byte_planes(indices, bits))):
        for compressor, (compress, _) in COMPRESSORS.items():
            coded = compress(plain)
            if len(coded) < len(shortest):
                best, shortest = f"{order}+{compressor}", coded
    return best, shortest


def decode(coding: str, coded: bytes, bits: int, m: int) -> np.ndarray:
    """Return the ``[m]`` indices that ``encode`` coded, uint32.

    Raises:
        WeightsError: the coding is unknown, or the bytes are not those of ``m`` indices.
    """
    order, _, compressor = coding.partition("+")
    if order not in ("bits", "bytes") or compressor not in ("", *COMPRESSORS):
        known = ", ".join(COMPRESSORS)
        raise WeightsError(f"indices coded as {coding!r}, wanted bits, or bits or bytes with one of {known}")
    size = packed_size(m, bits) if order == "bits" else m * _planes(bits)
    plain = COMPRESSORS[compressor][1](coded, size) if compressor else coded
    return unpack_bits(plain, bits, m) if order == "bits" else _from_byte_planes(plain, bits, m)


def _planes(bits: int) -> int:
    return -(-bits // 8)


def _byte_planes(indices: np.ndarray, bits: int) -> bytes:
    octets = indices.astype(INDEX).view(np.uint8).reshape(-1, INDEX.itemsize)
    return octets[:, : _planes(bits)].T.tobytes()


def _from_byte_planes(plain: bytes, bits: int, m: int) -> np.ndarray:
    planes = _planes(bits)
    if len(plain) != m * planes:
        raise WeightsError(
            f"{len(plain)} bytes of indices, wanted {m * planes} for {counted(m, 'index', 'indices')} of {planes} bytes"
        )
    wide = np.zeros((m, INDEX.itemsize), dtype=np.uint8)
    wide[:, :planes] = np.frombuffer(plain, dtype=np.uint8).reshape(planes, m).T
    return wide.view(INDEX).reshape(m)


def _zstd(plain: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(plain)


def _unzstd(coded: bytes, size: int) -> bytes:
    """Decompress at most ``size`` bytes, so that a file cannot ask for more memory than its indices need."""
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(coded) as reader:
            return reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise WeightsError(f"indices are not zstd data ({error})") from None


def _lzma(plain: bytes) -> bytes:
    return lzma.compress(plain, format=lzma.FORMAT_ALONE, preset=9)


def _unlzma(coded: bytes, size: int) -> bytes:
    try:
        return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(coded, max_length=size + 1)
    except lzma.LZMAError as error:
        raise WeightsError(f"indices are not lzma data ({error})") from None


COMPRESSORS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]] = {
    "zstd": (_zstd, _unzstd),
    "lzma": (_lzma, _unlzma),
}
