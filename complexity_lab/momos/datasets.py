"""Images to train on: the embedded digits, and CIFAR and MNIST through torchvision.

The three parts of a data set are three types: a test image where a training image is wanted does not type-check.
Images are held as bytes on the device that trains, and normalised batch by batch, so that loading costs nothing.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, nearest_names


@dataclass(frozen=True)
class Images:
    """Images and their classes: ``pixels`` uint8 ``[n, channels, size, size]``, ``labels`` int64 ``[n]``."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class TrainingImages(Images):
    """What weights are fitted to."""


class ValidationImages(Images):
    """What decides when to stop and which weights are best."""


class TestImages(Images):
    """What only finished weights see."""

    __test__ = False  # not a pytest class


@dataclass(frozen=True)
class Splits:
    """A data set in three disjoint parts, with what is needed to train on it.

    ``mean`` and ``sd`` are per channel, for pixels scaled to 0..1; ``augmentation`` is a name in ``augment``.
    """

    name: str
    training: TrainingImages
    validation: ValidationImages
    test: TestImages
    num_classes: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    augmentation: str

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return int(self.training.pixels.shape[1])


@dataclass(frozen=True)
class _Source:
    """How torchvision calls a data set, and how the paper prepares it."""

    constructor: str
    num_classes: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    augmentation: str
    validation: float  # share of the training images


_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), "randaugment", 0.1)
_HALF = ((0.5,), (0.5,), "none", 0.1)
_SOURCES = {
    "cifar10": _Source("CIFAR10", 10, *_CIFAR),
    "cifar100": _Source("CIFAR100", 100, *_CIFAR),
    "mnist": _Source("MNIST", 10, *_HALF),
    "fashion_mnist": _Source("FashionMNIST", 10, *_HALF),
}
DATASETS = ("digits", *_SOURCES)
PATIENCE = 30.0  # seconds without a byte after which a download is given up


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    validation: float | None = None,
    split_seed: int = 10,
    device: torch.device | str = "cpu",
) -> Splits:
    """Return a data set, split. Images keep their size; they are resized batch by batch.

    Args:
        name: one of ``DATASETS``.
        data_dir: where torchvision's files lie or are downloaded to; digits need none.
        validation: share of the training images held out for validation; a tenth (CIFAR: 5,000 images) if None.
        split_seed: of the permutation that chooses them.
        device: where the images will be.

    Raises:
        UnknownNameError: no such data set.
        InputError: the share is not between 0 and 1, or the directory's files are damaged.
        UnreachableError: the directory lacks the files and they cannot be downloaded.
    """
    if name not in DATASETS:
        raise UnknownNameError(
            f"unknown data set {name!r}{nearest_names(name, DATASETS)}; known: {', '.join(DATASETS)}"
        )
    if validation is not None and not 0 < validation < 1:
        raise InputError(f"{validation} of the training images for validation, wanted above 0 and below 1")
    if name == "digits":
        return _digits(32, 0.125 if validation is None else validation, split_seed, device)
    source = _SOURCES[name]
    pixels, labels = _from_torchvision(name, source, data_dir, train=True)
    test_pixels, test_labels = _from_torchvision(name, source, data_dir, train=False)
    training, held_out = _split(len(labels), source.validation if validation is None else validation, split_seed)

    return Splits(
        name,
        TrainingImages(pixels[training].to(device), labels[training].to(device)),
        ValidationImages(pixels[held_out].to(device), labels[held_out].to(device)),
        TestImages(test_pixels.to(device), test_labels.to(device)),
        source.num_classes,
        source.mean,
        source.sd,
        source.augmentation,
    )


def num_classes(name: str) -> int:
    """Return the number of classes of one of ``DATASETS``, without loading it."""
    return 10 if name == "digits" else _SOURCES[name].num_classes


def _split(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of training and validation images."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held_out = max(1, round(share * count))
    if held_out >= count:
        raise InputError(f"{count} training images leave none to train on with a validation share of {share}")
    return order[held_out:], order[:held_out]


def _digits(size: int, validation: float, seed: int, device: torch.device | str) -> Splits:
    """Return scikit-learn's 1797 digits: a fifth for the test, stratified; ink is bright on a dark ground."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    labels = torch.as_tensor(classes, dtype=torch.int64)
    grey = torch.as_tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) * (255 / 16)
    pixels = F.interpolate(grey, (size, size), mode="bilinear").round().clamp(0, 255).byte().repeat(1, 3, 1, 1)
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=classes, random_state=seed)
    training, held_out = train_test_split(rest, test_size=validation, stratify=classes[rest], random_state=seed)
    scaled = pixels[training].double() / 255

    def part(kind: type[Any], chosen: np.ndarray) -> Any:
        return kind(pixels[chosen].to(device), labels[chosen].to(device))

    return Splits(
        "digits",
        part(TrainingImages, training),
        part(ValidationImages, held_out),
        part(TestImages, test),
        10,
        (float(scaled.mean()),) * 3,
        (float(scaled.std()),) * 3,
        "shift",
    )


def _from_torchvision(name: str, source: _Source, data_dir: Path | None, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return all images uint8 ``[n, channels, size, size]`` and labels of one part; download what is missing."""
    from torchvision import datasets

    if data_dir is None:
        raise InputError(f"{name} needs --data-dir, a directory that holds its files or that they are downloaded to")
    make = getattr(datasets, source.constructor)
    try:
        found = make(str(data_dir), train=train, download=False)
    except RuntimeError:  # torchvision's way to say that files are missing or damaged
        found = _downloaded(make, name, data_dir, train=train)
    except Exception as error:  # noqa: BLE001 - unpickling a damaged file raises anything
        raise InputError(f"{data_dir} holds {name}, but it cannot be read ({type(error).__name__}: {error})") from None
    pixels = torch.as_tensor(np.asarray(found.data))
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return pixels, torch.as_tensor(np.asarray(found.targets), dtype=torch.int64)


def _downloaded(make: Any, name: str, data_dir: Path, *, train: bool) -> Any:
    """Return torchvision's data set after a download that gives up when nothing comes for a while.

    Raises:
        UnreachableError: it cannot be downloaded or written, or what came is damaged.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        return make(str(data_dir), train=train, download=True)
    except Exception as error:  # noqa: BLE001 - sockets, archives and the file system raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreachableError(
            f"{data_dir} does not hold {name}, and it cannot be downloaded ({reason}); put its files there"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
