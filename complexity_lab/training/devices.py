"""Where a network trains, at which precision, and in one order of sums."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from complexity_lab.errors import InputError
from complexity_lab.training.recipe import Precision

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # where it is unset, cuBLAS may choose between algorithms at every call


def device_of(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is a GPU if there is one.

    Raises:
        InputError: there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    usable = index == "" or (index.isdigit() and int(index) < here.get(kind, 0))
    if not usable or not here.get(kind, 0):
        there = ", ".join(kind if count == 1 else f"{kind}:0 to {count - 1}" for kind, count in here.items() if count)
        raise InputError(f"device {name!r} is not available on this machine, wanted auto or {there}")
    return torch.device(name)


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return a context in which matrix products and convolutions run at a precision; with float32 it does nothing."""
    narrow = torch.bfloat16 if precision == "float32" else getattr(torch, precision)
    return torch.autocast(device.type, dtype=narrow, enabled=precision != "float32")


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
