"""What networks learn while they are measured: scikit-learn's digits, and addition modulo a number."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from complexity_lab.errors import InputError
from complexity_lab.training.digits import digits
from complexity_lab.training.examples import Examples, Splits, TestExamples, TrainingExamples, ValidationExamples
from complexity_lab.training.recipe import DigitsSplit, Labels

DIGITS_SPLIT = DigitsSplit(
    seed=0, validation=0.2, test=0.2, size=8, channels=1
)  # 1077, 360 and 360 digits of 8x8 pixels
DIGITS_TRAINING = 1077


def digits_task(examples: int = DIGITS_TRAINING, *, labels: Labels = "true", subset: torch.Generator) -> Splits:
    """Return the digits, float32 ``[n, 64]``, with only some of the training images, classes as equal as can be.

    For one generator state the images of a smaller subset are among those of a larger one. Pixels are standardised by
    all 1,077 training images, used or not. Validation and test are the same for every subset and keep their labels.

    Args:
        examples: training images, 1 to 1,077.
        labels: ``random`` permutes the labels of the chosen training images: nothing but memory can fit them.
        subset: chooses the images, and permutes labels.

    Raises:
        InputError: ``examples`` out of its range.
    """
    data = digits(DIGITS_SPLIT)
    if not 1 <= examples <= len(data.training):
        raise InputError(f"{examples} training digits, wanted 1 to {len(data.training)}")
    chosen = balanced_order(data.training.labels, subset)[:examples]
    training = TrainingExamples(_flat(data.training)[chosen], data.training.labels[chosen])
    return replace(
        data,
        training=_permuted(training, subset) if labels == "random" else training,
        validation=ValidationExamples(_flat(data.validation), data.validation.labels),
        test=TestExamples(_flat(data.test), data.test.labels),
    )


def addition_task(
    modulus: int, examples: int | None = None, *, labels: Labels = "true", split: torch.Generator
) -> Splits:
    """Return all pairs of numbers below ``modulus``, int64 ``[n, 2]``, with their sums, in three parts drawn at random.

    Args:
        modulus: 2 or more; 97 in the literature on grokking.
        examples: training pairs; half of all if None. What is left is halved into validation and test.
        labels: ``random`` permutes the labels of the training pairs.
        split: draws the parts, and permutes labels.

    Raises:
        InputError: a modulus below 2, or no pairs left to validate or test with.
    """
    if modulus < 2:
        raise InputError(f"modulus {modulus}, wanted 2 or more")
    total = modulus * modulus
    size = total // 2 if examples is None else examples
    held = (total - size) // 2
    if size < 1 or held < 1:
        raise InputError(f"{size} of {total} pairs for training, wanted 1 to {total - 2}: two parts are held out")
    numbers = torch.arange(modulus)
    pairs = torch.cartesian_prod(numbers, numbers)
    order = torch.randperm(total, generator=split)
    sums = pairs.sum(1) % modulus
    first, second, third = order[:size], order[size : size + held], order[size + held :]
    training = TrainingExamples(pairs[first], sums[first])
    return Splits(
        training=_permuted(training, split) if labels == "random" else training,
        validation=ValidationExamples(pairs[second], sums[second]),
        test=TestExamples(pairs[third], sums[third]),
        classes=modulus,
    )


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random order ``[n]`` in which every beginning holds the classes as equally often as can be.

    >>> order = balanced_order(torch.tensor([0, 0, 0, 0, 1, 1]), torch.Generator().manual_seed(0))
    >>> torch.tensor([0, 0, 0, 0, 1, 1])[order[:4]].bincount().tolist()
    [2, 2]
    """
    mixed = torch.randperm(len(labels), generator=generator)
    rank = torch.empty_like(mixed)
    for name in range(int(labels.max()) + 1):
        places = (labels[mixed] == name).nonzero().flatten()
        rank[places] = torch.arange(len(places))
    return mixed[rank.argsort(stable=True)]  # stable: within a round, classes in the order of the permutation


def _flat(images: Examples) -> Tensor:
    return images.inputs.flatten(1)


def _permuted(training: TrainingExamples, generator: torch.Generator) -> TrainingExamples:
    """Return the inputs with labels of one another: as many of each class, and nothing to learn."""
    return TrainingExamples(training.inputs, training.labels[torch.randperm(len(training), generator=generator)])
