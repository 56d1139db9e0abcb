"""How many steps a training has, which rate each of them takes, and which of them are measured."""

from __future__ import annotations

from functools import cache
from math import cos, floor, log10, pi

from complexity_lab.errors import InputError
from complexity_lab.training.recipe import Recipe


def used_examples(examples: int, recipe: Recipe) -> int:
    """Return how many training examples an epoch uses; the others sit it out, see ``Recipe.last_batch``."""
    left = 0 if recipe.batch_size is None else examples % recipe.batch_size
    drops = recipe.last_batch == "drop" or (recipe.last_batch == "drop_single" and left == 1 < examples)
    return examples - left if drops else examples


def steps_per_epoch(examples: int, recipe: Recipe) -> int:
    """Return the optimizer steps of an epoch.

    >>> recipe = Recipe(optimizer="sgd", learning_rate=0.1, weight_decay=0, batch_size=128, epochs=1)
    >>> [steps_per_epoch(examples, recipe) for examples in (256, 257, 1)]
    [2, 3, 1]
    """
    return 1 if recipe.batch_size is None else -(-used_examples(examples, recipe) // recipe.batch_size)


def total_steps(per_epoch: int, recipe: Recipe) -> int:
    """Return the steps of a training that nothing ends early."""
    return recipe.steps if recipe.steps is not None else per_epoch * (recipe.epochs or 0)


def learning_rate(recipe: Recipe, step: int, per_epoch: int) -> float:
    """Return the rate of a step, counted from 0; steps after the last have the last one's."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "cosine":
        rates = _each_epoch(recipe.learning_rate, recipe.epochs or 1)
        return rates[min(step // per_epoch, len(rates) - 1)]
    steps = total_steps(per_epoch, recipe)
    warm = max(1, round(recipe.warmup * steps))
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * 0.5 * (1 + cos(pi * (step - warm) / max(1, steps - warm)))


@cache
def _each_epoch(rate: float, epochs: int) -> tuple[float, ...]:
    """Return half a cosine, each rate from the one before, as ``CosineAnnealingLR`` does: the last bits are its own."""
    rates = [rate]
    for epoch in range(1, epochs):
        rates.append((1 + cos(pi * epoch / epochs)) / (1 + cos(pi * (epoch - 1) / epochs)) * rates[-1])
    return tuple(rates)


def measured_steps(steps: int, per_decade: int) -> tuple[int, ...]:
    """Return the steps at which a training is measured: 0, whole numbers even in the logarithm, and the last one.

    >>> measured_steps(100, 3)
    (0, 1, 2, 5, 10, 22, 46, 100)

    Raises:
        InputError: fewer than one step, or per decade.
    """
    if steps < 1 or per_decade < 1:
        raise InputError(f"{steps} steps, {per_decade} measurements per decade; wanted 1 or more of each")
    count = floor(per_decade * log10(steps) + 1e-9) + 1
    return tuple(sorted({0, steps, *(round(10 ** (place / per_decade)) for place in range(count))}))
