"""How each network of the digits zoo is built and trained: a table of constants, readable without torch.

A recipe and the data split (``SPLIT``) decide the weights of a seed; ``recipe_hash`` names them in the cache.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

Option = str | int | float | bool | tuple[int, ...]

RECIPE_VERSION = 1  # raise it when training code changes the weights that a recipe gives


@dataclass(frozen=True, kw_only=True)
class Split:
    """How the 1797 digits are scaled and divided; shares of the whole, the rest is for training."""

    seed: int = 0
    validation: float = 0.1
    test: float = 0.2
    size: int = 32  # pixels per side, from 8
    channels: int = 3  # copies of the one grey channel


SPLIT = Split()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One architecture and its training.

    ``constructor`` is ``module:callable``; it is called with ``options`` and ``num_classes=10``.
    """

    architecture: str
    family: str
    constructor: str
    options: tuple[tuple[str, Option], ...]
    parameters: int  # trainable; a test compares it with the module
    epochs: int  # passes over the training images
    batch_size: int  # images
    learning_rate: float  # of AdamW; peak of the schedule: linear warm-up, then half a cosine down to 0
    weight_decay: float = 0.05  # on tensors of two or more axes
    warmup: float = 0.1  # share of all steps
    shift: int = 2  # largest random shift of a training image along each axis, pixels of the scaled image
    clip_norm: float = 1.0  # largest gradient norm

    @property
    def hash(self) -> str:
        """Return 12 hexadecimal digits that change with everything that changes the weights."""
        return recipe_hash(self)


# What a recipe says about a network without changing its weights.
_DESCRIPTIVE = ("architecture", "family", "parameters")


def recipe_hash(recipe: Recipe) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of everything in a recipe that changes the weights."""
    deciding = {key: value for key, value in asdict(recipe).items() if key not in _DESCRIPTIVE}
    text = json.dumps([RECIPE_VERSION, asdict(SPLIT), deciding], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _options(**options: Option) -> tuple[tuple[str, Option], ...]:
    return tuple(options.items())


_MLP = "complexity_lab.momos.models:MLP"
_RESNET = "complexity_lab.momos.models:CifarResNet"
_TIMM = "timm:create_model"

# One optimizer and one schedule for all, so that families differ by architecture and not by how they were trained.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        architecture="mlp_12",
        family="mlp",
        constructor=_MLP,
        options=_options(hidden=(12,)),
        parameters=37_006,
        epochs=20,
        batch_size=32,
        learning_rate=4e-3,
        shift=1,
    ),
    Recipe(
        architecture="mlp_288x2",
        family="mlp",
        constructor=_MLP,
        options=_options(hidden=(288, 288)),
        parameters=971_146,
        epochs=10,
        batch_size=32,
        learning_rate=1e-3,
        shift=1,
    ),
    Recipe(
        architecture="mlp_1536_768",
        family="mlp",
        constructor=_MLP,
        options=_options(hidden=(1536, 768)),
        parameters=5_908_234,
        epochs=8,
        batch_size=64,
        learning_rate=1e-3,
        shift=1,
    ),
    Recipe(
        architecture="resnet8_w6",
        family="resnet",
        constructor=_RESNET,
        options=_options(depth=8, width=6, stem_stride=2),
        parameters=10_960,
        epochs=8,
        batch_size=32,
        learning_rate=1e-2,
    ),
    Recipe(
        architecture="resnet20_w16",
        family="resnet",
        constructor=_RESNET,
        options=_options(depth=20, width=16, stem_stride=2),
        parameters=269_722,
        epochs=10,
        batch_size=64,
        learning_rate=4e-3,
    ),
    Recipe(
        architecture="densenet_k12",
        family="densenet",
        constructor="timm.models.densenet:DenseNet",
        options=_options(growth_rate=12, block_config=(3, 3, 3)),
        parameters=74_614,
        epochs=10,
        batch_size=64,
        learning_rate=4e-3,
    ),
    Recipe(
        architecture="convnext_16_128",
        family="convnext",
        constructor=_TIMM,
        options=_options(
            model_name="convnext_atto",
            depths=(1, 1, 2, 1),
            dims=(16, 32, 64, 128),
            conv_mlp=False,
            ls_init_value=0.1,
        ),
        parameters=270_298,
        epochs=12,
        batch_size=32,
        learning_rate=4e-3,
    ),
    Recipe(
        architecture="convnext_40_320",
        family="convnext",
        constructor=_TIMM,
        options=_options(
            model_name="convnext_atto",
            depths=(1, 1, 1, 3),
            dims=(40, 80, 160, 320),
            conv_mlp=False,
            ls_init_value=0.1,
        ),
        parameters=3_074_130,
        epochs=10,
        batch_size=64,
        learning_rate=2e-3,
    ),
    Recipe(
        architecture="mobilenetv3_small_050",
        family="mobilenet",
        constructor=_TIMM,
        options=_options(model_name="mobilenetv3_small_050"),
        parameters=578_474,
        epochs=15,
        batch_size=128,
        learning_rate=8e-3,
    ),
    Recipe(
        architecture="tinynet_e",
        family="efficientnet",
        constructor=_TIMM,
        options=_options(model_name="tinynet_e"),
        parameters=774_782,
        epochs=10,
        batch_size=64,
        learning_rate=4e-3,
    ),
    Recipe(
        architecture="vit_d96x4",
        family="vit",
        constructor=_TIMM,
        options=_options(model_name="vit_tiny_patch16_224", img_size=32, embed_dim=96, depth=4, num_heads=3),
        parameters=522_922,
        epochs=20,
        batch_size=64,
        learning_rate=2e-3,
        shift=1,
    ),
    Recipe(
        architecture="deit_tiny_patch16",
        family="vit",
        constructor=_TIMM,
        options=_options(model_name="deit_tiny_patch16_224", img_size=32),
        parameters=5_489_482,
        epochs=10,
        batch_size=64,
        learning_rate=5e-4,
    ),
    Recipe(
        architecture="mixer_d96x4",
        family="mixer",
        constructor="timm.models.mlp_mixer:MlpMixer",
        options=_options(img_size=32, patch_size=8, embed_dim=96, num_blocks=4),
        parameters=324_458,
        epochs=15,
        batch_size=64,
        learning_rate=2e-3,
    ),
    Recipe(
        architecture="poolformer_32_256",
        family="metaformer",
        constructor="timm.models.metaformer:MetaFormer",
        options=_options(depths=(1, 1, 2, 1), dims=(32, 64, 128, 256)),
        parameters=1_498_132,
        epochs=10,
        batch_size=64,
        learning_rate=2e-3,
    ),
)
