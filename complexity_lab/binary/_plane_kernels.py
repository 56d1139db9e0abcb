"""Kernels of the bit planes: raw numbers to levels to one histogram of 4x4 blocks per plane; no validation.

Four rows of 16 weights become 64 levels that lie block after block, so that the bit of a plane, tested in all 64 at
once, is the four block codes of that plane joined into one word. Weights are read once; their levels stay in cache
while each plane is counted in turn, because the histograms of all planes together (2 MB for 8) would not: 27 instead
of 55 ms for 16.8 million weights.

Numbers come as float64 or float32, float16 as its bits in int16, bfloat16 as its bits in uint16.
"""

# mypy: ignore-errors
# numba types this file itself, from the signatures in plane_kernels.py; its subset of Python is not mypy's
# ruff: noqa: ARG001
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
GROUP = 64  # four rows of LANES: four blocks
OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "cache": True}
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BLOCK_BY_BLOCK = [16 * row + 4 * block + column for block in range(4) for row in range(4) for column in range(4)]


def _shuffle(builder: Any, left: Any, right: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _broadcast(builder: Any, value: Any, lanes: int) -> Any:
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    return _shuffle(builder, builder.insert_element(undefined, value, ir.Constant(_I32, 0)), undefined, [0] * lanes)


def _vector_at(context: Any, builder: Any, array_type: Any, array: Any, index: Any, element: Any, lanes: int) -> Any:
    """Return a pointer to ``lanes`` elements of an array from ``index`` on."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.VectorType(element, lanes).as_pointer())


def _load_numbers(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Load 16 numbers as float32, or as float64 if that is what they are."""
    dtype = array_type.dtype
    single = ir.VectorType(ir.FloatType(), LANES)
    element = ir.HalfType() if dtype == types.int16 else context.get_data_type(dtype)
    pointer = _vector_at(context, builder, array_type, array, index, element, LANES)
    loaded = builder.load(pointer, align=dtype.bitwidth // 8)
    if dtype == types.int16:
        return builder.fpext(loaded, single)
    if dtype == types.uint16:
        words = ir.VectorType(_I32, LANES)
        shifted = builder.shl(builder.zext(loaded, words), ir.Constant(words, [16] * LANES))
        return builder.bitcast(shifted, single)
    return loaded


@intrinsic
def _quantize(
    typing_context: Any, values: Any, index: Any, stride: Any, lo: Any, delta: Any, top: Any, levels: Any, at: Any
) -> Any:
    """Write the levels of four rows of 16, ``stride`` apart from ``values[index]``, to ``levels[at : at + 64]``.

    Level: ``(value - lo) / delta``, rounded half to even, kept within 0 and ``top``; block after block, row-major.
    """
    signature = types.void(values, types.int64, types.int64, lo, delta, top, levels, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(context.get_value_type(lo), LANES)
        level = ir.IntType(levels.dtype.bitwidth)
        name = f"llvm.rint.v{LANES}f{lo.bitwidth}"
        rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), name)
        low, step, high = (_broadcast(builder, arg, LANES) for arg in args[3:6])
        zero = ir.Constant(vector, [0.0] * LANES)
        rows = []
        for row in range(4):
            start = builder.add(args[1], builder.mul(args[2], ir.Constant(_I64, row)))
            x = _load_numbers(context, builder, values, args[0], start)
            x = builder.call(rint, [builder.fdiv(builder.fsub(x, low), step)])
            x = builder.select(builder.fcmp_ordered(">", x, zero), x, zero)
            x = builder.select(builder.fcmp_ordered("<", x, high), x, high)
            whole = builder.fptosi(x, ir.VectorType(_I32, LANES))
            rows.append(builder.trunc(whole, ir.VectorType(level, LANES)))
        halves = [_shuffle(builder, a, b, list(range(32))) for a, b in (rows[:2], rows[2:])]
        joined = _shuffle(builder, *halves, _BLOCK_BY_BLOCK)
        pointer = _vector_at(context, builder, levels, args[6], args[7], level, GROUP)
        builder.store(joined, pointer, align=level.width // 8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def _plane(typing_context: Any, levels: Any, at: Any, bit: Any) -> Any:
    """Return which of ``levels[at : at + 64]`` have ``bit`` set, as a word whose lowest bit is the first."""
    signature = types.uint64(levels, types.int64, levels.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        level = ir.IntType(levels.dtype.bitwidth)
        pointer = _vector_at(context, builder, levels, args[0], args[1], level, GROUP)
        loaded = builder.load(pointer, align=level.width // 8)
        chosen = builder.and_(loaded, _broadcast(builder, args[2], GROUP))
        mask = builder.icmp_unsigned("!=", chosen, ir.Constant(ir.VectorType(level, GROUP), [0] * GROUP))
        return builder.bitcast(mask, _I64)

    return signature, codegen


@intrinsic
def _outside(typing_context: Any, values: Any, index: Any, low: Any, high: Any) -> Any:
    """Return which of ``values[index : index + 64]`` are not within ``low`` and ``high``; NaN is not."""
    signature = types.uint64(values, types.int64, low, high)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low, high = (_broadcast(builder, arg, LANES) for arg in args[2:])
        word = ir.Constant(_I64, 0)
        for part in range(4):
            start = builder.add(args[1], ir.Constant(_I64, LANES * part))
            x = _load_numbers(context, builder, values, args[0], start)
            beyond = builder.or_(builder.fcmp_unordered("<", x, low), builder.fcmp_unordered(">", x, high))
            bits = builder.zext(builder.bitcast(beyond, ir.IntType(LANES)), _I64)
            word = builder.or_(word, builder.shl(bits, ir.Constant(_I64, LANES * part)))
        return word

    return signature, codegen


@intrinsic
def _lowest(typing_context: Any, word: Any) -> Any:
    """Return the position of the lowest bit set in a word that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@njit(**OPTIONS)
def find_outside(values: np.ndarray, low: float, high: float, found: np.ndarray) -> int:
    """Write the positions of values (1-D, a multiple of 64) beyond ``low`` and ``high`` to ``found``; return how many.

    Returns -1 if ``found`` is too short.
    """
    n = 0
    for i in range(0, values.size, 64):
        word = _outside(values, i, low, high)
        if word and n + 64 > found.size:
            return -1
        while word:
            found[n] = i + _lowest(word)
            n += 1
            word &= word - np.uint64(1)
    return n


@njit(**OPTIONS)
def count_planes(
    values: np.ndarray, lo: float, delta: float, top: float, corner: np.ndarray, levels: np.ndarray, counts: np.ndarray
) -> None:
    """Add the 4x4 blocks of every plane of ``values`` (2-D) to ``counts`` (planes x 65536, uint32), least bit first.

    ``corner`` (64, of the type of the values) holds the last columns of four rows, fewer than 16; ``levels`` is
    scratch memory (a multiple of 64, uint8 or uint16). Incomplete blocks at the right and bottom are ignored.
    """
    rows, columns = values.shape
    flat = values.reshape(-1)
    whole, rest = columns - columns % 16, columns % 16 - columns % 4
    n = 0
    for top_row in range(0, rows - rows % 4, 4):
        start = top_row * columns
        for column in range(0, whole, 16):
            _quantize(flat, start + column, columns, lo, delta, top, levels, n)
            n += 64
            if n + 64 > levels.size:
                _count_levels(levels, n, counts)
                n = 0
        if rest:
            for row in range(4):
                for column in range(rest):
                    corner[16 * row + column] = flat[start + row * columns + whole + column]
            _quantize(corner, 0, 16, lo, delta, top, levels, n)
            n += 4 * rest
            if n + 64 > levels.size:
                _count_levels(levels, n, counts)
                n = 0
    _count_levels(levels, n, counts)


@njit(**OPTIONS)
def _count_levels(levels: np.ndarray, n: int, counts: np.ndarray) -> None:
    """Count the blocks of the first ``n`` levels, plane after plane; ``n`` is a multiple of 16."""
    low = np.uint64(0xFFFF)
    whole = n - n % 64
    for plane in range(counts.shape[0]):
        bit = levels.dtype.type(1 << plane)
        for i in range(0, whole, 64):
            word = _plane(levels, i, bit)
            counts[plane, word & low] += 1
            counts[plane, (word >> np.uint64(16)) & low] += 1
            counts[plane, (word >> np.uint64(32)) & low] += 1
            counts[plane, word >> np.uint64(48)] += 1
        if whole < n:
            word = _plane(levels, whole, bit)
            for _ in range((n - whole) // 16):
                counts[plane, word & low] += 1
                word >>= np.uint64(16)
