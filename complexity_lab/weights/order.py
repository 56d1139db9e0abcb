"""The order of the tensors of a file: the model's where something tells it, else a natural one.

The stream of a model is cut into blocks of 12 bits that run over the borders of tensors, so the same tensors in
another order have another BDM: by 1.2 % for a vision transformer of twelve narrow blocks in alphabetical order, where
``blocks.10`` comes before ``blocks.2`` and ``head`` before ``patch_embed``.

Natural order compares names part by part, split at the dots, and numbers in them as numbers. Of the entries of one
module

1. its own parameters come before its submodules, as torch registers them,
2. embeddings and the stem come first; the decoder, the final norm and the head last, in this order. Inside of numbered
   layers no part is first or last: a norm there is not the final one,
3. among parameters weights come first and biases last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Literal, get_args

from complexity_lab.errors import InputError

OrderRule = Literal["model", "natural", "file"]
ORDER_RULES: tuple[OrderRule, ...] = get_args(OrderRule)

_FIRST, _BODY, _DECODER, _FINAL_NORM, _HEAD = range(5)
_STEMS = {"stem", "embed", "embeds", "embedding", "embeddings", "embedder", "token", "tokens", "wte", "wpe", "shared"}
_STEM_NAMES = {"conv1", "bn1", "norm_pre", "ln_pre", "pre_layernorm", "pre_layrnorm"}
_HEADS = {"head", "heads", "classifier", "logits", "pooler", "unembed"}
_HEAD_NAMES = {"fc", "cls", "score", "embed_out", "attn_pool", "last_linear"}
_FINAL_NORMS = {
    *("norm", "norm_f", "ln_f", "ln_final", "ln_post", "layernorm", "layer_norm", "final_norm", "fc_norm"),
    *("final_layernorm", "final_layer_norm", "post_layernorm"),
}
_WEIGHTS, _BIASES = ("weight", "kernel", "gamma"), ("bias", "beta")
_NUMBER = re.compile("([0-9]+)")
_Key = tuple[tuple[Any, ...], ...]


def checked_rule(order: str) -> OrderRule:
    """Return a rule that was named.

    Raises:
        InputError: there is no such rule.
    """
    for rule in ORDER_RULES:
        if order == rule:
            return rule
    raise InputError(f"order {order!r}, wanted {', '.join(ORDER_RULES[:-1])} or {ORDER_RULES[-1]}")


@dataclass(frozen=True)
class Ordering:
    """Which order is asked for, and what is known of the model's.

    Attributes:
        asked: ``model``; ``natural``; or ``file``, the order in which the file names its tensors.
        model: dotted names of the tensors in the model's order, empty if nothing tells them.
    """

    asked: OrderRule = "model"
    model: tuple[str, ...] = ()

    def rule(self, names: Iterable[str]) -> OrderRule:
        """Return what the tensors of a file with these names are ordered by: natural where no model tells more."""
        if self.asked == "model" and (not self.model or in_model_order(list(names), self.model) is None):
            return "natural"
        return self.asked

    def ordered(self, names: Sequence[str]) -> list[str]:
        """Return the names of a file, given in its own order, in the order that was asked for."""
        if self.asked == "file":
            return list(names)
        known = in_model_order(names, self.model) if self.asked == "model" else None
        return natural_order(names) if known is None else known


MODEL_ORDER: Final = Ordering()


def natural_order(names: Iterable[str]) -> list[str]:
    """Return dotted names in natural order, see the module; it does not depend on the order they come in.

    >>> natural_order(["head.weight", "blocks.10.weight", "blocks.2.bias", "blocks.2.weight", "patch_embed.weight"])
    ['patch_embed.weight', 'blocks.2.weight', 'blocks.2.bias', 'blocks.10.weight', 'head.weight']
    """
    return sorted(names, key=_key)


def in_model_order(names: Sequence[str], model: Sequence[str]) -> list[str] | None:
    """Return the names in the order of a model's, those that it does not know at the end in natural order.

    Names may differ from the model's by a prefix that all of them have or lack (``module.``, ``model.``).
    None if the model knows less than half of them: then it is another model.

    >>> in_model_order(["module.a", "module.b", "module.c"], ["c", "a"])
    ['module.c', 'module.a', 'module.b']
    """
    places = _places(names, model)
    if 2 * len(places) < len(names) or not places:
        return None
    return [*sorted(places, key=places.__getitem__), *natural_order(name for name in names if name not in places)]


def _places(names: Sequence[str], model: Sequence[str]) -> dict[str, int]:
    """Return name -> place in the model, with the prefix cut or added under which most names are the model's."""
    known = {name: place for place, name in enumerate(model)}
    found = [_found({name: name for name in names}, known)]
    for prefix in _shared_prefixes(names):
        found.append(_found({name: name.removeprefix(prefix) for name in names}, known))
    for top in dict.fromkeys(name.partition(".")[0] for name in model):
        found.append(_found({name: f"{top}.{name}" for name in names}, known))
    return max(found, key=len)


def _found(own: Mapping[str, str], known: Mapping[str, int]) -> dict[str, int]:
    return {name: known[in_model] for name, in_model in own.items() if in_model in known}


def _shared_prefixes(names: Sequence[str]) -> list[str]:
    """Return every dotted beginning that all names have: ``module.``, ``module.model.``."""
    levels = zip(*(name.split(".")[:-1] for name in names), strict=False)
    shared = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, levels)]
    return [".".join([*shared[:length], ""]) for length in range(1, len(shared) + 1)]


def _key(name: str) -> _Key:
    """Return what a name sorts by; different names have different keys."""
    *modules, leaf = name.split(".")
    key, in_body = [], False
    for module in modules:
        key.append((1, _BODY if in_body else _place(module), 0, _chunks(module), module))
        in_body = in_body or _NUMBER.search(module) is not None
    key.append((0, _BODY if in_body else _place(leaf), _leaf_place(leaf), _chunks(leaf), leaf))
    return tuple(key)


def _place(part: str) -> int:
    """Return where a part of a network belongs by its name."""
    name = part.lower()
    words = set(re.split("[^a-z]+", name))
    if words & _HEADS or name in _HEAD_NAMES:
        return _HEAD
    if words & _STEMS or name in _STEM_NAMES:
        return _FIRST
    if name in _FINAL_NORMS:
        return _FINAL_NORM
    return _DECODER if name == "decoder" else _BODY


def _leaf_place(leaf: str) -> int:
    name = leaf.lower()
    if any(word in name for word in _BIASES):
        return 2
    return 0 if any(word in name for word in _WEIGHTS) else 1


def _chunks(part: str) -> tuple[str | tuple[int, str], ...]:
    """Return text and numbers in turn; a number of any length as its digits, the longer one being the larger."""
    chunks = _NUMBER.split(part.lower())
    digits = [chunk.lstrip("0") for chunk in chunks]
    return tuple((len(digits[i]), digits[i]) if i % 2 else chunk for i, chunk in enumerate(chunks))
