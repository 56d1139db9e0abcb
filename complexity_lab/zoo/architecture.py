"""The names of a model's tensors in the order of the model, from the ``config.json`` that lies beside its weights.

The architecture that it names is built on torch's meta device: no memory is allocated and nothing is initialized. Code
that a repository brings with it is never run.
"""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.weights.order import Ordering, OrderRule

if TYPE_CHECKING:
    from torch import nn

CONFIG = "config.json"
# What constructors raise for options that do not fit, and for values that tensors on the meta device do not have.
_NOT_BUILT = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, ImportError)


def ordering_of(path: Path, order: OrderRule) -> Ordering:
    """Return how the tensors of a file of weights are to be ordered, with the model's names where they are wanted."""
    wanted = order == "model" and path.suffix == ".safetensors"
    return Ordering(order, names_beside(path.parent) if wanted else ())


def names_beside(directory: Path) -> tuple[str, ...]:
    """Return dotted names of parameters and buffers in the order of the model that a directory's configuration tells.

    Empty if it tells none: no file, or a damaged one; an architecture that the installed timm or transformers does not
    know, or that cannot be built without memory; a model of transformers where that is not installed. Whoever reads the
    weights says by their ``order_rule`` what became of it.
    """
    config = _read(directory / CONFIG)
    module = _of_timm(config) or _of_transformers(config)
    return () if module is None else tuple(module.state_dict())


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _of_timm(config: Mapping[str, Any]) -> nn.Module | None:
    """Build the ``architecture`` of a configuration as timm's hub repositories have it, with its number of classes."""
    name = config.get("architecture")
    if not isinstance(name, str):
        return None
    import timm
    import torch

    if not timm.is_model(name):
        return None
    options = {key: config[key] for key in ("num_classes", "global_pool") if key in config}
    arguments = config.get("model_args")
    options |= arguments if isinstance(arguments, dict) else {}
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")  # timm's own notes on options, such as deprecated layers
            built: nn.Module = timm.create_model(name, pretrained=False, **options)
    except _NOT_BUILT:
        return None
    return built


def _of_transformers(config: Mapping[str, Any]) -> nn.Module | None:
    """Build the first of the ``architectures`` of a configuration of transformers, from its own classes alone."""
    names, kind = config.get("architectures"), config.get("model_type")
    if not (isinstance(names, list) and names and isinstance(names[0], str) and isinstance(kind, str)):
        return None
    if importlib.util.find_spec("transformers") is None:
        return None
    import torch

    transformers: Any = importlib.import_module("transformers")
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            settings = transformers.CONFIG_MAPPING[kind].from_dict(dict(config))
            built: nn.Module = getattr(transformers, names[0])(settings)
    except _NOT_BUILT:
        return None
    return built
