"""Scikit-learn's 1797 handwritten digits, scaled and divided into training, validation and test images.

The three parts are three types: a test image where a training image is wanted does not type-check.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from complexity_lab.zoo.digits_recipes import SPLIT, Split

NUM_CLASSES = 10


@dataclass(frozen=True)
class Images:
    """Digits: ``pixels`` is ``(n, 3, 32, 32)`` float32, standardised by the training pixels; ``labels`` ``(n,)``."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class TrainingImages(Images):
    """The digits that weights are fitted to."""


class ValidationImages(Images):
    """The digits that recipes are chosen by."""


class TestImages(Images):
    """The digits that only finished weights see."""

    __test__ = False  # not a pytest class


@dataclass(frozen=True)
class Digits:
    """Three disjoint parts of the 1797 digits."""

    training: TrainingImages
    validation: ValidationImages
    test: TestImages


@cache
def digits(split: Split = SPLIT) -> Digits:
    """Return the digits, scaled bilinearly and divided so that each part has the same shares of the ten classes."""
    from sklearn.datasets import load_digits  # imported here: weights from the cache need none of it

    images, labels = load_digits(return_X_y=True)
    classes = torch.as_tensor(labels, dtype=torch.int64)
    training, validation, test = split_indices(classes, split)
    grey = torch.as_tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8)
    scaled = F.interpolate(grey, size=(split.size, split.size), mode="bilinear", align_corners=False)
    fitted = scaled[training]
    pixels = ((scaled - fitted.mean()) / fitted.std()).repeat(1, split.channels, 1, 1)
    return Digits(
        training=TrainingImages(pixels[training], classes[training]),
        validation=ValidationImages(pixels[validation], classes[validation]),
        test=TestImages(pixels[test], classes[test]),
    )


def split_indices(classes: Tensor, split: Split) -> tuple[list[int], list[int], list[int]]:
    """Return the indices of the training, validation and test images, stratified by class."""
    from sklearn.model_selection import train_test_split

    rest, test = train_test_split(range(len(classes)), test_size=split.test, stratify=classes, random_state=split.seed)
    share_of_rest = split.validation / (1 - split.test)
    training, validation = train_test_split(
        rest, test_size=share_of_rest, stratify=classes[rest], random_state=split.seed
    )
    return training, validation, test
