"""When the compiled kernels are used, and that a closed cache does not stop them."""

import os
import subprocess
import sys

CODE = """
import numpy as np
from complexity_lab.binary.counting import block_counts
from complexity_lab.binary.kernels import KERNELS
weights = np.random.default_rng(0).standard_normal(5_000_000, dtype=np.float32)
print(block_counts(weights).blocks, len(KERNELS.loaded))
"""


def test_kernels_work_where_no_cache_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "COMPLEXITY_LAB_CACHE": str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["416666", "1"], done.stderr


def test_small_inputs_do_not_import_numba():
    code = "import sys, complexity_lab as cl; cl.bdm([0, 1] * 600); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
