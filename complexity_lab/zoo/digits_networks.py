"""The networks of the digits zoo: how each is built and trained, readable without torch.

A network and the data split (``SPLIT``) decide the weights of a seed; ``DigitsNetwork.hash`` names them in the cache.
"""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from complexity_lab.training.profiles import recipe_of
from complexity_lab.training.recipe import DigitsSplit, Recipe

Option = str | int | float | bool | tuple[int, ...]

RECIPE_VERSION = 1  # raise it when training code changes the weights that a recipe gives
SPLIT = DigitsSplit()

# What version 1 named in its hash, and what all its networks shared without being named.
_NAMED = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup", "shift", "clip_norm")
_SHARED = {
    "optimizer": "adamw",
    "decays": "matrices",
    "schedule": "warmup_cosine",
    "last_batch": "drop",
    "augmentation": "shift",
}


@dataclass(frozen=True, kw_only=True)
class DigitsNetwork:
    """One architecture and its training.

    Attributes:
        architecture: its name.
        family: of architectures.
        constructor: ``module:callable``, called with ``options`` and ``num_classes=10``.
        options: names and values.
        parameters: trainable; a test compares it with the module.
        recipe: how it is trained.
    """

    architecture: str
    family: str
    constructor: str
    options: tuple[tuple[str, Option], ...]
    parameters: int
    recipe: Recipe

    @property
    def hash(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of everything that changes the weights."""
        recipe = asdict(self.recipe)
        deciding = {name: recipe[name] for name in _NAMED} | {"constructor": self.constructor, "options": self.options}
        usual = {field.name: _SHARED.get(field.name, field.default) for field in fields(Recipe)}
        deciding |= {name: recipe[name] for name in usual if name not in _NAMED and recipe[name] != usual[name]}
        text = json.dumps([RECIPE_VERSION, asdict(SPLIT), deciding], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def digits_networks() -> tuple[DigitsNetwork, ...]:
    """Return every network, smallest first in each family."""
    shipped = tomllib.loads(Path(__file__).with_name("digits.toml").read_text(encoding="utf-8"))
    return tuple(_network(name, shipped["common"], facts) for name, facts in shipped["networks"].items())


def _network(name: str, common: dict[str, Any], facts: dict[str, Any]) -> DigitsNetwork:
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in facts["options"].items()}
    return DigitsNetwork(
        architecture=name,
        family=facts["family"],
        constructor=facts["constructor"],
        options=tuple(options.items()),
        parameters=facts["parameters"],
        recipe=recipe_of(common, facts["recipe"]),
    )
