"""General-purpose compressors as estimators of complexity, on three payloads of the same weights.

Payloads: ``float32`` (little-endian bytes of the stream), ``bits-bytes`` (one byte per bit, what the MoMos reference
calls binarized; it inflates rates 6 to 8 times) and ``bits-packed`` (8 bits per byte, the default).
Settings are those of the MoMos reference: gzip 9 with mtime 0, bz2 9, lzma preset 9; zstd 19.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.binarize import refuse_bad, signed
from complexity_lab.errors import InputError, nearest_names

Payload = Literal["bits-packed", "bits-bytes", "float32"]
PAYLOADS: tuple[Payload, ...] = get_args(Payload)


def _gzip(data: bytes) -> int:
    return len(gzip.compress(data, compresslevel=9, mtime=0))


def _bz2(data: bytes) -> int:
    return len(bz2.compress(data, 9))


def _lzma(data: bytes) -> int:
    """Return what ``lzma.compress(data, preset=9)`` takes, without first laying out its dictionary of 64 MB."""
    dictionary = min(64 << 20, 1 << max(12, (len(data) - 1).bit_length()))
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": dictionary}]
    return len(lzma.compress(data, filters=chain))


def _zstd(data: bytes) -> int:
    import zstandard

    return len(zstandard.ZstdCompressor(level=19).compress(data))


COMPRESSORS: dict[str, Callable[[bytes], int]] = {"gzip": _gzip, "bz2": _bz2, "lzma": _lzma, "zstd": _zstd}


@dataclass(frozen=True)
class Compressed:
    """What a compressor made of a payload; sizes in bytes."""

    compressor: str
    raw_bytes: int
    compressed_bytes: int

    @property
    def rate(self) -> float:
        """``raw / compressed``, above 1 where the payload got smaller; 0 for an empty payload."""
        return self.raw_bytes / self.compressed_bytes


def payload(weights: Any, kind: Payload = "bits-packed") -> bytes:
    """Return the bytes that a compressor reads for weights (or 0/1 values) of any shape, row-major.

    Raises:
        InputError: unknown payload, or a dtype that is neither float nor 0/1.
        WeightsError: NaN or infinite weights.
    """
    if kind not in PAYLOADS:
        raise InputError(f"payload {kind!r}, wanted one of {', '.join(PAYLOADS)}")
    view = signed(weights)
    refuse_bad(view.values, view.limit)
    stream = PayloadStream(kind)
    stream.add(weights)
    return stream.payload()


def compress(data: bytes, compressor: str) -> Compressed:
    """Compress bytes and return the sizes.

    Raises:
        InputError: unknown compressor.

    >>> compress(bytes(1000), "gzip").rate > 30
    True
    """
    if compressor not in COMPRESSORS:
        known = tuple(COMPRESSORS)
        hint = nearest_names(compressor, known)
        raise InputError(f"unknown compressor {compressor!r}{hint or ', wanted one of ' + ', '.join(known)}")
    return Compressed(compressor, len(data), COMPRESSORS[compressor](data))


class PayloadStream:
    """Collects one payload over many tensors, without holding their floats unless the payload is floats.

    ``bits-packed`` needs an eighth of a byte per weight; values must have been checked to be finite.
    """

    def __init__(self, kind: Payload) -> None:
        self.kind = kind
        self._pieces: list[bytes] = []
        self._carry = np.zeros(0, dtype=np.uint8)  # at most 7 bits that do not fill a byte yet

    def add(self, weights: Any) -> None:
        """Append a tensor, flattened row-major."""
        if self.kind == "float32":
            with np.errstate(over="ignore"):  # float64 beyond float32 is an infinity there
                self._pieces.append(np.ascontiguousarray(as_numpy(weights), dtype="<f4").tobytes())
            return
        bits = (signed(weights).values.reshape(-1) > 0).view(np.uint8)
        if self.kind == "bits-bytes":
            self._pieces.append(bits.tobytes())
            return
        missing = -self._carry.size % 8
        self._pack(np.concatenate([self._carry, bits[:missing]]))
        if bits.size > missing:
            self._pack(bits[missing:])

    def _pack(self, bits: np.ndarray) -> None:
        whole = bits.size - bits.size % 8
        self._pieces.append(np.packbits(bits[:whole]).tobytes())
        self._carry = bits[whole:].copy()

    def payload(self) -> bytes:
        """Return the bytes collected so far; the last byte of packed bits is filled up with zeros."""
        return b"".join(self._pieces) + np.packbits(self._carry).tobytes()
