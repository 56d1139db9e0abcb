"""Paired timing: ours and a peer in turn, the ratio pair by pair, so that a drifting machine cancels out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One line of the benchmark. ``ratio`` is ours over peer; ``target`` what it is aimed to stay below (or above)."""

    what: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    low: float
    high: float
    target: float | None
    at_least: bool = False  # the target is a lower bound (a speed-up)
    unit: str = "s"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


def timed(function: Callable[[], object]) -> float:
    """Return the seconds one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired(
    what: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    peer_name: str,
    *,
    target: float | None = None,
    repeats: int = 7,
    note: str = "",
) -> Comparison:
    """Warm both up once, then time them in turn; report medians and the median, lowest and highest ratio."""
    ours(), peer()
    pairs = [(timed(ours), timed(peer)) for _ in range(repeats)]
    return of_pairs(what, pairs, peer_name, target=target, note=note)


def of_pairs(
    what: str,
    pairs: list[tuple[float, float]],
    peer_name: str,
    *,
    target: float | None = None,
    unit: str = "s",
    note: str = "",
) -> Comparison:
    """Summarize (ours, peer) pairs."""
    ratios = [a / b for a, b in pairs]
    return Comparison(
        what,
        ours=statistics.median(a for a, _ in pairs),
        peer=statistics.median(b for _, b in pairs),
        peer_name=peer_name,
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        unit=unit,
        note=note,
    )
