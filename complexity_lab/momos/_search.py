"""Nearest-motif kernels: a tree of boxes for short blocks or many motifs, and brute force fused with its minimum.

Both give, for every block, the motif of the smallest float64 distance (squares summed in order of the values), and the
lowest index among equals. Motifs must be distinct; ``nearest`` sees to that. Vectors of 16 lanes are written for LLVM
directly, which picks the instructions of the machine: left to itself it vectorizes neither these loops nor a minimum.
"""

# mypy: ignore-errors
# numba types this file itself; its subset of Python is not mypy's
# ruff: noqa: ARG001
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES, VECTORS, ROWS = 16, 4, 4  # 16 sums, 4 vectors of motifs and 4 of blocks fill AVX-512's 32 registers
GROUP = LANES * VECTORS  # motifs that brute force looks at together


@njit(nogil=True, cache=True, boundscheck=False)
def _partition(points, order, first, last, middle, axis):
    """Reorder ``order[first:last]`` so that the element at ``middle`` is where sorting by one axis would put it."""
    low, high = first, last - 1
    while low < high:
        pivot = points[order[(low + high) // 2], axis]
        i, j = low, high
        while i <= j:
            while points[order[i], axis] < pivot:
                i += 1
            while points[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@njit(nogil=True, cache=True, boundscheck=False)
def sort_into_leaves(points, order):
    """Sort ``order`` so that each LANES consecutive motifs, and each LANES of those, and so on, lie close together.

    A stretch is cut at a power of two of leaves, so that every leaf but the last is full, along the axis in which its
    motifs spread widest. ``points`` are ``[k, s]``, ``order`` holds ``0 .. k - 1``.
    """
    k, s = points.shape
    stretch = LANES
    while stretch < k:
        stretch *= 2
    while stretch > LANES:
        half = stretch // 2
        for first in range(0, k - half, stretch):
            last = min(first + stretch, k)
            widest, width = 0, -1.0
            for axis in range(s):
                low, high = points[order[first], axis], points[order[first], axis]
                for at in range(first + 1, last):
                    value = points[order[at], axis]
                    low, high = min(low, value), max(high, value)
                spread = np.float64(high) - np.float64(low)
                if spread > width:
                    widest, width = axis, spread
            _partition(points, order, first, last, first + half, widest)
        stretch = half


def _distance_code(boxes):
    """Return the code generator of ``_to_boxes`` or ``_to_motifs``, which differ in how far a lane is along an axis."""

    def codegen(context, builder, signature, args):
        block, low, high, out = (
            context.make_array(signature.args[index])(context, builder, args[index]) for index in (0, 2, 3, 5)
        )
        at, node, place = args[1], args[4], args[6]
        element, element_bytes = context.get_data_type(signature.args[0].dtype), signature.args[0].dtype.bitwidth // 8
        vector, undefined, spread = _vector_types(element)
        size = builder.extract_value(block.shape, 1)
        rows = builder.gep(block.data, [builder.mul(at, size)])
        base = builder.mul(builder.mul(node, size), _word(LANES))
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
        multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fmuladd.v{LANES}f{8 * element_bytes}",
        )

        def load(data, offset):
            pointer = builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())
            return builder.load(pointer, align=element_bytes)

        zero = ir.Constant(vector, [0.0] * LANES)
        with cgutils.for_range(builder, size) as loop:
            value = builder.load(builder.gep(rows, [loop.index]))
            single = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
            value = builder.shuffle_vector(single, undefined, spread)
            here = builder.add(base, builder.mul(loop.index, _word(LANES)))
            gap = builder.fsub(load(low.data, here), value)
            if boxes:
                above = builder.fsub(value, load(high.data, here))
                gap = _select(builder, ">", gap, above)
                gap = _select(builder, ">", gap, zero)
            builder.store(builder.call(multiply_add, [gap, gap, builder.load(total)]), total)
        where = builder.gep(out.data, [builder.mul(place, _word(LANES))])
        builder.store(builder.load(total), builder.bitcast(where, vector.as_pointer()), align=element_bytes)
        return context.get_dummy_value()

    return codegen


@intrinsic
def _to_boxes(typing_context, blocks, at, lows, highs, node, out, place):
    """Write the squared distances from block ``at`` to the 16 boxes of a node into ``out[place]``."""
    signature = types.void(blocks, types.int64, lows, highs, types.int64, out, types.int64)
    return signature, _distance_code(boxes=True)


@intrinsic
def _to_motifs(typing_context, blocks, at, motifs, same, leaf, out, place):
    """Write the squared distances from block ``at`` to the 16 motifs of a leaf into ``out[place]``."""
    signature = types.void(blocks, types.int64, motifs, same, types.int64, out, types.int64)
    return signature, _distance_code(boxes=False)


@intrinsic
def _least(typing_context, values, place):
    """Return the smallest of the 16 values of ``values[place]``."""
    signature = values.dtype(values, types.int64)

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        vector, _, _ = _vector_types(context.get_data_type(signature.args[0].dtype))
        where = builder.gep(array.data, [builder.mul(args[1], _word(LANES))])
        found = builder.load(builder.bitcast(where, vector.as_pointer()), align=signature.return_type.bitwidth // 8)
        size = LANES
        while size > 1:
            size //= 2
            halves = [
                builder.shuffle_vector(found, found, ir.Constant(ir.VectorType(ir.IntType(32), size), list(lanes)))
                for lanes in (range(size), range(size, 2 * size))
            ]
            found = _select(builder, "<", *halves)
        return builder.extract_element(found, ir.Constant(ir.IntType(32), 0))

    return signature, codegen


@intrinsic
def _first_lane(typing_context, mask):
    """Return the lowest set bit of a mask that is not zero."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@njit(nogil=True, cache=True, boundscheck=False)
def _all_lanes(count):
    """Return a mask of the first ``count`` lanes, at most LANES."""
    return (np.uint64(1) << np.uint64(min(count, LANES))) - np.uint64(1)


@njit(nogil=True, cache=True, boundscheck=False)
def _distance(block, motif):
    """Return the squared distance by definition: float64, summed in order of the values."""
    total = 0.0
    for axis in range(block.size):
        difference = np.float64(block[axis]) - np.float64(motif[axis])
        total += difference * difference
    return total


@njit(nogil=True, cache=True, boundscheck=False)
def search_boxes(blocks, points, order, motifs, lows, highs, starts, counts, slack, found):
    """Write the nearest motif of every block into ``found``, by walking a tree of bounding boxes.

    The nearest boxes lead to a first motif; then a box is left out if it is farther than the nearest motif so far
    (always entering the nearest box first was 10 % slower).
    Distances in the dtype of the values decide that, with a margin for their rounding, and leave a few candidates;
    float64 decides among them. A sum of ``s`` squared differences is off by less than ``s + 2`` roundings of itself
    (and an underflow), so the margin is relative, and neither large norms nor large offsets weaken it.

    Args:
        blocks: ``[m, s]``.
        points: the motifs, sorted into leaves, ``[k, s]``.
        order: index of each of them, int64 ``[k]``.
        motifs: the same by leaf and lane, ``[leaves, s, LANES]``, any values behind the last.
        lows, highs: sides of the boxes by node and lane, ``[nodes, s, LANES]``.
        starts: first node of each level, from the parents of leaves to the root.
        counts: boxes of each level.
        slack: factor and summand that leave room for rounding, ``[2]``.
        found: int64 ``[m]``.
    """
    k, levels = len(order), len(starts)
    gaps = np.empty((levels + 1, LANES), dtype=blocks.dtype)  # one row for each level, and one for a leaf
    nodes = np.zeros(levels, dtype=np.int64)
    waiting = np.zeros(levels, dtype=np.uint64)  # lanes of each node not yet entered
    root = levels - 1
    infinity = blocks.dtype.type(np.inf)
    for b in range(blocks.shape[0]):
        limit, best, index = infinity, np.inf, k
        level = root
        waiting[root] = _all_lanes(counts[root])
        _to_boxes(blocks, b, lows, highs, starts[root], gaps, root)
        while level < levels:
            near = limit if limit < infinity else _least(gaps, level)
            mask = _lanes_within(gaps, level * LANES, near) & waiting[level]
            if mask == 0:  # nothing near is left here
                level += 1
                continue
            lane = _first_lane(mask)
            waiting[level] ^= np.uint64(1) << np.uint64(lane)
            child = nodes[level] * LANES + lane
            if level > 0:
                level -= 1
                nodes[level] = child
                waiting[level] = _all_lanes(counts[level] - child * LANES)
                _to_boxes(blocks, b, lows, highs, starts[level] + child, gaps, level)
                continue
            _to_motifs(blocks, b, motifs, motifs, child, gaps, levels)
            least = _least(gaps, levels)
            if least > limit:
                continue
            limit = min(limit, least * slack[0] + slack[1])
            mask = _lanes_within(gaps, levels * LANES, limit) & _all_lanes(k - child * LANES)
            while mask != 0:
                at = child * LANES + _first_lane(mask)
                mask &= mask - np.uint64(1)
                distance = _distance(blocks[b], points[at])
                if distance < best or (distance == best and order[at] < index):
                    best, index = distance, order[at]
        found[b] = index


@intrinsic
def _score_group(typing_context, blocks, at, motifs, group, halves, leasts, best):
    """Score ``|z|^2 / 2 - b z`` of a group of motifs for ROWS blocks from ``at``.

    Lane ``l`` of ``leasts[row, group]`` gets the smallest score of the motifs ``l``, ``l + 16``, ... of the group, and
    ``best[row]`` is lowered to it. The blocks share every load of motifs, and all sums stay in registers over the whole
    loop.
    """
    signature = types.void(blocks, types.int64, motifs, types.int64, halves, leasts, best)

    def codegen(context, builder, signature, args):
        block, motif, half, least, lowest = (
            context.make_array(signature.args[index])(context, builder, args[index]) for index in (0, 2, 4, 5, 6)
        )
        at, group = args[1], args[3]
        size = builder.extract_value(block.shape, 1)
        vector, undefined, zeros = _vector_types(ir.FloatType())

        def place_of(data, offset):
            return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        def load(data, offset):
            return builder.load(place_of(data, offset), align=4)

        first = builder.mul(group, _word(GROUP))
        sums = []
        for row in range(ROWS):
            for lane in range(VECTORS):
                sums.append((row, lane, cgutils.alloca_once(builder, vector)))
                builder.store(load(half.data, builder.add(first, _word(lane * LANES))), sums[-1][2])
        rows = [builder.mul(builder.add(at, _word(row)), size) for row in range(ROWS)]
        base = builder.mul(builder.mul(group, size), _word(GROUP))
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )
        with cgutils.for_range(builder, size) as loop:
            here = builder.add(base, builder.mul(loop.index, _word(GROUP)))
            vectors = [load(motif.data, builder.add(here, _word(lane * LANES))) for lane in range(VECTORS)]
            negatives = []
            for row in rows:
                value = builder.fneg(builder.load(builder.gep(block.data, [builder.add(row, loop.index)])))
                spread = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
                negatives.append(builder.shuffle_vector(spread, undefined, zeros))
            for row, lane, place in sums:
                builder.store(builder.call(fma, [negatives[row], vectors[lane], builder.load(place)]), place)

        groups = builder.extract_value(least.shape, 1)
        for row in range(ROWS):
            found = [builder.load(place) for of, _, place in sums if of == row]
            while len(found) > 1:
                found = [_select(builder, "<", found[i], found[i + 1]) for i in range(0, len(found), 2)]
            where = builder.mul(builder.add(builder.mul(_word(row), groups), group), _word(LANES))
            builder.store(found[0], place_of(least.data, where), align=4)
            so_far = _word(row * LANES)
            builder.store(
                _select(builder, "<", found[0], load(lowest.data, so_far)), place_of(lowest.data, so_far), align=4
            )
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def _lanes_within(typing_context, values, place, limit):
    """Return a mask of the 16 values from ``place`` of flattened ``values`` that are at most ``limit``."""
    signature = types.uint64(values, types.int64, values.dtype)

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        dtype = signature.args[0].dtype
        vector, undefined, zeros = _vector_types(context.get_data_type(dtype))
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), vector.as_pointer())
        spread = builder.insert_element(undefined, args[2], ir.Constant(ir.IntType(32), 0))
        limits = builder.shuffle_vector(spread, undefined, zeros)
        within = builder.fcmp_ordered("<=", builder.load(pointer, align=dtype.bitwidth // 8), limits)
        return builder.zext(builder.bitcast(within, ir.IntType(LANES)), ir.IntType(64))

    return signature, codegen


def _vector_types(element):
    """Return the type of a vector, an undefined one, and the shuffle that spreads its first element."""
    vector = ir.VectorType(element, LANES)
    return vector, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


def _select(builder, comparison, one, other):
    """Return lane by lane whichever is smaller ("<") or larger (">")."""
    return builder.select(builder.fcmp_ordered(comparison, one, other), one, other)


def _word(value):
    return ir.Constant(ir.IntType(64), value)


@njit(nogil=True, cache=True, boundscheck=False)
def _exact(block, points, leasts, row, limit):
    """Return the nearest motif by float64 among those in lanes whose smallest score is at most ``limit``."""
    k, groups = len(points), leasts.shape[1]
    best, index = np.inf, np.int64(0)
    for group in range(groups):
        mask = _lanes_within(leasts, (row * groups + group) * LANES, limit)
        if mask == 0:
            continue
        for at in range(group * GROUP, min((group + 1) * GROUP, k)):
            if not (mask >> np.uint64(at % LANES)) & np.uint64(1):
                continue
            distance = _distance(block, points[at])
            if distance < best:  # motifs come in order, so the first of equals has the lowest index
                best, index = distance, np.int64(at)
    return index


@njit(nogil=True, cache=True, boundscheck=False)
def search_all(blocks, points, motifs, halves, slack, found):
    """Write the nearest motif of every block into ``found``, by looking at all of them.

    Scores in float32 leave a few candidates, and float64 decides.

    Args:
        blocks: ``[m, s]`` float32, m a multiple of ROWS.
        points: the motifs, ``[k, s]``.
        motifs: the motifs in groups, ``[groups, s, GROUP]`` float32.
        halves: ``|z|^2 / 2`` of each motif, ``[groups * GROUP]``, huge where the last group has none.
        slack: bounds the rounding of a score and of a halved float64 distance: for a block of norm ``n`` by
            ``slack[0] + slack[1] n + slack[2] n^2``.
        found: int64 ``[m]``.
    """
    s = points.shape[1]
    groups = motifs.shape[0]
    leasts = np.empty((ROWS, groups, LANES), dtype=np.float32)
    best = np.empty((ROWS, LANES), dtype=np.float32)
    for top in range(0, blocks.shape[0], ROWS):
        best[:] = np.inf
        for group in range(groups):
            _score_group(blocks, top, motifs, group, halves, leasts, best)
        for row in range(ROWS):
            norm, least = 0.0, np.float64(best[row].min())
            for axis in range(s):
                norm += np.float64(blocks[top + row, axis]) ** 2
            limit = least + 2.0 * (slack[0] + slack[1] * np.sqrt(norm) + slack[2] * norm)
            above = np.nextafter(np.float32(limit), np.float32(np.inf))  # not below what it was rounded from
            found[top + row] = _exact(blocks[top + row], points, leasts, row, above)
