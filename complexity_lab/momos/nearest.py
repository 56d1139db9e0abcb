"""The nearest motif of every block, exactly: distances as float64 has them, ties to the lowest index."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(blocks: Tensor, motifs: Tensor) -> Tensor:
    """Return, for each block, the index of the nearest motif in squared Euclidean distance.

    Args:
        blocks: ``[m, s]``, finite.
        motifs: ``[k, s]``, finite, same dtype and device.

    Returns:
        int64 ``[m]`` on the same device.
    """
    found = []
    rows = max(1, 2**22 // motifs.numel())
    for start in range(0, blocks.shape[0], rows):
        difference = blocks[start : start + rows, None, :].double() - motifs.double()[None]
        found.append(difference.square().sum(-1).argmin(1))
    return torch.cat(found)
