"""Random numbers of a training: a stream for each source, and torch's own generator left as the caller had it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import torch

from complexity_lab.errors import InputError

SOURCES = ("weights", "order", "data")  # of a network that is measured while it learns
DRAWN = ("order", "augmentation", "treatment", "dropout")  # of a run

# torch's generator and thread count belong to the process: threads of one process take turns.
_PROCESS_STATE = threading.RLock()


@dataclass(frozen=True)
class Streams:
    """Generators on the CPU: of the order of examples, of augmentation, and of what is done to weights."""

    order: torch.Generator
    augmentation: torch.Generator
    treatment: torch.Generator

    @classmethod
    def of_seed(cls, seed: int) -> Streams:
        """Return streams that are independent of one another, see ``seeds_of``."""
        seeds = seeds_of(seed)
        return cls(*(torch.Generator().manual_seed(seeds[field.name]) for field in fields(cls)))

    @classmethod
    def shared(cls, generator: torch.Generator) -> Streams:
        """Return one generator as the stream of everything."""
        return cls(generator, generator, generator)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the state of every stream."""
        return {field.name: getattr(self, field.name).get_state() for field in fields(self)}

    def load_state_dict(self, states: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        for field in fields(self):
            getattr(self, field.name).set_state(states[field.name].cpu())


def seeds_of(seed: int) -> dict[str, int]:
    """Return a seed for every source of random numbers of a run but the initialization."""
    drawn = np.random.SeedSequence(seed).generate_state(len(DRAWN), dtype=np.uint64)
    return {name: int(value) >> 1 for name, value in zip(DRAWN, drawn, strict=True)}


def generator_of(seed: int, source: str) -> torch.Generator:
    """Return the generator of one source of random numbers of a training: ``weights``, ``order`` or ``data``.

    Raises:
        InputError: no such source.
    """
    if source not in SOURCES:
        raise InputError(f"source of random numbers {source!r}, wanted {', '.join(SOURCES)}")
    state = np.random.SeedSequence(seed, spawn_key=(SOURCES.index(source),)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


@contextmanager
def seeded(seed: int) -> Iterator[Streams]:
    """Run on one thread of the CPU with torch's generator at ``seed``, for every stream; restore both afterwards."""
    with _PROCESS_STATE, torch.random.fork_rng(devices=[]):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        try:
            yield Streams.shared(torch.default_generator)
        finally:
            torch.set_num_threads(threads)


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


def restore_random_states(states: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put back what ``random_states`` returned; a run that changed to another kind of device starts that one anew."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
