"""Recipes that ship with the package: TOML files, and the paper's by network, data set and preset."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.training.recipe import Recipe

Preset = Literal["paper", "reference", "quick"]
PRESETS: tuple[Preset, ...] = ("paper", "reference", "quick")
RECIPES = Path(__file__).with_name("recipes")


@cache
def read_recipes(name: str) -> Mapping[str, Any]:
    """Return the tables of ``recipes/NAME.toml``; not to be changed."""
    return tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))


def recipe_of(*tables: Mapping[str, Any]) -> Recipe:
    """Return the recipe of tables of a TOML file, later ones over earlier ones."""
    merged: dict[str, Any] = {key: value for table in tables for key, value in table.items()}
    merged["qat_exclude"] = tuple(merged.get("qat_exclude", ()))
    return Recipe(**merged)


def recipe_for(model: str, dataset: str, preset: Preset = "paper", *, kind: str | None = None) -> Recipe:
    """Return the recipe of a network on a data set, as the MoMos paper trains it.

    Args:
        model: a network of the recipes ``momos``, or with ``kind`` any name of timm.
        dataset: digits get fewer epochs and 32x32 images.
        preset: ``paper`` (at most 200 epochs, patience 20), ``reference`` (200 epochs, as the paper's program trains),
            ``quick`` (a tenth of the epochs).
        kind: train like an ``mlp``, a ``resnet`` or a ``vit``.

    Raises:
        UnknownNameError: the network has no recipe; the message names those that have one.
        InputError: unknown preset.
    """
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r}, wanted one of {', '.join(PRESETS)}")
    shipped = read_recipes("momos")
    network = shipped["networks"].get(model, {})
    own = dict(shipped["kinds"][_kind_of(model, kind)])
    if kind is None:
        own |= {key: value for key, value in network.items() if key != "kind"}
    on_digits = network.get("digits", own["digits"])
    del own["digits"]
    small = (shipped["digits"], on_digits) if dataset == "digits" else ()
    recipe = recipe_of(shipped["common"], own, *small)
    if preset == "reference":
        return replace(recipe, patience=None)
    return replace(recipe, epochs=-(-(recipe.epochs or 1) // 10)) if preset == "quick" else recipe


def _kind_of(model: str, kind: str | None) -> str:
    """Return what a network is trained like."""
    shipped = read_recipes("momos")
    kinds, networks = tuple(shipped["kinds"]), tuple(shipped["networks"])
    if kind is None and model in networks:
        return str(shipped["networks"][model]["kind"])
    if kind is None:
        raise UnknownNameError(
            f"no recipe for {model!r}{nearest_names(model, networks)}; recipes: {', '.join(networks)}; for another "
            f"network say which to train it like: {', '.join(kinds)}"
        )
    if kind not in kinds:
        raise UnknownNameError(f"unknown recipe {kind!r}{nearest_names(kind, kinds)}; known: {', '.join(kinds)}")
    return kind
