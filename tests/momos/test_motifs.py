"""Choices of motifs: what each promises, on distinct, repeated and padded blocks."""

import pytest
import torch

from complexity_lab.errors import UnknownNameError
from complexity_lab.momos.motifs import MOTIF_CHOICES, frequent_motifs, kmeans_motifs, motif_choice, random_motifs
from complexity_lab.momos.nearest import nearest

CHOICES = list(MOTIF_CHOICES.values())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(m, s=2):
    return torch.arange(1.0, m * s + 1).view(m, s)


def rows(blocks):
    return {tuple(block) for block in blocks.tolist()}


def distortion(blocks, motifs):
    return float((blocks - motifs[nearest(blocks, motifs)]).double().square().sum())


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("force_zero", [True, False])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_k_motifs_of_the_dtype_of_the_blocks_and_zero_first(choose, force_zero, k):
    for dtype in (torch.float32, torch.float64):
        motifs = choose(numbered(20).to(dtype), k, force_zero=force_zero, generator=seeded())
        assert motifs.shape == (k, 2)
        assert motifs.dtype == dtype
        assert motifs[0].any().item() is not force_zero  # no block of these is zero


@pytest.mark.parametrize("choose", CHOICES)
def test_a_generator_decides_and_the_global_one_stays(choose):
    blocks = numbered(50)
    before = torch.random.get_rng_state()
    first = choose(blocks, 10, force_zero=True, generator=seeded(1))
    again = choose(blocks, 10, force_zero=True, generator=seeded(1))
    other = choose(blocks, 10, force_zero=True, generator=seeded(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("choose", CHOICES)
def test_the_same_generator_draws_anew_at_every_call(choose):
    generator, blocks = seeded(), numbered(50)
    draws = [choose(blocks, 5, force_zero=False, generator=generator) for _ in range(2)]
    assert not torch.equal(*draws)


def test_without_a_generator_the_global_one_is_used():
    torch.manual_seed(3)
    first = random_motifs(numbered(50), 5, force_zero=False, generator=None)
    torch.manual_seed(3)
    assert torch.equal(first, random_motifs(numbered(50), 5, force_zero=False, generator=None))


@pytest.mark.parametrize("k", [1, 2, 7, 19, 20])
def test_random_positions_are_distinct(k):
    motifs = random_motifs(numbered(20), k, force_zero=False, generator=seeded())
    assert len(rows(motifs)) == k
    assert rows(motifs) <= rows(numbered(20))


def test_random_values_may_repeat_where_blocks_do():
    motifs = random_motifs(torch.ones(9, 2), 4, force_zero=False, generator=seeded())
    assert rows(motifs) == {(1.0, 1.0)}


def test_random_positions_are_uniform():
    generator, draws, m, k = seeded(), 3000, 12, 3
    chosen = [random_motifs(torch.arange(m).view(m, 1), k, force_zero=False, generator=generator) for _ in range(draws)]
    counts = torch.bincount(torch.cat(chosen).reshape(-1), minlength=m)
    expected = draws * k / m
    assert (counts - expected).abs().max() < 5 * (expected * (1 - k / m)) ** 0.5  # five standard deviations


@pytest.mark.parametrize("force_zero", [True, False])
def test_kmeans_distorts_less_than_random_blocks(force_zero):
    blocks = torch.randn(2000, 4, generator=seeded())
    for k in (8, 64, 256):
        by_means = kmeans_motifs(blocks, k, force_zero=force_zero, generator=seeded(1))
        by_chance = random_motifs(blocks, k, force_zero=force_zero, generator=seeded(1))
        assert distortion(blocks, by_means) < 0.9 * distortion(blocks, by_chance)


def test_kmeans_finds_separate_clusters():
    centres = torch.tensor([[10.0, 0], [-10, 0], [0, 10]])
    blocks = centres.repeat(30, 1) + 0.01 * torch.randn(90, 2, generator=seeded())
    best = min(distortion(blocks, kmeans_motifs(blocks, 6, force_zero=False, generator=seeded(i))) for i in range(5))
    assert best < 90 * 2 * 0.01**2 * 1.5


def test_a_centroid_without_blocks_stays_where_it_was():
    blocks = torch.ones(6, 2)
    motifs = kmeans_motifs(blocks, 4, force_zero=False, generator=seeded())
    assert rows(motifs) == {(1.0, 1.0)}
    assert torch.isfinite(kmeans_motifs(torch.zeros(6, 2), 4, force_zero=True, generator=seeded())).all()


def test_frequent_motifs_are_all_different_blocks():
    blocks = numbered(10).repeat_interleave(torch.arange(1, 11), 0)
    motifs = frequent_motifs(blocks, 6, force_zero=False, generator=seeded())
    assert len(rows(motifs)) == 6


def test_frequent_motifs_favour_what_occurs_often():
    blocks = torch.cat([torch.ones(900, 2), numbered(100) + 1])
    drawn = sum(
        (1.0, 1.0) in rows(frequent_motifs(blocks, 1, force_zero=False, generator=seeded(i))) for i in range(300)
    )
    assert 240 < drawn < 295  # 0.9 of 300, standard deviation 5.2


def test_frequent_motifs_take_all_different_blocks_and_fill_up():
    blocks = torch.tensor([[1.0, 1], [2, 2], [1, 1], [1, 1], [1, 1]])
    motifs = frequent_motifs(blocks, 4, force_zero=False, generator=seeded())
    assert motifs.shape == (4, 2)
    assert rows(motifs) == {(1.0, 1.0), (2.0, 2.0)}


def test_frequent_motifs_do_not_draw_the_zero_block_twice():
    blocks = torch.cat([torch.zeros(100, 2), -torch.zeros(100, 2), numbered(3)])
    motifs = frequent_motifs(blocks, 4, force_zero=True, generator=seeded())
    assert rows(motifs) == {(0.0, 0.0)} | rows(numbered(3))


def test_an_unknown_choice_suggests_the_nearest():
    assert motif_choice("kmeans") is kmeans_motifs
    with pytest.raises(UnknownNameError, match=r"unknown choice of motifs 'kmean' \(did you mean kmeans"):
        motif_choice("kmean")
    with pytest.raises(UnknownNameError, match="there are random, kmeans, frequent"):
        motif_choice("zzz")
