"""Augmentation of whole batches on the device that trains: shift, flip, and RandAugment.

Random numbers are drawn on the CPU from a generator of its own, so that a seed gives the same images on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from complexity_lab.training.recipe import Augmentation


def augment(
    name: Augmentation,
    pixels: Tensor,
    size: int,
    generator: torch.Generator,
    *,
    most: int | None = None,
    ground: float = 0.0,
) -> Tensor:
    """Return augmented images ``[n, channels, size, size]``.

    Args:
        name: ``none``; ``shift``; ``randaugment`` (the paper's for CIFAR: flip, shift by up to an eighth of the side,
            resize, two random operations).
        pixels: ``[n, channels, h, h]``; uint8 unless they are only shifted.
        size: pixels per side of the result.
        generator: on the CPU.
        most: pixels of the largest shift along each axis; a sixteenth of the side if None.
        ground: value of the pixels that a shift brings in.
    """
    if name == "shift":
        pixels = shifted(pixels, max(1, pixels.shape[-1] // 16) if most is None else most, generator, ground)
    if name != "randaugment":
        return resized(pixels, size)
    from complexity_lab.training.randaugment import randaugment  # imports torchvision, which the others do without

    shifts = shifted(flipped(pixels, generator), max(1, pixels.shape[-1] // 8), generator)
    return randaugment(resized(shifts, size), generator)


def resized(pixels: Tensor, size: int) -> Tensor:
    """Return uint8 images scaled bilinearly to ``size`` pixels per side."""
    if pixels.shape[-1] == size:
        return pixels
    scaled = F.interpolate(pixels.float(), (size, size), mode="bilinear", antialias=True)
    return scaled.round_().clamp_(0, 255).byte()


def flipped(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half."""
    chosen = (torch.rand(len(pixels), generator=generator) < 0.5).to(pixels.device)
    return torch.where(chosen[:, None, None, None], pixels.flip(-1), pixels)


def shifted(pixels: Tensor, most: int, generator: torch.Generator, ground: float = 0.0) -> Tensor:
    """Shift each image by up to ``most`` pixels along each axis; ``ground`` comes in, as from a padded image's crop."""
    count, _, height, width = pixels.shape
    origin = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator).to(pixels.device)
    padded = F.pad(pixels, (most,) * 4, value=ground)
    rows = origin[0] + torch.arange(height, device=pixels.device)
    columns = origin[1] + torch.arange(width, device=pixels.device)
    image = torch.arange(count, device=pixels.device)
    windows = padded.permute(0, 2, 3, 1)[image[:, None, None], rows[:, :, None], columns[:, None, :]]
    return windows.permute(0, 3, 1, 2).contiguous()
