"""QuBD with 8 planes of one large fp32 matrix, one thread, against the same by numpy and pybdm."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import ml_dtypes
import numpy as np

from complexity_lab.bench.comparison import Comparison, paired, timed
from complexity_lab.binary.plane_kernels import PLANE_KERNELS
from complexity_lab.estimators.qubd import qubd

SIDE = 4096
PYBDM_ROWS = 16  # of the matrix; pybdm scores about two million bits per second, the whole would take it a minute
TARGET = 400.0


def comparisons(repeats: int) -> Iterator[Comparison]:
    """Yield the comparisons, robust range included on both sides."""
    PLANE_KERNELS.warm()
    matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)

    def single() -> object:
        return qubd(matrix)

    def total() -> object:
        return matrix.sum()

    yield _against_pybdm(matrix, repeats)
    yield paired("QuBD 8 planes, fp32", single, total, "numpy.sum", repeats=repeats)
    for name, dtype in (("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)):
        half = matrix.astype(dtype)
        yield paired(f"QuBD 8 planes, {name}", lambda half=half: qubd(half), single, "fp32", repeats=repeats)  # type: ignore[misc]


def _against_pybdm(matrix: np.ndarray, repeats: int) -> Comparison:
    what, note = "QuBD 8 planes, fp32, per weight", f"pybdm timed on {PYBDM_ROWS} of {SIDE} rows"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # setuptools announces the end of what pybdm 0.1.0 uses
            from pybdm import BDM
    except ImportError as error:
        note = f"not measured: {error}; see doctor"
        return Comparison(what, 0, 0, "pybdm", float("nan"), 0, 0, None, note=note)
    peer, share = BDM(ndim=2), matrix[:PYBDM_ROWS]
    qubd(matrix)
    pairs = []
    for _ in range(max(3, repeats)):
        slow = timed(lambda: _by_pybdm(peer, share)) / share.size
        fast = timed(lambda: qubd(matrix)) / matrix.size
        pairs.append((slow, fast))
    ratios = sorted(slow / fast for slow, fast in pairs)
    slow, fast = (float(np.median(column)) for column in zip(*pairs, strict=True))
    median = float(np.median(ratios))
    return Comparison(what, fast * 1e9, slow * 1e9, "pybdm", median, ratios[0], ratios[-1], TARGET, True, "ns", note)


def _by_pybdm(peer: object, weights: np.ndarray) -> float:
    """Return the QuBD of a matrix as the published method computes it, plane by plane with pybdm."""
    lo, hi = np.quantile(weights, [0.0005, 0.9995]).astype(np.float32)
    levels = np.clip(np.rint((weights - lo) / ((hi - lo) / np.float32(255))), 0, 255).astype(int)
    return float(sum(peer.bdm((levels >> plane) & 1) for plane in range(8)))  # type: ignore[attr-defined]
