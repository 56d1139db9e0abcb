"""Nearest-motif kernels: a k-d tree for short blocks and many motifs, and brute force fused with its minimum.

Both give, for every block, the motif of the smallest float64 distance (squares summed in order of the values), and the
lowest index among equals. Motifs must be distinct; ``nearest`` sees to that.
"""

# mypy: ignore-errors
# numba types this file itself; its subset of Python is not mypy's
# ruff: noqa: ARG001
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LEAF = 8  # motifs in a leaf of the tree, at most twice as many
SURE = 1 - 1e-9  # a kept-up distance times this is below the true one, whatever was rounded
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
def build_tree(points, order, axes, splits, depth):
    """Sort ``order`` into the leaves of a balanced tree of ``2**depth`` leaves.

    Node ``n`` has the children ``2 n + 1`` and ``2 n + 2``; leaf ``l`` holds the places of ``order`` from
    ``k l >> depth`` up to ``k (l + 1) >> depth``. Each node splits its motifs in the middle of their widest axis:
    ``axes`` and ``splits`` are ``[2**depth - 1]``. A motif on the split may lie on either side.
    """
    k, s = points.shape
    for level in range(depth):
        for place in range(1 << level):
            node = (1 << level) - 1 + place
            first, last = k * place >> level, k * (place + 1) >> level
            widest, width = 0, -1.0
            for axis in range(s):
                low, high = points[order[first], axis], points[order[first], axis]
                for at in range(first + 1, last):
                    value = points[order[at], axis]
                    low, high = min(low, value), max(high, value)
                if np.float64(high) - np.float64(low) > width:
                    widest, width = axis, np.float64(high) - np.float64(low)
            middle = k * (2 * place + 1) >> (level + 1)
            _partition(points, order, first, last, middle, widest)
            axes[node] = widest
            splits[node] = points[order[middle], widest]


@njit(nogil=True, cache=True, boundscheck=False)
def search_tree(blocks, sorted_points, order, axes, splits, depth, found, width):
    """Write the nearest motif of every block into ``found``.

    ``sorted_points`` are the motifs in the order of ``order``, ``[k, s]``. On the way to a far side the squared
    distance to its corner is kept up axis by axis (Arya and Mount 1993); it is trusted only as far as rounding allows,
    so a motif at exactly the smallest distance is never passed over. ``width`` is any tuple of length s: its type tells
    the compiler s, which unrolls every loop over axes.
    """
    k, s = len(sorted_points), len(width)
    leaves = (1 << depth) - 1
    nodes = np.empty(depth + 2, dtype=np.int64)
    gaps = np.empty(depth + 2, dtype=np.float64)
    corners = np.empty((depth + 2, s), dtype=np.float64)  # distance to each waiting node along every axis
    corner = np.empty(s, dtype=np.float64)
    for b in range(blocks.shape[0]):
        best, nearest = np.inf, np.int64(0)
        nodes[0] = 0
        gaps[0] = 0.0
        corners[0, :] = 0.0
        top = 1
        while top > 0:
            top -= 1
            gap = gaps[top]
            if gap * SURE > best:
                continue
            node = nodes[top]
            for axis in range(len(width)):
                corner[axis] = corners[top, axis]
            while node < leaves:  # go down the nearer side, leave the other for later
                axis = axes[node]
                beyond = np.float64(blocks[b, axis]) - np.float64(splits[node])
                right = beyond > 0.0
                far = 2 * node + (1 if right else 2)
                node = 2 * node + (2 if right else 1)
                to_far = gap - corner[axis] * corner[axis] + beyond * beyond
                if to_far * SURE <= best:
                    nodes[top] = far
                    gaps[top] = to_far
                    for other in range(len(width)):
                        corners[top, other] = corner[other]
                    corners[top, axis] = beyond
                    top += 1
            place = node - leaves
            for at in range(k * place >> depth, k * (place + 1) >> depth):
                distance = 0.0
                for axis in range(len(width)):
                    difference = np.float64(blocks[b, axis]) - np.float64(sorted_points[at, axis])
                    distance += difference * difference
                if distance < best or (distance == best and order[at] < order[nearest]):
                    best, nearest = distance, at
        found[b] = order[nearest]


