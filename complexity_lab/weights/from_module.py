"""The parameters of an ``nn.Module``, in the order of ``model.parameters()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from complexity_lab.arrays import array_of, dtype_name, require_loaded, shape_of, why_not_dense
from complexity_lab.weights.source import SCORED, Kind, NamedTensor, Reader, SkippedTensor, kind_of_name

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
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the parameter, in the order of ``tensors``."""
        from torch import nn

        return {
            name: partial(
                self._tensor, name, parameter, "norm" in type(owner).__name__.lower(), isinstance(owner, nn.Embedding)
            )
            for name, parameter, owner in _parameters(self.module)
        }

    def _tensor(
        self, name: str, parameter: torch.Tensor, in_norm: bool, in_embedding: bool
    ) -> NamedTensor | SkippedTensor:
        require_loaded(parameter, f"parameter {name} of {self.label}")
        shape = shape_of(parameter)
        kind = _kind(name, len(shape), in_norm, in_embedding)
        reason = _reason_to_skip(parameter)
        if reason:
            return SkippedTensor(name, shape, dtype_name(parameter), kind, reason)
        return NamedTensor(name, array_of(parameter), kind)


def _parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Yield what ``module.named_parameters()`` yields, each with the module that holds it, in half the time."""
    seen: set[int] = set()
    stack: list[tuple[str, nn.Module | None]] = [("", module)]
    while stack:
        prefix, owner = stack.pop()
        if owner is None or id(owner) in seen:
            continue
        seen.add(id(owner))
        for leaf, parameter in owner._parameters.items():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                yield prefix + leaf, parameter, owner
        stack.extend((f"{prefix}{name}.", child) for name, child in reversed(owner._modules.items()))


def _reason_to_skip(parameter: torch.Tensor) -> str | None:
    strided, dtypes = _plain()
    if parameter.dtype in dtypes and parameter.layout is strided and parameter.requires_grad and parameter.numel():
        return None  # nearly all are, and there are hundreds
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


@cache
def _plain() -> tuple[torch.layout, frozenset[torch.dtype]]:
    import torch

    return torch.strided, frozenset(getattr(torch, name) for name in SCORED)


@cache
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
