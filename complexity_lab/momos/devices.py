"""Where a network trains, and at which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from complexity_lab.errors import InputError


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


def autocast(device: torch.device, precision: Literal["float32", "bfloat16", "float16"]) -> torch.autocast:
    """Return a context in which matrix products and convolutions run at a precision; with float32 it does nothing."""
    narrow = torch.bfloat16 if precision == "float32" else getattr(torch, precision)
    return torch.autocast(device.type, dtype=narrow, enabled=precision != "float32")


@contextmanager
def forked_randomness(device: torch.device) -> Iterator[None]:
    """Restore torch's global random numbers afterwards: those of the CPU and of one GPU."""
    gpus = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        yield


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the states of torch's global generators that dropout draws from."""
    gpu = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **gpu}


def restore_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what ``random_states`` returned; a run that changed to another kind of device starts that one anew."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
