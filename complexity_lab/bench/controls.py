"""All controls of a model of 100 million weights, one thread, against one score of the same bits by pybdm."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from complexity_lab.bench.comparison import Comparison, of_pairs, paired, timed
from complexity_lab.binary.counting import STRING, StreamCounter
from complexity_lab.binary.planes import quantize
from complexity_lab.controls.iid import iid_null_of
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table

SHAPE, TENSORS = (1024, 4096), 24  # 100.7 million weights
SHUFFLES, SEEDS = 20, 5
PYBDM_BITS = 2_000_000  # of them; the whole takes pybdm about a minute


def comparisons(repeats: int) -> Iterator[Comparison]:
    """Yield the comparisons; the controls of one model take some seconds, so they are timed half as often."""
    tensor = _drawn(np.random.default_rng(0))
    yield _against_pybdm(tensor, max(3, repeats // 2))
    quantized = quantize(tensor)
    yield paired(
        f"{SHUFFLES} shuffles of 8 bit planes, 4.2M weights",
        lambda: shuffled_planes(quantized, ctm_table, repetitions=SHUFFLES),
        lambda: [quantized.counts() for _ in range(SHUFFLES)],
        "counting the planes as often",
        repeats=repeats,
    )


def _against_pybdm(tensor: np.ndarray, repeats: int) -> Comparison:
    what = f"iid, {SHUFFLES} shuffles, {SEEDS} seeds of 101M weights"
    note = f"pybdm once, 1-D, timed on {PYBDM_BITS:,} bits and scaled linearly"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # setuptools announces the end of what pybdm 0.1.0 uses
            from pybdm import BDM
    except ImportError as error:
        note = f"not measured: {error}; see doctor"
        return Comparison(what, 0, 0, "pybdm", float("nan"), 0, 0, None, note=note)
    peer = BDM(ndim=1)
    bits = (tensor.reshape(-1)[:PYBDM_BITS] > 0).astype(int)
    scale = TENSORS * tensor.size / bits.size
    all_controls(tensor)
    pairs = [(timed(lambda: all_controls(tensor)), scale * timed(lambda: peer.bdm(bits))) for _ in range(repeats)]
    return of_pairs(what, pairs, "pybdm", target=1.0, note=note)


def all_controls(tensor: np.ndarray) -> list[float]:
    """Return the sd of the iid null and the BDM of shuffles and of fresh seeds, of a model made of equal tensors."""
    model, shuffles = StreamCounter(), ShuffleNull(repetitions=SHUFFLES, shapes=(STRING,))
    for _ in range(TENSORS):
        model.add(tensor)
        shuffles.add(tensor)
    found = [iid_null_of(model.result(), ctm_table(STRING)).sd, *map(bdm_of, shuffles.strings())]
    for seed in range(SEEDS):
        rng, counter = np.random.default_rng(seed), StreamCounter()
        for _ in range(TENSORS):
            counter.add(_drawn(rng))
        found.append(bdm_of(counter.result()))
    return found


def _drawn(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(SHAPE, dtype=np.float32)
