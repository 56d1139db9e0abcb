"""CTM: the complexity of every small block, from the output frequencies of small Turing machines.

Tables of Soler-Toscano et al. 2014 (doi:10.1371/journal.pone.0096223) as shipped with pybdm 0.1.0: binary strings of
1 to 12 bits and binary squares of 1x1 to 4x4, in bits.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from complexity_lab.errors import InputError, WeightsError

Shape = tuple[int, ...]

TABLE_FILE = Path(__file__).with_name("ctm_tables.npz")
TABLE_SHA256 = "5ec13a846fae32c138b1042cd13ffd2bf5f302a1e7af0678e37f9af48116094d"
SOURCES = {
    "ctm-b2-d12.pkl.gz": "d97c1c3f59876353d3ef4d8b38087fd0ff447f4ac473dbe9b35b7ef7058a7eb1",
    "ctm-b2-d4x4.pkl.gz": "d6e8ad059099c313fe4e1867721b7bf125883d8b783ceff5abb36e870537241a",
}
SHAPES: tuple[Shape, ...] = (*((n,) for n in range(1, 13)), *((n, n) for n in range(1, 5)))


@cache
def ctm_table(shape: Shape) -> np.ndarray:
    """Return CTM in bits of every block of a shape, float64 of length ``2**size``, read-only.

    Index = block code: bit i (least significant first) is the i-th value of the block in row-major order.

    Raises:
        InputError: there is no table of that shape.
        WeightsError: the shipped table file was changed.
    """
    if shape not in SHAPES:
        raise InputError(f"no CTM table for blocks of {shape_name(shape)}; there are 1-D 1 to 12 and 2-D 1x1 to 4x4")
    values = _arrays()[shape_name(shape)]
    values.setflags(write=False)
    return values


@cache
def shape_name(shape: Shape) -> str:
    """Return ``12`` or ``4x4``."""
    return "x".join(map(str, shape))


@cache
def _arrays() -> dict[str, np.ndarray]:
    found = hashlib.sha256(TABLE_FILE.read_bytes()).hexdigest()
    if found != TABLE_SHA256:
        raise WeightsError(f"{TABLE_FILE.name} has sha256 {found[:12]}, wanted {TABLE_SHA256[:12]}; reinstall")
    with np.load(TABLE_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
