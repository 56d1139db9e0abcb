"""The zoos by name."""

from __future__ import annotations

from pathlib import Path

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.weights.order import OrderRule, checked_rule
from complexity_lab.zoo.card import Zoo

ZOOS = ("digits", "timm", "checkpoints")


def open_zoo(name: str, *, path: Path | None = None, order: OrderRule = "model") -> Zoo:
    """Return a zoo; cheap, since models are opened one by one.

    Args:
        name: one of ``ZOOS``.
        path: for ``timm`` a directory of ``NAME.safetensors`` instead of the hub; for ``checkpoints`` the directory
            or list of pairs.
        order: of the tensors in files, see ``CheckpointZoo``; networks that are built here are in their own.

    Raises:
        UnknownNameError: no such zoo.
        InputError: the path is missing, or given to a zoo that takes none; an unknown order, or one for a zoo that
            builds its networks.
    """
    if checked_rule(order) != "model" and name in ("digits", "timm"):
        raise InputError(f"the {name} zoo builds its networks, whose order is known; leave the order {order} out")
    if name == "digits":
        from complexity_lab.zoo.digits import DigitsZoo

        if path is not None:
            raise InputError(f"the digits zoo trains its own networks and takes no weights; leave {path} out")
        return DigitsZoo()
    if name == "timm":
        from complexity_lab.zoo.from_timm import TimmZoo

        return TimmZoo(weights_dir=path)
    if name == "checkpoints":
        from complexity_lab.zoo.from_checkpoints import CheckpointZoo

        if path is None:
            raise InputError("the checkpoints zoo needs --weights: a directory, or a TOML or CSV list of pairs")
        return CheckpointZoo(path, order=order)
    hint = nearest_names(name, ZOOS) or f"; there are {', '.join(ZOOS)}"
    raise UnknownNameError(f"unknown zoo {name!r}{hint}")
