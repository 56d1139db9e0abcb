"""Networks by name, freshly initialized: our own, and timm's."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from complexity_lab.errors import UnknownNameError, nearest_names
from complexity_lab.momos.models import MLP, CifarResNet

_HIDDEN = {"mlp": (256,) * 4, "mlp5": (256,) * 5}  # four in the paper's program, five in its text
_IN_TIMM = {"tiny_vit_5m": "tiny_vit_5m_224", "mobilevit_xxs": "mobilevit_xxs"}


def build_model(name: str, *, num_classes: int, in_channels: int = 3, image_size: int = 32, seed: int = 0) -> nn.Module:
    """Return a network with the initial weights of a seed; the caller's random numbers are left as they were.

    Args:
        name: ``mlp``, ``mlp5``, ``resnet20`` (``resnet8`` to ``resnet110``), ``tiny_vit_5m``, ``mobilevit_xxs``, or a
            name of timm.
        num_classes: length of the output.
        in_channels: channels of the images.
        image_size: pixels per side.
        seed: of the initialization.

    Raises:
        UnknownNameError: neither ours nor timm's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if name in _HIDDEN:
            return MLP(_HIDDEN[name], in_features=in_channels * image_size**2, num_classes=num_classes)
        if (depth := _cifar_depth(name)) is not None:
            return CifarResNet(depth, in_channels=in_channels, num_classes=num_classes)
        return _from_timm(_IN_TIMM.get(name, name), num_classes, in_channels, image_size)


def _cifar_depth(name: str) -> int | None:
    """Return the depth of a residual network made for CIFAR; ``resnet18`` and its kin are timm's."""
    found = re.fullmatch(r"resnet(\d+)", name)
    depth = int(found.group(1)) if found else 0
    return depth if depth >= 8 and (depth - 2) % 6 == 0 and depth != 50 else None


def _from_timm(name: str, num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    import timm

    if not timm.is_model(name):
        known = (*_HIDDEN, "resnet20", *_IN_TIMM, *timm.list_models())
        raise UnknownNameError(f"unknown network {name!r}{nearest_names(name, known)}")
    options: dict[str, Any] = {}
    if name.startswith("tiny_vit") and image_size < 224:
        # the windows of the 224-pixel model are larger than the maps of a small image and would be mostly padding
        options["window_sizes"] = tuple(max(1, -(-image_size // reduction)) for reduction in (4, 8, 16, 32))
    published = timm.get_pretrained_cfg(name)
    if published is not None and published.fixed_input_size:  # transformers whose positions are learned
        options["img_size"] = image_size
    model: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=num_classes, in_chans=in_channels, **options
    )
    return model
