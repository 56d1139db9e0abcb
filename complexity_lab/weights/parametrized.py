"""Parametrized tensors: what a module computes with, made from raw parameters by ``torch.nn.utils.parametrize``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from complexity_lab.arrays import as_numpy
from complexity_lab.weights.source import NamedTensor, SkippedTensor, kind_of_name

if TYPE_CHECKING:
    import torch
    from torch import nn

_RAW = re.compile(r"(?:(?<=\.)|^)parametrizations\.([^.]+)\.original\d*$")


def stands_for(name: str) -> str:
    """Return the name of the tensor that a raw parameter stands for, or the name as it is.

    >>> stands_for("conv.parametrizations.weight.original0")
    'conv.weight'
    """
    return _RAW.sub(r"\1", name) if "parametrizations." in name else name


def computed(name: str, raw: torch.Tensor, owner: nn.Module) -> NamedTensor | SkippedTensor | None:
    """Return what is computed from a raw parameter, or None if its owner parametrizes nothing.

    The tensor comes with one of its raw parameters: the first of its shape, or else the first. The others get the name
    of that one as the reason why they have none.
    """
    if stands_for(name) == name:
        return None
    from torch.nn.utils.parametrize import ParametrizationList

    if not isinstance(owner, ParametrizationList):
        return None
    values = _evaluated(owner)
    parts = [(leaf, part) for leaf, part in owner._parameters.items() if part is not None]
    carrier, first = next((item for item in parts if item[1].shape == values.shape), parts[0])
    own, kind = stands_for(name), kind_of_name(stands_for(name), values.ndim)
    if first is not raw:
        reason = f"a part of {own}, which comes with {carrier}"
        return SkippedTensor(own, tuple(raw.shape), str(raw.dtype).removeprefix("torch."), kind, reason)
    return NamedTensor(own, as_numpy(values), kind)


def _evaluated(owner: nn.Module) -> torch.Tensor:
    """Compute the parametrized tensor without a trace: some (spectral norm) update their buffers while training."""
    import torch

    with torch.no_grad(), _evaluating(owner):
        values: torch.Tensor = owner()
    return values


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
