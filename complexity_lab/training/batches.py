"""Stored examples to what a network reads: augmented, resized, normalised, batch by batch, on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from complexity_lab.training.augment import augment, resized
from complexity_lab.training.examples import Examples, Splits
from complexity_lab.training.recipe import Recipe
from complexity_lab.training.schedules import used_examples
from complexity_lab.training.streams import Streams

Batch = tuple[Tensor, Tensor]  # inputs [batch, ...] and labels int64 [batch]
EVALUATION_BATCH = 512  # images
AUGMENTED_PIXELS = 2048 * 32**2  # pixels per channel that are augmented at once, a few megabytes


class Batches:
    """Makes batches of one data set as one recipe wants them."""

    def __init__(self, data: Splits, recipe: Recipe) -> None:
        self.data, self.recipe = data, recipe
        self.size = recipe.image_size or int(data.training.inputs.shape[-1])
        self.augmentation = recipe.augmentation or data.augmentation
        device = data.training.inputs.device
        self._scale = [
            255 * torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (data.mean, data.sd) if values
        ]

    def epoch(self, streams: Streams) -> Iterator[Batch]:
        """Yield the batches of one pass over the training examples, in a new order, each drawn when it is asked for."""
        part, size = self.data.training, self.recipe.batch_size or len(self.data.training)
        if size >= len(part) and self.augmentation == "none":  # one batch, whose order changes rounding alone
            yield self._as_read(resized(part.inputs, self.size)), part.labels
            return
        order = torch.randperm(len(part), generator=streams.order)[: used_examples(len(part), self.recipe)]
        order = order.to(part.labels.device)
        for together in torch.split(order, size * self._batches_together(size)):
            inputs = self._augmented(part.inputs[together], streams.augmentation)
            for start in range(0, len(together), size):
                chosen = slice(start, start + size)
                yield self._as_read(inputs[chosen]), part.labels[together[chosen]]

    def _augmented(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        most, ground = self.recipe.shift, self.data.ground
        return augment(self.augmentation, inputs, self.size, generator, most=most, ground=ground)

    def _batches_together(self, batch_size: int) -> int:
        """Return how many batches are augmented at once: RandAugment costs as many calls for many images as for few."""
        if self.augmentation != "randaugment":
            return 1
        return max(1, AUGMENTED_PIXELS // (batch_size * self.size**2))

    def in_order(self, part: Examples) -> Iterator[Batch]:
        """Yield batches of all examples as they are, in order."""
        for inputs, labels in batches_of(part, EVALUATION_BATCH):
            yield self._as_read(resized(inputs, self.size)), labels

    def _as_read(self, inputs: Tensor) -> Tensor:
        if self._scale:
            mean, sd = self._scale
            inputs = (inputs.float() - mean) / sd
        return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def batches_of(part: Examples, size: int) -> Iterator[Batch]:
    """Yield the examples as they are stored, in order, so many at a time."""
    for start in range(0, len(part), size):
        chosen = slice(start, start + size)
        yield part.inputs[chosen], part.labels[chosen]
