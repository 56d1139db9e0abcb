"""The parameters of an ``nn.Module``, in the order of ``model.parameters()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from complexity_lab.arrays import as_numpy, dtype_name, require_loaded, shape_of, why_not_dense
from complexity_lab.weights.source import SCORED, Kind, NamedTensor, SkippedTensor, kind_of_name

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
        """Yield parameters in registration order.

        Frozen, empty, sparse and nested ones, and those of another dtype than float64, float32, float16 and bfloat16
        are skipped with the reason.

        Raises:
            WeightsError: a parameter has no values: it is on the meta device, or not initialized yet.
        """
        norms, embeddings = _modules_by_kind(self.module)
        for name, parameter in self.module.named_parameters():
            require_loaded(parameter, f"parameter {name} of {self.label}")
            owner = name.rpartition(".")[0]
            shape = shape_of(parameter)
            kind = _kind(name, len(shape), owner in norms, owner in embeddings)
            reason = _reason_to_skip(parameter)
            if reason:
                yield SkippedTensor(name, shape, dtype_name(parameter), kind, reason)
            else:
                yield NamedTensor(name, as_numpy(parameter), kind)


def _reason_to_skip(parameter: torch.Tensor) -> str | None:
    dtype = dtype_name(parameter)
    if not parameter.is_floating_point():
        return f"not floating point ({dtype})"
    if dtype not in SCORED:
        return f"dtype {dtype} is not a float of 16 to 64 bits"
    if not_dense := why_not_dense(parameter):
        return f"{not_dense} is not dense"
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
