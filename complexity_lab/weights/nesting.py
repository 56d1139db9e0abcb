"""What of a checkpoint is the model: training scripts wrap state dicts, or nest several in one mapping.

The rule, so that a part is never measured as if it were the model:

1. A mapping of tensors under one of ``WRAPPERS`` is the model. Beside it, numbers, strings, single-valued tensors and
   training state (optimizer, scheduler, scaler, moving averages, ...) are ignored; any other floating-point tensor
   there is an error, since it may be another part of the model.
2. Without a wrapper everything is the model: nested mappings and lists become dotted names (``generator.conv.weight``),
   and what is not a tensor stays under its name, to be reported as skipped. So does the state of an optimizer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from complexity_lab.arrays import dtype_name, is_array, shape_of
from complexity_lab.errors import WeightsError

WRAPPERS = ("state_dict", "model", "model_state_dict", "module")  # keys under which training scripts keep the weights
_TRAINING = ("optim", "sched", "scaler", "ema", "rng", "callback", "loss", "criterion", "hyper")  # beginnings of words


def flat_state(loaded: Mapping[Any, Any], label: str) -> dict[str, Any]:
    """Return name -> entry of the model in a checkpoint, tensors and other entries alike, by the rule above.

    Raises:
        WeightsError: it is not clear what the model is, two entries have one name, or a name is not valid Unicode.
    """
    flat: dict[str, Any] = {}
    try:
        for name, value in _leaves("", _unwrapped(loaded, label)):
            if name in flat:
                raise WeightsError(f"{label} holds two entries that are both named {name}; rename one")
            flat[_readable(name, label)] = value
    except RecursionError:
        raise WeightsError(f"{label} is nested too deeply; save one state dict of tensors") from None
    return flat


def _unwrapped(loaded: Mapping[Any, Any], label: str) -> Mapping[Any, Any]:
    for _ in WRAPPERS:  # a mapping may hold itself
        wrappers = [key for key in WRAPPERS if isinstance(loaded.get(key), Mapping) and _holds_tensors(loaded[key])]
        if not wrappers:
            return loaded
        for key, value in loaded.items():
            if key != wrappers[0] and not _is_training_state(key, value) and _holds_weights(value):
                raise WeightsError(
                    f"{label} holds weights in {key!r} beside {wrappers[0]!r}, and either may be the model; "
                    "save the state dict of the model alone"
                )
        loaded = loaded[wrappers[0]]
    return loaded


def _leaves(prefix: str, nested: Any) -> Iterator[tuple[str, Any]]:
    for key, value in _children(nested):
        if is_array(value) or _is_optimizer(value) or not _holds_tensors(value):
            yield f"{prefix}{key}", value
        else:
            yield from _leaves(f"{prefix}{key}.", value)


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the entries of a mapping or a list; anything else has none."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)


def _holds_tensors(value: Any) -> bool:
    return is_array(value) or any(_holds_tensors(child) for _, child in _children(value))


def _holds_weights(value: Any) -> bool:
    """Tell whether there is a floating-point tensor of more than one value (a best accuracy is a tensor too)."""
    if is_array(value):
        return "float" in dtype_name(value) and math.prod(shape_of(value)) > 1
    return any(_holds_weights(child) for _, child in _children(value))


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, Mapping) and "param_groups" in value


def _is_training_state(key: Any, value: Any) -> bool:
    words = re.split("[^a-z]+", str(key).lower())
    return _is_optimizer(value) or any(word.startswith(_TRAINING) for word in words)


def _readable(name: str, label: str) -> str:
    """Return the name unless no table can store it; a damaged pickle may hold half a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise WeightsError(f"{label} holds an entry named {name!r}, which is not valid Unicode; rename it") from None
    return name
