"""Peak memory of a process of its own, against a limit: streaming a safetensors file needs twice its largest tensor."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from complexity_lab.bench.comparison import Comparison

TENSORS, SIZE = 8, 50_000_000  # 8 tensors of 200 MB
ALLOWED = 300_000_000  # bytes beside twice the largest tensor
CHILD = """
import sys
from complexity_lab.measurement.single import measure_named
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.tables.provenance import peak_memory
rows = measure_named(sys.argv[1], MeasurementSpec(("bdm", "bdm_2d"))).rows
assert all(row.status == "ok" for row in rows)
print(peak_memory())
"""


def comparisons() -> Iterator[Comparison]:
    """Yield the peak while a file of several large tensors is measured."""
    from safetensors.numpy import save_file

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.safetensors"
        tensor = np.random.default_rng(0).standard_normal((5000, SIZE // 5000), dtype=np.float32)
        save_file({f"layer{i}.weight": tensor for i in range(TENSORS)}, file)
        yield peak_against(
            f"stream {TENSORS} tensors of {tensor.nbytes / 1e6:.0f} MB",
            (CHILD, str(file)),
            limit=2 * tensor.nbytes + ALLOWED,
            name="2 x largest + 300 MB",
        )


def peak_against(what: str, child: tuple[str, ...], *, limit: int, name: str) -> Comparison:
    """Run a program (its text, then its arguments) that prints its peak memory in bytes, and compare with a limit."""
    done = subprocess.run([sys.executable, "-c", *child], check=True, capture_output=True, text=True)
    peak = int(done.stdout.split()[-1])
    return Comparison(
        what,
        ours=peak / 1e6,
        peer=limit / 1e6,
        peer_name=name,
        ratio=peak / limit,
        low=peak / limit,
        high=peak / limit,
        target=1.0,
        unit="MB",
        note="peak resident memory",
    )
