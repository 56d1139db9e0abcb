"""Which blocks become motifs: the paper's random choice, and others with the same interface.

To add one, write a function like ``random_motifs`` and list it in ``MOTIF_CHOICES``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.momos.nearest import nearest


class MotifChoice(Protocol):
    """Chooses ``k`` motifs for ``[m, s]`` blocks; the first is zero if ``force_zero``."""

    def __call__(self, blocks: Tensor, k: int, *, force_zero: bool, generator: torch.Generator | None) -> Tensor:
        """Return ``[k, s]`` motifs, of the dtype and on the device of the blocks.

        Args:
            blocks: ``[m, s]``, finite.
            k: number of motifs, at most ``m``.
            force_zero: whether motif 0 is the zero block.
            generator: where random numbers come from, on the CPU; torch's global one if None.
        """
        ...


def random_motifs(blocks: Tensor, k: int, *, force_zero: bool, generator: torch.Generator | None) -> Tensor:
    """Return blocks at ``k`` distinct random positions, drawn anew at every call (paper, Algorithm 1).

    Positions are distinct, values may repeat. With ``force_zero`` one position fewer is drawn.
    """
    drawn = blocks[_positions(blocks.shape[0], k - force_zero, generator).to(blocks.device)]
    return _with_zero(drawn) if force_zero else drawn


def kmeans_motifs(blocks: Tensor, k: int, *, force_zero: bool, generator: torch.Generator | None) -> Tensor:
    """Return the centroids of five rounds of Lloyd's k-means, begun at random blocks; the zero motif stays zero.

    A centroid that no block is nearest to stays where it was.
    """
    motifs = random_motifs(blocks, k, force_zero=force_zero, generator=generator)
    values = blocks.double()
    for _ in range(5):
        assignment = nearest(blocks, motifs)
        sums = values.new_zeros(motifs.shape).index_add_(0, assignment, values)
        members = torch.bincount(assignment, minlength=k).unsqueeze(1)
        motifs = torch.where(members > 0, (sums / members.clamp(min=1)).to(motifs.dtype), motifs)
        if force_zero:
            motifs[0] = 0
    return motifs


def frequent_motifs(blocks: Tensor, k: int, *, force_zero: bool, generator: torch.Generator | None) -> Tensor:
    """Return ``k`` different blocks, drawn with probability proportional to how often they occur.

    Blocks that a projection has merged are so likely to stay motifs at the next one. Where there are fewer different
    blocks than motifs, all of them are taken, and random ones fill up the rest.
    """
    different, occurrences = torch.unique(blocks, dim=0, return_counts=True)
    wanted = k - force_zero
    if force_zero:  # the zero block is a motif already
        other = different.any(dim=1)
        different, occurrences = different[other], occurrences[other]
    if different.shape[0] <= wanted:
        fill = _positions(blocks.shape[0], wanted - different.shape[0], generator).to(blocks.device)
        drawn = torch.cat([different, blocks[fill]])
    else:
        # Gumbel noise turns a draw without replacement into a choice of the largest
        noise = torch.rand(different.shape[0], generator=generator, dtype=torch.float64).to(blocks.device)
        keys = occurrences.double().log() - torch.log(-torch.log(noise.clamp(min=1e-300)))
        drawn = different[keys.topk(wanted).indices]
    return _with_zero(drawn) if force_zero else drawn


MOTIF_CHOICES: dict[str, MotifChoice] = {
    "random": random_motifs,
    "kmeans": kmeans_motifs,
    "frequent": frequent_motifs,
}


def motif_choice(name: str) -> MotifChoice:
    """Return a choice of motifs by name.

    Raises:
        UnknownNameError: no such choice.
    """
    if name not in MOTIF_CHOICES:
        hint = nearest_names(name, tuple(MOTIF_CHOICES)) or f"; there are {', '.join(MOTIF_CHOICES)}"
        raise UnknownNameError(f"unknown choice of motifs {name!r}{hint}")
    return MOTIF_CHOICES[name]


def _positions(m: int, wanted: int, generator: torch.Generator | None) -> Tensor:
    """Return distinct uniform positions; numpy draws a few of many without permuting all."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    chosen = np.random.default_rng(seed).choice(m, wanted, replace=False, shuffle=False)
    return torch.from_numpy(chosen)


def _with_zero(motifs: Tensor) -> Tensor:
    return torch.cat([motifs.new_zeros((1, motifs.shape[1])), motifs])
