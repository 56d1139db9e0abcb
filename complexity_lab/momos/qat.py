"""Quantization-aware training: weights that the network sees rounded to few bits while it learns the exact ones.

The rule is that of the MoMos paper's program: symmetric, signed, one scale for each tensor, weights only. A
parametrization of ``torch.nn.utils.parametrize`` rounds ``module.weight`` whenever it is read; the exact values live on
as the parameter that the optimizer, and MoMos, work on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from complexity_lab.counted import counted
from complexity_lab.errors import InputError

RAW = "parametrizations.weight.original"
COMPILED = "_orig_mod."


class FakeQuantization(nn.Module):
    """Rounds a tensor to ``2 Qmax + 1`` evenly spaced values, ``Qmax = 2^(bits - 1) - 1``, and hands gradients through.

    The step between values is ``max|w| / Qmax``, a constant to the gradient, so that no value lies outside the range
    and the straight-through gradient is one everywhere. Half precision is rounded in float32, where the step cannot
    underflow. A tensor of zeros stays as it is.

    Args:
        bits: of a rounded value, 2 to 31.

    Raises:
        InputError: another number of bits.

    Example:
        >>> FakeQuantization(2)(torch.tensor([-2, -1.2, -0.2, 0.2, 1.2, 2])).tolist()
        [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        if not 2 <= bits < 32:
            raise InputError(
                f"{counted(bits, 'bit')} of fake quantization, wanted 2 to 31 (from 32 on nothing is rounded)"
            )
        self.bits = bits

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded tensor: same shape, dtype and device, gradient one."""
        # a difference that is exactly zero carries the gradient and leaves the rounded values exact
        return fake_quantize(weight.detach(), self.bits) + (weight - weight.detach())

    def extra_repr(self) -> str:
        """Show the bits where the module is printed."""
        return f"bits={self.bits}"


def fake_quantize(weight: Tensor, bits: int) -> Tensor:
    """Return a tensor rounded to ``bits`` bits, half to even; see ``FakeQuantization``."""
    largest = 2 ** (bits - 1) - 1
    values = weight if weight.dtype == torch.float64 else weight.float()
    scale = values.abs().amax() / largest
    rounded = scale * torch.round(values / scale).clamp(-largest, largest)
    return torch.where(scale > 0, rounded, values).to(weight.dtype)


def quantize_weights(model: nn.Module, bits: int, exclude: tuple[str, ...] = ()) -> list[str]:
    """Round ``module.weight`` of every module that has a trainable one, from now on, wherever it is read.

    Normalization layers are among them unless excluded; biases and parameters of other names never are. Attach it
    before the optimizer is made or after, the parameters stay the same objects.

    Args:
        model: changed in place.
        bits: of a rounded weight; from 32 on nothing is done.
        exclude: parts of module names that are left alone, such as ``("bn",)`` for a residual network.

    Returns:
        Names of the modules, in the order of the model.

    Raises:
        InputError: bits below 2, an exclusion that matches everything, or a weight that is parametrized already.
            Nothing is attached then.

    Example:
        >>> quantize_weights(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4)), bits=4)
        ['0', '2']
    """
    if bits < 2:
        raise InputError(f"{counted(bits, 'bit')}, wanted 2 to 31 to round weights, or 32 to leave them")
    if "" in exclude:  # so it is in every plain string
        raise InputError(f"exclude {exclude!r}, wanted a tuple of parts of module names, none of them empty")
    if bits >= 32:
        return []
    chosen = [(name, module) for name, module in model.named_modules() if not any(token in name for token in exclude)]
    for name, module in chosen:
        if parametrize.is_parametrized(module, "weight"):
            raise InputError(
                f"the weight of {name or 'the model'} is parametrized already; attach once, to plain weights"
            )
    attached = []
    for name, module in chosen:
        weight = module._parameters.get("weight")
        if weight is not None and weight.requires_grad and weight.numel():
            parametrize.register_parametrization(module, "weight", FakeQuantization(bits))
            attached.append(name)
    return attached


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict that the model has without rounding and compilation: the exact weights, plain names.

    ``layer.parametrizations.weight.original`` becomes ``layer.weight``. Tensors share memory with the model. A layer's
    weight comes after its bias; ``load_state_dict`` does not mind.
    """
    return {plain_name(name): value for name, value in model.state_dict().items()}


def plain_name(name: str) -> str:
    """Return the name that a parameter has without rounding and compilation.

    >>> plain_name("_orig_mod.head.parametrizations.weight.original")
    'head.weight'
    """
    name = name.replace(COMPILED, "")
    return name.removesuffix(RAW) + "weight" if name.endswith(RAW) else name
