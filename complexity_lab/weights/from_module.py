"""The parameters of an ``nn.Module``, in the order of ``model.parameters()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from complexity_lab.arrays import as_numpy
from complexity_lab.weights.source import Kind, NamedTensor, SkippedTensor, kind_of_name

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class ModuleWeights:
    """Trainable, non-empty parameters of a module; shared ones once, buffers never.

    The arrays share memory with the module where it lives on the CPU.
    """

    module: nn.Module
    label: str

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield parameters in registration order; frozen, empty and non-float ones as skipped, with the reason."""
        norms, embeddings = _modules_by_kind(self.module)
        for name, parameter in self.module.named_parameters():
            owner = name.rpartition(".")[0]
            kind = _kind(name, parameter.ndim, owner in norms, owner in embeddings)
            reason = _reason_to_skip(parameter)
            if reason:
                dtype = str(parameter.dtype).removeprefix("torch.")
                yield SkippedTensor(name, tuple(parameter.shape), dtype, kind, reason)
            else:
                yield NamedTensor(name, as_numpy(parameter), kind)


def _reason_to_skip(parameter: torch.Tensor) -> str | None:
    if not parameter.is_floating_point():
        return f"not floating point ({str(parameter.dtype).removeprefix('torch.')})"
    if not parameter.requires_grad:
        return "frozen (not trainable)"
    if parameter.numel() == 0:
        return "zero-size tensor"
    return None


def _modules_by_kind(module: nn.Module) -> tuple[set[str], set[str]]:
    """Names of normalization and of embedding modules, told by class rather than by name."""
    from torch import nn

    norms = {name for name, child in module.named_modules() if "norm" in type(child).__name__.lower()}
    embeddings = {name for name, child in module.named_modules() if isinstance(child, nn.Embedding)}
    return norms, embeddings


def _kind(name: str, ndim: int, in_norm: bool, in_embedding: bool) -> Kind:
    if in_embedding:
        return "embedding"
    leaf = name.rpartition(".")[2]
    if leaf.endswith("bias"):
        return "bias"
    if in_norm and ndim <= 1:
        return "norm"
    guess = kind_of_name(name, ndim)
    return "other" if guess == "norm" else guess  # outside a normalization layer nothing is one, whatever its name
