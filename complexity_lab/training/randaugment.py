"""RandAugment (arXiv 1909.13719) of whole batches: two of fourteen operations per image, at magnitude 9 of 30."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

OPERATIONS_PER_IMAGE, MAGNITUDE, BINS = 2, 9, 31
Operation = Callable[[Tensor], Tensor]


def randaugment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 images ``[n, channels, h, h]``, each changed by two operations, signs at random.

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
