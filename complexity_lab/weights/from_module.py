"""The parameters of an ``nn.Module``, in the order of ``model.parameters()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from complexity_lab.arrays import (
    FLOAT8,
    array_of,
    as_numpy,
    dtype_name,
    how_read,
    is_quantized,
    require_loaded,
    shape_of,
    why_not_dense,
)
from complexity_lab.errors import InputError
from complexity_lab.weights.order import OrderRule, natural_order
from complexity_lab.weights.parametrized import computed, stands_for
from complexity_lab.weights.source import SCORED, Kind, NamedTensor, Reader, SkippedTensor, kind_of_name, not_scored

if TYPE_CHECKING:
    import torch
    from torch import nn

_AO = "torch.ao.nn."  # where torch's quantized layers are


@dataclass(frozen=True)
class ModuleWeights:
    """Trainable, non-empty parameters of a module; shared ones once, buffers never.

    The arrays share memory with the module where it lives on the CPU. Quantized parameters (of torchao, or qint8) are
    read as their dequantized values, with a note, although they cannot be trained; so are the packed weights of torch's
    own quantized layers, which are no parameters. Of a parametrized tensor the raw parameters are read, and what the
    model computes from them comes with the first of them, see ``NamedTensor.computed``.
    """

    module: nn.Module
    label: str
    order_rule: OrderRule = "model"

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield parameters in registration order, which is the model's, or in natural order where that is the rule.

        Frozen, empty, sparse and nested ones, and those of another dtype than float64, float32, float16, bfloat16 and
        float8 are skipped with the reason.

        Raises:
            WeightsError: a parameter has no values: it is on the meta device, or not initialized yet.
        """
        for read in self.readers().values():
            yield read()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader of the parameter, in the order of ``tensors``."""
        found = {name: partial(self._tensor, name, values, owner) for name, values, owner in _parameters(self.module)}
        if self.order_rule != "natural":
            return {**found}
        return {name: found[name] for name in natural_order(found)}

    def _tensor(self, name: str, parameter: torch.Tensor, owner: nn.Module) -> NamedTensor | SkippedTensor:
        require_loaded(parameter, f"parameter {name} of {self.label}")
        shape = shape_of(parameter)
        kind = _kind_in(owner, stands_for(name), len(shape))
        if _is_usual(parameter):
            return NamedTensor(name, array_of(parameter), kind, "", computed(name, parameter, owner))
        reason = _reason_to_skip(parameter)
        if reason:
            return SkippedTensor(name, shape, dtype_name(parameter), kind, reason)
        try:
            array = as_numpy(parameter)
        except InputError as error:  # it cannot be dequantized; the others stand
            return SkippedTensor(name, shape, dtype_name(parameter), kind, str(error))
        return NamedTensor(name, array, kind, how_read(parameter), computed(name, parameter, owner))


def _parameters(module: nn.Module) -> Iterator[tuple[str, torch.Tensor, nn.Module]]:
    """Yield what ``module.named_parameters()`` yields, each with the module that holds it, in half the time.

    And what torch's quantized layers have instead of parameters.
    """
    seen: set[int] = set()
    stack: list[tuple[str, nn.Module | None]] = [("", module)]
    while stack:
        prefix, owner = stack.pop()
        if owner is None or id(owner) in seen:
            continue
        seen.add(id(owner))
        for leaf, parameter in (*owner._parameters.items(), *_packed(owner)):
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                yield prefix + leaf, parameter, owner
        stack.extend((f"{prefix}{name}.", child) for name, child in reversed(owner._modules.items()))


def _packed(owner: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights that a quantized layer of torch returns from methods of its own; they are no parameters."""
    if not type(owner).__module__.startswith(_AO):
        return
    several = [getattr(owner, name, None) for name in ("get_weight", "get_bias")]  # of recurrent layers, by name
    for method in several:
        if callable(method):
            yield from ((name, values.detach()) for name, values in method().items())
    for leaf in ("weight", "bias"):
        method = getattr(owner, leaf, None)
        if callable(method) and (values := method()) is not None:
            yield leaf, values.detach()


def _is_usual(parameter: torch.Tensor) -> bool:
    """Tell whether this is a scored parameter without any peculiarity: nearly all are, and there are hundreds."""
    strided, dtypes, plain = _plain()
    usual = type(parameter) is plain and parameter.dtype in dtypes and parameter.layout is strided
    return usual and parameter.requires_grad and parameter.numel() > 0


def _reason_to_skip(parameter: torch.Tensor) -> str | None:
    if is_quantized(parameter):
        return None if parameter.numel() else "zero-size tensor"
    dtype = dtype_name(parameter)
    if dtype not in (*SCORED, *FLOAT8):
        return not_scored(dtype)
    if not_dense := why_not_dense(parameter):
        return f"{not_dense} is not dense"
    if not parameter.requires_grad and isinstance(parameter, _plain()[2]):  # the bias of a packed layer is none
        return "frozen (not trainable)"
    if parameter.numel() == 0:
        return "zero-size tensor"
    return None


@cache
def _plain() -> tuple[torch.layout, frozenset[torch.dtype], type]:
    import torch

    return torch.strided, frozenset(getattr(torch, name) for name in SCORED), torch.nn.Parameter


def _kind_in(owner: nn.Module, name: str, ndim: int) -> Kind:
    from torch import nn

    return _kind(name, ndim, "norm" in type(owner).__name__.lower(), isinstance(owner, nn.Embedding))


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
