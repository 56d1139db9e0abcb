"""Images to train on by name: the embedded digits, and CIFAR and MNIST through torchvision."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, nearest_names
from complexity_lab.training.digits import byte_digits
from complexity_lab.training.examples import Splits, TestExamples, TrainingExamples, ValidationExamples
from complexity_lab.training.recipe import Augmentation, DigitsSplit


@dataclass(frozen=True)
class _Source:
    """How torchvision calls a data set, and how the paper prepares it."""

    constructor: str
    classes: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    augmentation: Augmentation


_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_SOURCES = {
    "cifar10": _Source("CIFAR10", 10, *_CIFAR, "randaugment"),
    "cifar100": _Source("CIFAR100", 100, *_CIFAR, "randaugment"),
    "mnist": _Source("MNIST", 10, (0.5,), (0.5,), "none"),
    "fashion_mnist": _Source("FashionMNIST", 10, (0.5,), (0.5,), "none"),
}
DATASETS = ("digits", *_SOURCES)
VALIDATION = 0.1  # share of the training images; digits 0.125, a tenth of all
PATIENCE = 30.0  # seconds without a byte after which a download is given up


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    validation: float | None = None,
    split_seed: int = 10,
    device: torch.device | str = "cpu",
) -> Splits:
    """Return a data set as bytes, split. Images keep their size; they are resized batch by batch.

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
        return _on(byte_digits(DigitsSplit(seed=split_seed), 0.125 if validation is None else validation), device)
    source = _SOURCES[name]
    pixels, labels = _from_torchvision(name, source, data_dir, train=True)
    training, held_out = split_in_two(len(labels), VALIDATION if validation is None else validation, split_seed)
    splits = Splits(
        training=TrainingExamples(pixels[training], labels[training]),
        validation=ValidationExamples(pixels[held_out], labels[held_out]),
        test=TestExamples(*_from_torchvision(name, source, data_dir, train=False)),
        classes=source.classes,
        mean=source.mean,
        sd=source.sd,
        augmentation=source.augmentation,
    )
    return _on(splits, device)


def num_classes(name: str) -> int:
    """Return the number of classes of one of ``DATASETS``, without loading it."""
    return 10 if name == "digits" else _SOURCES[name].classes


def split_in_two(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of training and validation images.

    Raises:
        InputError: none would be left to train on.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held_out = max(1, round(share * count))
    if held_out >= count:
        raise InputError(f"{count} training images leave none to train on with a validation share of {share}")
    return order[held_out:], order[:held_out]


def _on(data: Splits, device: torch.device | str) -> Splits:
    parts = {name: getattr(data, name) for name in ("training", "validation", "test")}
    return replace(
        data, **{name: type(part)(part.inputs.to(device), part.labels.to(device)) for name, part in parts.items()}
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
