"""What makes a training repeatable: a seed for every source of random numbers, and one order of sums on a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # where it is unset, cuBLAS may choose between algorithms at every call


def seeds_of(seed: int) -> dict[str, int]:
    """Return a seed for every source of random numbers but the initialization."""
    drawn = np.random.SeedSequence(seed).generate_state(4, dtype=np.uint64)
    return {
        name: int(value) >> 1 for name, value in zip(("order", "augmentation", "motifs", "dropout"), drawn, strict=True)
    }


def generators_of(seed: int) -> dict[str, torch.Generator]:
    """Return a generator for each of them but dropout, which takes none."""
    return {name: torch.Generator().manual_seed(value) for name, value in seeds_of(seed).items() if name != "dropout"}


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Ask torch for deterministic algorithms on a GPU, and put its settings back afterwards; elsewhere do nothing.

    An operation that has no deterministic algorithm runs all the same, and torch warns of it by name.
    """
    if device.type != "cuda":
        yield
        return
    wanted, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.backends.cudnn.benchmark = False  # it times algorithms, and takes another one another time
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(wanted, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            del os.environ[WORKSPACE]
