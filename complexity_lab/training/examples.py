"""What networks are trained on, held as tensors on the device that trains, in three parts of three types.

A test example where a training example is wanted does not type-check.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from complexity_lab.training.recipe import Augmentation


@dataclass(frozen=True)
class Examples:
    """``inputs`` ``[n, ...]`` and the classes ``labels`` int64 ``[n]``.

    Inputs are images as bytes, uint8 ``[n, channels, size, size]``, which are normalised batch by batch so that loading
    costs nothing; or what the network reads as it is: float32 ``[n, ...]``, or int64 numbers ``[n, 2]``.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class TrainingExamples(Examples):
    """What weights are fitted to."""


class ValidationExamples(Examples):
    """What decides, while weights are fitted, when to stop and which weights are best."""


class TestExamples(Examples):
    """What only finished weights see."""

    __test__ = False  # not a pytest class


@dataclass(frozen=True, kw_only=True)
class Splits:
    """A data set in three disjoint parts, with what is needed to train on it.

    Attributes:
        training: the part that is fitted.
        validation: decides when to stop and which weights are best.
        test: the part that only finished weights see.
        classes: all labels are below.
        mean: per channel, of pixels scaled to 0..1, that bytes are normalised by; none for inputs that are read as is.
        sd: likewise.
        augmentation: of training images, where the recipe names none.
        ground: value of an empty pixel, which comes in where an image is shifted.
    """

    training: TrainingExamples
    validation: ValidationExamples
    test: TestExamples
    classes: int
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    augmentation: Augmentation = "none"
    ground: float = 0.0

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.training.inputs.shape[1])
