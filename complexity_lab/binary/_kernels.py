"""Counting kernels: raw numbers to a histogram of block codes, one pass, no validation.

A float is above zero exactly if its bits, read as a signed integer, are above zero (NaN aside, which is flagged), so
one kernel serves every float format and ready 0/1 bytes. Sixteen sign tests become sixteen mask bits in one vector
compare; LLVM picks the instructions of the machine (AVX-512 kmov, AVX2 movmskb, NEON). Two histograms take turns, so
that a run of equal blocks does not wait for its own last store.

The mask's lowest bit is the first value: block codes are little-endian (least significant bit first).
"""

# mypy: ignore-errors
# numba types this file itself, from the signatures in kernels.py; its subset of Python is not mypy's
# ruff: noqa: ARG001
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LANES = 16


@intrinsic
def _lanes(typing_context: Any, array: Any, index: Any, limit: Any) -> Any:
    """Return, for 16 values from ``array[index]``, the mask of ``> 0`` in bits 0..15 and of bad values in 16..31.

    Bad: absolute bits >= ``limit``, the bits of infinity (so infinities and NaN).
    """
    signature = types.uint64(array, types.int64, array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type = signature.args[0]
        element = context.get_data_type(array_type.dtype)
        data = context.make_array(array_type)(context, builder, args[0]).data
        vector = ir.VectorType(element, LANES)
        pointer = builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())
        values = builder.load(pointer, align=element.width // 8)
        top = ir.Constant(vector, [(1 << (element.width - 1)) - 1] * LANES)
        undefined = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(undefined, args[2], ir.Constant(ir.IntType(32), 0))
        zero_mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        limits = builder.shuffle_vector(first, undefined, zero_mask)
        positive = builder.icmp_signed(">", values, ir.Constant(vector, [0] * LANES))
        bad = builder.icmp_unsigned(">=", builder.and_(values, top), limits)
        word = ir.IntType(64)
        positive = builder.zext(builder.bitcast(positive, ir.IntType(LANES)), word)
        bad = builder.zext(builder.bitcast(bad, ir.IntType(LANES)), word)
        return builder.or_(positive, builder.shl(bad, ir.Constant(word, LANES)))

    return signature, codegen


OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "cache": True}


@njit(**OPTIONS)
def _count_48(values: np.ndarray, at: int, limit: int, histogram: np.ndarray) -> int:
    """Count the four blocks of 12 at ``values[at : at + 48]``; return their masks joined, bad ones from bit 16 on."""
    a = _lanes(values, at, limit)
    b = _lanes(values, at + 16, limit)
    c = _lanes(values, at + 32, limit)
    low, twelve = np.uint64(0xFFFF), np.uint64(0xFFF)
    bits = (a & low) | ((b & low) << np.uint64(16)) | ((c & low) << np.uint64(32))
    histogram[0, bits & twelve] += 1
    histogram[1, (bits >> np.uint64(12)) & twelve] += 1
    histogram[0, (bits >> np.uint64(24)) & twelve] += 1
    histogram[1, bits >> np.uint64(36)] += 1
    return a | b | c


@njit(**OPTIONS)
def count_strings(values: np.ndarray, limit: int, histogram: np.ndarray) -> bool:
    """Add the blocks of 12 of ``values`` (1-D contiguous, signed integers) to ``histogram`` (2 x 4096, uint32).

    The last ``len % 12`` values are ignored. Returns whether any value was bad. Four stretches of the array are read
    in turn, which keeps more of its memory in flight than one would (0.89 instead of 1.13 of the time of numpy.sum).
    """
    n = values.size - values.size % 12
    stretch = n // (4 * 48) * 48
    bad = np.uint64(0)
    for i in range(0, stretch, 48):
        for start in range(4):
            bad |= _count_48(values, start * stretch + i, limit, histogram)
    i = 4 * stretch
    while i + 48 <= n:
        bad |= _count_48(values, i, limit, histogram)
        i += 48
    found = bad > np.uint64(0xFFFF)
    top = (limit - limit) | ((1 << (8 * values.itemsize - 1)) - 1)
    while i < n:
        code = 0
        for j in range(12):
            value = values[i + j]
            code |= np.int64(value > 0) << j
            found |= (value & top) >= limit
        histogram[0, code] += 1
        i += 12
    return found


@njit(**OPTIONS)
def count_squares(values: np.ndarray, limit: int, histogram: np.ndarray) -> bool:
    """Add the 4x4 blocks of ``values`` (2-D contiguous, signed integers) to ``histogram`` (65536, uint32).

    Blocks are cut from the top-left corner; incomplete ones at the right and bottom are ignored. Bit 4 r + c of a code
    is row r, column c. Returns whether any value inside a block was bad.
    """
    rows, columns = values.shape
    flat = values.reshape(-1)
    bad = np.uint64(0)
    found = False
    low = np.uint64(0xFFFF)
    for top_row in range(0, rows - rows % 4, 4):
        start = top_row * columns
        column = 0
        while column + 16 <= columns:
            i = start + column
            a = _lanes(flat, i, limit)
            b = _lanes(flat, i + columns, limit)
            c = _lanes(flat, i + 2 * columns, limit)
            d = _lanes(flat, i + 3 * columns, limit)
            bad |= a | b | c | d
            x = (a & low) | ((b & low) << np.uint64(16)) | ((c & low) << np.uint64(32)) | (d << np.uint64(48))
            # transpose the 4x4 matrix of nibbles: rows of four blocks become four codes
            t = (x ^ (x >> np.uint64(12))) & np.uint64(0x0000F0F00000F0F0)
            x ^= t ^ (t << np.uint64(12))
            t = (x ^ (x >> np.uint64(24))) & np.uint64(0x00000000FF00FF00)
            x ^= t ^ (t << np.uint64(24))
            histogram[x & low] += 1
            histogram[(x >> np.uint64(16)) & low] += 1
            histogram[(x >> np.uint64(32)) & low] += 1
            histogram[x >> np.uint64(48)] += 1
            column += 16
        found |= _count_narrow(flat, start, column, columns, limit, histogram)
    return found or bad > low


@njit(**OPTIONS)
def _count_narrow(flat: np.ndarray, start: int, column: int, columns: int, limit: int, histogram: np.ndarray) -> bool:
    """Count the 4x4 blocks of one row of blocks from ``column`` on, one value at a time."""
    top = (limit - limit) | ((1 << (8 * flat.itemsize - 1)) - 1)
    found = False
    while column + 4 <= columns:
        code = 0
        for r in range(4):
            for c in range(4):
                value = flat[start + r * columns + column + c]
                code |= np.int64(value > 0) << (4 * r + c)
                found |= (value & top) >= limit
        histogram[code] += 1
        column += 4
    return found
