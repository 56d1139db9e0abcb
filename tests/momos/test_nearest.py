import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from complexity_lab.momos import nearest as nearest_module
from complexity_lab.momos.nearest import choose, nearest

METHODS = ("boxes", "fused", "chunked")


def brute_force(blocks, motifs):
    """Distances in float64, squares summed in order of the values; argmin takes the lowest index of equals."""
    distance = np.zeros((len(blocks), len(motifs)))
    for axis in range(blocks.shape[1]):
        distance += (blocks[:, axis, None].astype(np.float64) - motifs[None, :, axis].astype(np.float64)) ** 2
    return distance.argmin(1)


def check(blocks, motifs, method):
    found = nearest(torch.from_numpy(blocks), torch.from_numpy(motifs), method)
    assert found.dtype == torch.int64
    assert found.tolist() == brute_force(blocks, motifs).tolist()


@pytest.mark.parametrize("method", METHODS)
@given(
    s=st.integers(1, 20),
    m=st.integers(1, 60),
    k=st.integers(1, 150),
    kind=st.sampled_from(["normal", "lattice", "same", "huge", "tiny", "near"]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_every_method_is_exact(method, s, m, k, kind, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((m + k, s)).astype(np.float32)
    values = {
        "normal": values,
        "lattice": np.round(values),  # many ties, and many equal motifs
        "same": np.zeros_like(values),
        "huge": values * np.float32(1e14),
        "tiny": values * np.float32(1e-42),
        "near": np.float32(1) + values * np.float32(1e-6),  # distances far below the norms
    }[kind]
    check(values[:m], values[m:], method)


@pytest.mark.parametrize("s", [2, 4, 8])
@pytest.mark.parametrize("method", METHODS)
def test_many_motifs(method, s):
    rng = np.random.default_rng(s)
    check(rng.standard_normal((500, s)).astype(np.float32), rng.standard_normal((5000, s)).astype(np.float32), method)


@pytest.mark.parametrize("method", METHODS)
def test_equal_motifs_lose_to_the_first(method):
    rng = np.random.default_rng(0)
    motifs = rng.standard_normal((40, 3)).astype(np.float32)[rng.integers(0, 40, 3000)]
    motifs[0] = -0.0
    motifs[7] = 0.0
    blocks = np.concatenate([motifs[:200], np.zeros((3, 3), np.float32)])
    check(blocks, motifs, method)
    assert nearest(torch.zeros(3, 3), torch.from_numpy(motifs), method).tolist() == [0, 0, 0]


@pytest.mark.parametrize("method", ["boxes", "chunked"])
def test_double_precision(method):
    rng = np.random.default_rng(1)
    motifs = 1 + 1e-12 * rng.standard_normal((300, 3))
    check(1 + 1e-12 * rng.standard_normal((100, 3)), motifs, method)


def test_values_whose_squares_overflow_single_precision():
    rng = np.random.default_rng(2)
    values = (rng.standard_normal((300, 9)) * 1e37).astype(np.float32)
    blocks, motifs = torch.from_numpy(values[:200]), torch.from_numpy(values[200:])
    assert nearest(blocks, motifs).tolist() == brute_force(values[:200], values[200:]).tolist()
    assert choose(blocks.repeat(1000, 1), motifs.repeat(100, 1)) == "boxes"


def test_threads_do_not_matter(monkeypatch):
    rng = np.random.default_rng(3)
    blocks = torch.from_numpy(rng.standard_normal((1003, 5)).astype(np.float32))
    motifs = torch.from_numpy(rng.standard_normal((700, 5)).astype(np.float32))
    for method in ("boxes", "fused"):
        found = []
        for threads in (1, 2, 5):
            monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            found.append(nearest(blocks, motifs, method).tolist())
        assert found[0] == found[1] == found[2]


def test_views_that_are_not_contiguous():
    rng = np.random.default_rng(4)
    wide = torch.from_numpy(rng.standard_normal((300, 8)).astype(np.float32))
    blocks, motifs = wide[:200, ::2], wide[200:, ::2]
    wanted = brute_force(blocks.numpy(), motifs.numpy()).tolist()
    assert all(nearest(blocks, motifs, method).tolist() == wanted for method in METHODS)


def test_motifs_that_share_a_hash_are_told_apart(monkeypatch):
    whole = np.unique
    monkeypatch.setattr(np, "unique", lambda a, **k: whole(a * np.uint64(0) if a.ndim == 1 and k else a, **k))
    motifs = np.array([[1, 2], [3, 4], [1, 2], [0, 0]], dtype=np.float32)
    points, first = nearest_module._distinct(motifs)
    assert first.tolist() == [0, 1, 3]
    assert points.tolist() == [[1, 2], [3, 4], [0, 0]]


def test_the_reference_arithmetic_picks_motifs_that_are_not_nearest():
    """|b|^2 + |z|^2 - 2 b z in float32 loses the distance between near vectors of norm one."""
    rng = np.random.default_rng(5)
    values = (1 + 1e-4 * rng.standard_normal((4000, 2))).astype(np.float32)
    blocks, motifs = torch.from_numpy(values[:3000]), torch.from_numpy(values[3000:])
    expanded = (blocks**2).sum(1, keepdim=True) + (motifs**2).sum(1) - 2 * blocks @ motifs.T
    assert (expanded.argmin(1) != nearest(blocks, motifs, "boxes")).sum() > 100
