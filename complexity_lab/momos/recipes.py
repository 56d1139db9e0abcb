"""How each network is trained: the paper's hyper-parameters, and what small data changes about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from complexity_lab.errors import InputError, UnknownNameError, nearest_names

Preset = Literal["paper", "reference", "quick"]
PRESETS: tuple[Preset, ...] = ("paper", "reference", "quick")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyper-parameters of one training.

    Attributes:
        model: name of the network, see ``networks.build_model``.
        optimizer: SGD with momentum, or AdamW.
        learning_rate: at the start; half a cosine down to 0 over ``epochs``, one step per epoch.
        weight_decay: of every trainable parameter.
        momentum: of SGD.
        epochs: at most.
        batch_size: images.
        image_size: pixels per side; images of another size are resized.
        patience: epochs without a lower validation loss after which training stops; None never stops.
        qat_exclude: modules whose names hold one of these are not rounded by quantization-aware training.
    """

    model: str
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    weight_decay: float
    momentum: float = 0.0
    epochs: int = 200
    batch_size: int = 128
    image_size: int = 32
    patience: int | None = 20
    qat_exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epochs", "batch_size", "image_size"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} is {getattr(self, name)}, wanted above 0")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience is {self.patience} epochs, wanted at least 1")


_RESNET = Recipe(
    model="resnet", optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=1e-4, qat_exclude=("bn",)
)
_MLP = Recipe(model="mlp", optimizer="adamw", learning_rate=3e-4, weight_decay=1e-2)
_VIT = replace(_MLP, model="vit", image_size=224)
KINDS = {"mlp": _MLP, "resnet": _RESNET, "vit": replace(_VIT, qat_exclude=("norm",))}
RECIPES = {
    "mlp": replace(_MLP, model="mlp"),
    "mlp5": replace(_MLP, model="mlp5"),
    **{f"resnet{depth}": replace(_RESNET, model=f"resnet{depth}") for depth in (20, 32, 44, 56, 110)},
    "tiny_vit_5m": replace(_VIT, model="tiny_vit_5m"),
    "mobilevit_xxs": replace(_VIT, model="mobilevit_xxs"),
}

# 1,257 training images are 10 batches of 128: fewer epochs, smaller batches where steps are too few, and for AdamW a
# rate that gets somewhere in a hundred steps. Everything else is the paper's. Images stay at 32x32.
_ON_DIGITS: dict[str, dict[str, float]] = {
    "mlp": {"epochs": 10, "learning_rate": 1e-3},
    "mlp5": {"epochs": 10, "learning_rate": 1e-3},
    "tiny_vit_5m": {"epochs": 3, "learning_rate": 2e-3, "batch_size": 40},
    "mobilevit_xxs": {"epochs": 6, "learning_rate": 2e-3, "batch_size": 64},
}
_ON_DIGITS_RESNET = {"epochs": 4, "batch_size": 16}


def recipe_for(model: str, dataset: str, preset: Preset = "paper", *, kind: str | None = None) -> Recipe:
    """Return the recipe of a network on a data set.

    Args:
        model: a name in ``RECIPES``, or with ``kind`` any name of timm.
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
    recipe = _named(model, kind)
    if dataset == "digits":
        changes = _ON_DIGITS.get(model, _ON_DIGITS_RESNET if recipe.optimizer == "sgd" else {"epochs": 10})
        recipe = replace(recipe, image_size=32, **changes)
    if preset == "reference":
        return replace(recipe, patience=None)
    return replace(recipe, epochs=-(-recipe.epochs // 10)) if preset == "quick" else recipe


def _named(model: str, kind: str | None) -> Recipe:
    if kind is not None:
        if kind not in KINDS:
            raise UnknownNameError(
                f"unknown recipe {kind!r}{nearest_names(kind, tuple(KINDS))}; known: {', '.join(KINDS)}"
            )
        return replace(KINDS[kind], model=model)
    if model in RECIPES:
        return RECIPES[model]
    raise UnknownNameError(
        f"no recipe for {model!r}{nearest_names(model, tuple(RECIPES))}; recipes: {', '.join(RECIPES)}; for another "
        f"network say which to train it like: {', '.join(KINDS)}"
    )
