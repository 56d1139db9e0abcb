"""Scikit-learn's 1797 handwritten digits at any size, channels and division, standardised or as bytes."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from complexity_lab.training.examples import Splits, TestExamples, TrainingExamples, ValidationExamples
from complexity_lab.training.recipe import DigitsSplit

CLASSES = 10


@cache
def digits(split: DigitsSplit = DigitsSplit()) -> Splits:  # noqa: B008 - frozen
    """Return the digits as float32 ``[n, channels, size, size]``, standardised by the training pixels."""
    grey, labels = _originals()
    parts = split_indices(labels, split.seed, split.test, split.validation / (1 - split.test))
    scaled = F.interpolate(grey, size=(split.size, split.size), mode="bilinear")
    fitted = scaled[parts[0]]
    pixels = ((scaled - fitted.mean()) / fitted.std()).repeat(1, split.channels, 1, 1)
    return divided(pixels, labels, parts, ground=float(pixels[parts[0]].min()))


def byte_digits(split: DigitsSplit, validation: float) -> Splits:
    """Return the digits as bytes ``[n, channels, size, size]``, ink bright on a dark ground, to be normalised later.

    Args:
        split: ``validation`` of it is not used.
        validation: share of what the test leaves.
    """
    grey, labels = _originals()
    parts = split_indices(labels, split.seed, split.test, validation)
    scaled = F.interpolate(grey * (255 / 16), (split.size, split.size), mode="bilinear")
    pixels = scaled.round().clamp(0, 255).byte().repeat(1, split.channels, 1, 1)
    fitted = pixels[parts[0]].double() / 255
    mean, sd = (float(fitted.mean()),) * split.channels, (float(fitted.std()),) * split.channels
    return divided(pixels, labels, parts, mean=mean, sd=sd, augmentation="shift")


def split_indices(labels: Tensor, seed: int, test: float, validation: float) -> tuple[np.ndarray, ...]:
    """Return the indices of training, validation and test examples, stratified by class.

    Args:
        labels: int64 ``[n]``.
        seed: of the division.
        test: share of all.
        validation: share of what the test leaves.
    """
    from sklearn.model_selection import train_test_split  # here: weights from the cache need none of it

    rest, held = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    fitted, validated = train_test_split(rest, test_size=validation, stratify=labels[rest], random_state=seed)
    return fitted, validated, held


def divided(inputs: Tensor, labels: Tensor, parts: tuple[np.ndarray, ...], **about: object) -> Splits:
    """Return the parts at three arrays of indices; ``about`` are further fields of ``Splits``."""
    training, validation, test = ((inputs[part], labels[part]) for part in parts)
    return Splits(
        training=TrainingExamples(*training),
        validation=ValidationExamples(*validation),
        test=TestExamples(*test),
        classes=CLASSES,
        **about,  # type: ignore[arg-type]
    )


def _originals() -> tuple[Tensor, Tensor]:
    """Return float32 ``[1797, 1, 8, 8]`` in 0..16 and labels."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    grey = torch.as_tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return grey, torch.as_tensor(classes, dtype=torch.int64)
