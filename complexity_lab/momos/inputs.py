"""Stored images to what a network reads: augmented, resized, normalised, a batch at a time, on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from complexity_lab.momos.augment import augment, resized
from complexity_lab.momos.datasets import Images, Splits

EVALUATION_BATCH = 512  # images


class Inputs:
    """Makes batches of one data set at one size.

    Args:
        data: the data set.
        size: pixels per side of what the network reads.
    """

    def __init__(self, data: Splits, size: int) -> None:
        self.data, self.size = data, size
        device = data.training.pixels.device
        self._mean, self._sd = (
            255 * torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (data.mean, data.sd)
        )

    def training(self, chosen: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return an augmented batch of the training images at positions ``[n]``: inputs and labels.

        Inputs are float32 ``[n, channels, size, size]``, labels int64 ``[n]``.
        """
        images = self.data.training
        pixels = augment(self.data.augmentation, images.pixels[chosen], self.size, generator)
        return self._normalised(pixels), images.labels[chosen]

    def in_order(self, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of all images as they are, in order: inputs and labels."""
        for start in range(0, len(images), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            yield self._normalised(resized(images.pixels[part], self.size)), images.labels[part]

    def _normalised(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() - self._mean) / self._sd).contiguous(memory_format=torch.channels_last)
