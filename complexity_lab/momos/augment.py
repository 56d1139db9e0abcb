"""Augmentation of whole batches on the device that trains: shift, flip, and RandAugment (arXiv 1909.13719).

Random numbers are drawn on the CPU from a generator of its own, so that a seed gives the same images on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

OPERATIONS_PER_IMAGE, MAGNITUDE, BINS = 2, 9, 31
Operation = Callable[[Tensor], Tensor]


def augment(name: str, pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return augmented images, uint8 ``[n, channels, size, size]``.

    Args:
        name: ``none``; ``shift`` (by up to a sixteenth of the side); ``randaugment`` (the paper's for CIFAR: flip,
            shift by up to an eighth, resize, two random operations).
        pixels: uint8 ``[n, channels, h, h]``.
        size: pixels per side of the result.
        generator: on the CPU.
    """
    if name == "shift":
        pixels = shifted(pixels, max(1, pixels.shape[-1] // 16), generator)
    if name != "randaugment":
        return resized(pixels, size)
    shifts = shifted(flipped(pixels, generator), max(1, pixels.shape[-1] // 8), generator)
    return randaugment(resized(shifts, size), generator)


def resized(pixels: Tensor, size: int) -> Tensor:
    """Return uint8 images scaled bilinearly to ``size`` pixels per side."""
    if pixels.shape[-1] == size:
        return pixels
    scaled = torch.nn.functional.interpolate(pixels.float(), (size, size), mode="bilinear", antialias=True)
    return scaled.round_().clamp_(0, 255).byte()


def flipped(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half."""
    chosen = (torch.rand(len(pixels), generator=generator) < 0.5).to(pixels.device)
    return torch.where(chosen[:, None, None, None], pixels.flip(-1), pixels)


def shifted(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to ``most`` pixels along each axis; zeros come in, as from a crop of a padded image."""
    count, _, height, width = pixels.shape
    origin = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator).to(pixels.device)
    padded = torch.nn.functional.pad(pixels, (most,) * 4)
    rows = origin[0] + torch.arange(height, device=pixels.device)
    columns = origin[1] + torch.arange(width, device=pixels.device)
    image = torch.arange(count, device=pixels.device)
    windows = padded.permute(0, 2, 3, 1)[image[:, None, None], rows[:, :, None], columns[:, None, :]]
    return windows.permute(0, 3, 1, 2).contiguous()


def randaugment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Apply two of fourteen operations to each image, at magnitude 9 of 30, signs at random.

    Images that drew the same operation are changed together, so a batch costs as many calls as there are operations.
    """
    operations = _operations(pixels.shape[-1])
    for _ in range(OPERATIONS_PER_IMAGE):
        drawn = torch.randint(len(operations), (len(pixels),), generator=generator)
        changed = pixels.clone()
        for index in torch.unique(drawn).tolist():
            chosen = (drawn == index).nonzero().squeeze(1).to(pixels.device)
            changed[chosen] = operations[index](pixels[chosen])
        pixels = changed
    return pixels


def _operations(size: int) -> list[Operation]:
    """Return every operation; those with a sign stand there with both, so that all fourteen are equally likely."""
    strength = MAGNITUDE / (BINS - 1)
    shear, shift, angle, change = 0.3 * strength, 150.0 / 331.0 * size * strength, 30.0 * strength, 0.9 * strength
    signed: list[Operation] = []
    for sign in (1.0, -1.0):
        degrees = float(torch.rad2deg(torch.atan(torch.tensor(sign * shear))))
        signed += [
            partial(_affine, shear=[degrees, 0.0]),
            partial(_affine, shear=[0.0, degrees]),
            partial(_affine, translate=[int(sign * shift), 0]),
            partial(_affine, translate=[0, int(sign * shift)]),
            partial(F.rotate, angle=sign * angle, interpolation=InterpolationMode.NEAREST),
            partial(F.adjust_brightness, brightness_factor=1 + sign * change),
            partial(_colour, saturation_factor=1 + sign * change),
            partial(F.adjust_contrast, contrast_factor=1 + sign * change),
            partial(F.adjust_sharpness, sharpness_factor=1 + sign * change),
        ]
    unsigned: list[Operation] = [
        _same,
        partial(F.posterize, bits=8 - round(MAGNITUDE / ((BINS - 1) / 4))),
        partial(F.solarize, threshold=255.0 * (1 - strength)),
        F.autocontrast,
        F.equalize,
    ]
    return [*signed, *unsigned, *unsigned]


def _affine(pixels: Tensor, *, shear: list[float] | None = None, translate: list[int] | None = None) -> Tensor:
    moved: Tensor = F.affine(
        pixels,
        angle=0.0,
        translate=translate or [0, 0],
        scale=1.0,
        shear=shear or [0.0, 0.0],
        interpolation=InterpolationMode.NEAREST,
        center=[0, 0] if shear else None,
    )
    return moved


def _colour(pixels: Tensor, *, saturation_factor: float) -> Tensor:
    """Change the saturation; grey images have none."""
    return F.adjust_saturation(pixels, saturation_factor) if pixels.shape[1] == 3 else pixels


def _same(pixels: Tensor) -> Tensor:
    return pixels