@intrinsic
def _score_group(typing_context, blocks, at, motifs, group, halves, leasts, best):
    """Score ``|z|^2 / 2 - b z`` of a group of motifs for ROWS blocks from ``at``.

    Lane ``l`` of ``leasts[row, group]`` gets the smallest score of the motifs ``l``, ``l + 16``, ... of the group, and
    ``best[row]`` is lowered to it. The blocks share every load of motifs, and all sums stay in registers over the whole
    loop; left to itself the compiler vectorizes neither this loop nor a minimum.
    """
    signature = types.void(blocks, types.int64, motifs, types.int64, halves, leasts, best)

    def codegen(context, builder, signature, args):
        block, motif, half, least, lowest = (
            context.make_array(signature.args[index])(context, builder, args[index]) for index in (0, 2, 4, 5, 6)
        )
        at, group = args[1], args[3]
        size = builder.extract_value(block.shape, 1)
        vector, undefined, zeros = _vector_types()

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
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
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

        def smaller(one, other):
            return builder.select(builder.fcmp_ordered("<", one, other), one, other)

        groups = builder.extract_value(least.shape, 1)
        for row in range(ROWS):
            found = [builder.load(place) for of, _, place in sums if of == row]
            while len(found) > 1:
                found = [smaller(found[i], found[i + 1]) for i in range(0, len(found), 2)]
            where = builder.mul(builder.add(builder.mul(_word(row), groups), group), _word(LANES))
            builder.store(found[0], place_of(least.data, where), align=4)
            so_far = _word(row * LANES)
            builder.store(smaller(found[0], load(lowest.data, so_far)), place_of(lowest.data, so_far), align=4)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def _lanes_within(typing_context, leasts, place, limit):
    """Return a mask of the 16 values from ``place`` of flattened ``leasts`` that are at most ``limit``."""
    signature = types.uint64(leasts, types.int64, types.float32)

    def codegen(context, builder, signature, args):
        least = context.make_array(signature.args[0])(context, builder, args[0])
        vector, undefined, zeros = _vector_types()
        values = builder.load(builder.bitcast(builder.gep(least.data, [args[1]]), vector.as_pointer()), align=4)
        spread = builder.insert_element(undefined, args[2], ir.Constant(ir.IntType(32), 0))
        within = builder.fcmp_ordered("<=", values, builder.shuffle_vector(spread, undefined, zeros))
        return builder.zext(builder.bitcast(within, ir.IntType(LANES)), ir.IntType(64))

    return signature, codegen


def _vector_types():
    """Return the type of a vector, an undefined one, and the shuffle that spreads its first element."""
    vector = ir.VectorType(ir.FloatType(), LANES)
    return vector, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


def _word(value):
    return ir.Constant(ir.IntType(64), value)


@njit(nogil=True, cache=True, boundscheck=False)
def _exact(block, points, leasts, row, limit):
    """Return the nearest motif by float64 among those in lanes whose smallest score is at most ``limit``."""
    k, s = points.shape
    groups = leasts.shape[1]
    best, index = np.inf, np.int64(0)
    for group in range(groups):
        mask = _lanes_within(leasts, (row * groups + group) * LANES, limit)
        if mask == 0:
            continue
        for at in range(group * GROUP, min((group + 1) * GROUP, k)):
            if not (mask >> np.uint64(at % LANES)) & np.uint64(1):
                continue
            distance = 0.0
            for axis in range(s):
                difference = np.float64(block[axis]) - np.float64(points[at, axis])
                distance += difference * difference
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
        slack: bounds the rounding of a score: for a block of norm ``n`` by ``slack[0] + slack[1] n``.
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
            limit = least + 2.0 * (slack[0] + slack[1] * np.sqrt(norm))
            above = np.nextafter(np.float32(limit), np.float32(np.inf))  # not below what it was rounded from
            found[top + row] = _exact(blocks[top + row], points, leasts, row, above)
