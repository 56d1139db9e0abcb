"""Counting and BDM of one large array, single thread, against numpy.sum over the same array and against pybdm."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import ml_dtypes
import numpy as np

from complexity_lab.bench.comparison import Comparison, paired, timed
from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.binary.kernels import KERNELS
from complexity_lab.estimators.bdm import bdm_of

Run = Callable[[], object]
PYBDM_BITS = 120_000  # pybdm scores about two million bits per second


def comparisons(weights: int, repeats: int) -> Iterator[Comparison]:
    """Yield the comparisons for an array of ``weights`` numbers (a square matrix in 2-D)."""
    KERNELS.warm()
    side = int(weights**0.5)
    values = np.random.default_rng(0).standard_normal(side * side, dtype=np.float32)
    matrix = values.reshape(side, side)

    def total() -> object:
        return values.sum()

    def strings() -> object:
        return bdm_of(block_counts(values))

    def squares() -> object:
        return bdm_of(block_counts(matrix, SQUARE))

    yield paired("1-D BDM, fp32", strings, total, "numpy.sum", target=1.3, repeats=repeats)
    yield paired("2-D BDM, fp32", squares, total, "numpy.sum", target=1.6, repeats=repeats)
    for name, dtype in (("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)):
        yield from _half(name, values.astype(dtype), side, strings, squares, repeats)
    yield paired(
        "1-D BDM, fp32, two threads",
        lambda: bdm_of(block_counts(values, threads=2)),
        strings,
        "one thread",
        repeats=repeats,
    )
    yield from _against_pybdm(values, matrix, repeats)


def _half(
    name: str, half: np.ndarray, side: int, strings: object, squares: object, repeats: int
) -> Iterator[Comparison]:
    assert callable(strings) and callable(squares)
    matrix = half.reshape(side, side)
    yield paired(f"1-D BDM, {name}", lambda: bdm_of(block_counts(half)), strings, "fp32", target=1.0, repeats=repeats)
    yield paired(
        f"2-D BDM, {name}", lambda: bdm_of(block_counts(matrix, SQUARE)), squares, "fp32", target=1.0, repeats=repeats
    )


def _against_pybdm(values: np.ndarray, matrix: np.ndarray, repeats: int) -> Iterator[Comparison]:
    """Compare seconds per bit; pybdm gets a piece, since the whole array would take it a minute per run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # setuptools announces the end of what pybdm 0.1.0 uses
            from pybdm import BDM
    except ImportError as error:
        yield Comparison("pybdm", 0, 0, "pybdm", float("nan"), 0, 0, None, note=f"not measured: {error}; see doctor")
        return
    corner = int(PYBDM_BITS**0.5) // 4 * 4
    pieces = {STRING: values[:PYBDM_BITS], SQUARE: matrix[:corner, :corner]}
    for shape, ours in ((STRING, values), (SQUARE, matrix)):
        peer = BDM(ndim=len(shape))
        bits = (pieces[shape] > 0).astype(int)
        pairs = []
        for _ in range(max(3, repeats // 2)):
            slow = timed(lambda peer=peer, bits=bits: peer.bdm(bits)) / bits.size  # type: ignore[misc]
            fast = timed(lambda ours=ours, shape=shape: bdm_of(block_counts(ours, shape))) / ours.size  # type: ignore[misc]
            pairs.append((slow, fast))
        yield _speed_up(f"{len(shape)}-D BDM, fp32, per bit", pairs)


def _speed_up(what: str, pairs: list[tuple[float, float]]) -> Comparison:
    ratios = sorted(slow / fast for slow, fast in pairs)
    slow, fast = (float(np.median(column)) for column in zip(*pairs, strict=True))
    median = float(np.median(ratios))
    return Comparison(what, fast * 1e9, slow * 1e9, "pybdm", median, ratios[0], ratios[-1], 1000.0, True, "ns")
