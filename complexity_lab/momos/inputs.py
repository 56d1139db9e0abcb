"""Stored images to what a network reads: augmented, resized, normalised, a batch at a time, on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from complexity_lab.momos.augment import augment, resized
from complexity_lab.momos.datasets import Images, Splits

EVALUATION_BATCH = 512  # images
TOGETHER = 2048 * 32**2  # pixels per channel that are augmented at once, a few megabytes


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

    def training(self, order: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented batches of the training images at positions ``[n]``: inputs and labels.

        Inputs are float32 ``[batch, channels, size, size]``, labels int64 ``[batch]``.
        """
        images = self.data.training
        for together in torch.split(order, batch_size * self._batches_together(batch_size)):
            pixels = augment(self.data.augmentation, images.pixels[together], self.size, generator)
            for start in range(0, len(together), batch_size):
                part = slice(start, start + batch_size)
                yield self._normalised(pixels[part]), images.labels[together[part]]

    def _batches_together(self, batch_size: int) -> int:
        """Return how many batches are augmented at once: RandAugment costs as many calls for many images as for few."""
        if self.data.augmentation != "randaugment":
            return 1
        return max(1, TOGETHER // (batch_size * self.size**2))

    def in_order(self, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of all images as they are, in order: inputs and labels."""
        for start in range(0, len(images), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            yield self._normalised(resized(images.pixels[part], self.size)), images.labels[part]

    def _normalised(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() - self._mean) / self._sd).contiguous(memory_format=torch.channels_last)
