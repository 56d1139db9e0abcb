"""What networks and mosaics of MoMos experiments are called, in figures and on pages, and their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LABELS: Final = {
    "mlp": "MLP",
    "mlp5": "MLP, 5 hidden layers",
    "resnet20": "ResNet20",
    "tiny_vit_5m": "Tiny-ViT 5M",
    "mobilevit_xxs": "MobileViT-XXS",
}


def network_label(architecture: str) -> str:
    """Return the name of a network as the paper writes it."""
    return _LABELS.get(architecture, architecture)


def in_paper_order(architectures: Iterable[str]) -> list[str]:
    """Return distinct networks in the order of the paper's tables, others after them by name."""
    found = set(architectures)
    return [name for name in _LABELS if name in found] + sorted(found - set(_LABELS))


def mosaic_label(s: float, capacity: float) -> str:
    """Return ``s = 4, 1 %``."""
    return f"s = {s:g}, {100 * capacity:g} %"
