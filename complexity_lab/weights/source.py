"""Named tensors in model order: what every reader of weights yields and every measurement consumes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from complexity_lab.weights.order import OrderRule

Kind = Literal["matrix", "norm", "bias", "embedding", "other"]
Order = Mapping[str, tuple[int, ...]]  # name -> shape of each tensor, in the order to read them in
SCORED = ("float64", "float32", "float16", "bfloat16")  # dtypes of the parameter stream


class NamedTensor(NamedTuple):
    """One parameter tensor of a model.

    ``values`` is an array of any shape in float64, float32, float16 or ``ml_dtypes.bfloat16``. It may share memory
    with the model it came from and may be overwritten when the next tensor is read: copy it to keep it.

    ``note`` says how the values were read if not as they are stored: float8 as float16 (exactly), quantized tensors as
    their dequantized values. ``computed`` is what the model computes with where this is a raw parameter of
    ``torch.nn.utils.parametrize``: the parametrised tensor under its own name (``conv.weight``), or, for further raw
    parameters of the same one, why they have none.
    """

    name: str
    values: np.ndarray
    kind: Kind
    note: str = ""
    computed: "NamedTensor | SkippedTensor | None" = None


@dataclass(frozen=True)
class SkippedTensor:
    """A tensor that is not part of the parameter stream, and why (buffer, frozen, empty, integer)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Kind
    reason: str


Reader = Callable[[], NamedTensor | SkippedTensor]  # reads one tensor, as often as it is called


class WeightSource(Protocol):
    """Anything that yields a model's tensors, one at a time, always in the same order."""

    @property
    def label(self) -> str:
        """What is being read, for messages: a file, or a model with its state."""
        ...

    @property
    def order_rule(self) -> OrderRule:
        """What the tensors are ordered by: the model, their names in natural order, or the file."""
        ...

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield every tensor, in the order that ``order_rule`` names; may be called more than once."""
        ...


def not_scored(dtype: str) -> str:
    """Return why tensors of a dtype are no part of the stream.

    Integers of 8 to 32 bits are the weights of quantized checkpoints, whose scales lie in other tensors, in as many
    layouts as there are libraries.
    """
    reason = f"dtype {dtype} is not a float of 8 to 64 bits"
    if dtype.lower() in _CODES:
        return f"{reason}; if these are quantized weights, dequantize them with their scales and measure the result"
    return reason


_CODES = {f"{kind}{bits}" for kind in ("i", "u", "int", "uint") for bits in (8, 16, 32)}


def kind_of_name(name: str, ndim: int) -> Kind:
    """Guess a tensor's kind from its name and number of axes, where no module tells it (weights read from files)."""
    path = name.lower()
    leaf = path.rsplit(".", 1)[-1]
    parents = path.split(".")[:-1]
    if "embed" in path and leaf not in ("bias",) and "norm" not in path and "proj" not in path:
        return "embedding"
    if leaf.endswith("bias"):
        return "bias"
    if any("norm" in part or part.startswith(("bn", "ln")) for part in parents):
        return "norm"
    if ndim >= 2:
        return "matrix"
    return "norm" if leaf == "weight" else "other"
