"""Small pairs of checkpoints, and surveys of them: everything but the zoo is real."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from complexity_lab.survey.plan import make_plan


def save_pair(folder, name, seeds=(0, 1, 2), size=20_000, trained=None):
    """Write initial weights per seed and trained weights with a bias to ones."""
    place = folder / name
    place.mkdir(parents=True)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        tensors = {"fc.weight": rng.standard_normal((size // 100, 100)), "fc.bias": np.zeros(100), "norm": np.ones(50)}
        save_file({k: v.astype(np.float32) for k, v in tensors.items()}, place / f"initial-{seed}.safetensors")
    rng = np.random.default_rng(99)
    tensors = {
        "fc.weight": rng.standard_normal((size // 100, 100)) + 0.3,
        "fc.bias": np.zeros(100),
        "norm": np.ones(50),
    }
    tensors |= trained or {}
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, place / "trained.safetensors")


@pytest.fixture
def checkpoints(tmp_path):
    """Five pairs of different sizes."""
    folder = tmp_path / "checkpoints"
    for i, name in enumerate("abcde"):
        save_pair(folder, name, size=20_000 + 12_000 * i)
    return folder


@pytest.fixture
def plan(checkpoints):
    return make_plan(
        "checkpoints", path=checkpoints, metrics=("bdm", "bdm_2d", "block_entropy", "gzip", "gzip:float32")
    )
