"""How long the program takes to start, beyond a bare Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from complexity_lab.bench.comparison import Comparison, timed

COMMANDS = {
    "complexity-lab --help": (["-m", "complexity_lab", "--help"], 0.3),
    "import complexity_lab": (["-c", "import complexity_lab"], 0.2),
}


def comparisons(repeats: int) -> Iterator[Comparison]:
    """Yield seconds added to a bare start; the target bounds the difference, not the ratio."""
    for what, (arguments, target) in COMMANDS.items():
        _start(arguments)
        pairs = [(_start(arguments), _start(["-c", "pass"])) for _ in range(repeats)]
        added = [ours - bare for ours, bare in pairs]
        yield Comparison(
            what,
            ours=median(ours for ours, _ in pairs),
            peer=median(bare for _, bare in pairs),
            peer_name="bare Python",
            ratio=median(added),
            low=min(added),
            high=max(added),
            target=target,
            note="seconds added, not a ratio",
        )


def _start(arguments: list[str]) -> float:
    def run() -> object:
        return subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    return timed(run)
