"""The values of every tensor in random order; bit planes are shuffled jointly, see ``controls.level_shuffle``."""

from __future__ import annotations

from functools import partial

import numpy as np

from complexity_lab.binary.planes import quantize
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.controls.null import Seed, TensorNull
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import Rules


def _planes(values: np.ndarray, rules: Rules, *, repetitions: int, seed: Seed, threads: int) -> np.ndarray:
    quantized = quantize(values, rules.bits, clip=rules.clip, smallest_span=rules.smallest_span)
    return shuffled_planes(
        quantized, ctm_table, boundary=rules.boundary, repetitions=repetitions, seed=seed, threads=threads
    )


NULL = TensorNull(
    name="shuffle",
    label="shuffled",
    description="values permuted within each tensor",
    keeps="tensor",
    rank=10,
    bits=partial(ShuffleNull, "tensor"),
    planes=_planes,
    no_overlap="windows that overlap depend on places, and shuffles of them are not drawn",
    tensor_rows=True,
)
