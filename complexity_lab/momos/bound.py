"""How short a mosaic can be written: the bound of the MoMos paper (arXiv 2602.14896, section 3.3)."""

from __future__ import annotations

from complexity_lab.errors import InputError


def index_bits(k: int) -> int:
    """Return the bits of one index into ``k`` motifs, ``ceil(log2 k)``; 0 for a single motif."""
    if k < 1:
        raise InputError(f"k = {k} motifs, wanted at least 1")
    return (k - 1).bit_length()


def mosaic_bits(*, s: int, k: int, m: int, q: int = 32) -> int:
    """Return the bits of ``k`` motifs of ``s`` values of ``q`` bits and of ``m`` indices.

    Raises:
        InputError: an argument is below 1.
    """
    for name, value in (("s", s), ("m", m), ("q", q)):
        if value < 1:
            raise InputError(f"{name} = {value}, wanted at least 1")
    return k * s * q + m * index_bits(k)


def rac(*, n: int, s: int, k: int, q: int = 32, m: int | None = None) -> float:
    """Return the relative algorithmic compression: bits of the dense vector over bits of the mosaic.

    Args:
        n: parameters.
        s: values in a block.
        k: motifs, the zero motif included.
        q: bits of a stored value.
        m: blocks; ``ceil(n / s)`` if not given. Padding each tensor for itself makes it slightly larger.

    Returns:
        ``n q / (k s q + m ceil(log2 k))``, without unit; above 1 where the mosaic is the shorter description.

    Raises:
        InputError: an argument is below 1.

    >>> round(rac(n=269_722, s=4, k=6743), 3)
    4.961
    """
    if n < 1:
        raise InputError(f"n = {n} parameters, wanted at least 1")
    if s < 1:
        raise InputError(f"s = {s}, wanted at least 1")
    return n * q / mosaic_bits(s=s, k=k, m=-(-n // s) if m is None else m, q=q)


def motifs_of(capacity: float, m: int) -> int:
    """Return the number of motifs of a capacity: its share of ``m`` blocks, rounded down, at least one.

    Raises:
        InputError: the capacity is not above 0 and at most 1.
    """
    if not 0 < capacity <= 1:
        raise InputError(f"capacity {capacity}, wanted above 0 and at most 1 (a share of the blocks)")
    return max(1, int(capacity * m))
