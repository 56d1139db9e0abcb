"""Data sets through torchvision: where they come from, how they are divided, and what a batch of them is."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.momos.datasets import TestImages, TrainingImages, ValidationImages, load_dataset
from complexity_lab.momos.inputs import Inputs
from tests.cifar import write_cifar10


def rows(images):
    return {bytes(pixels) for pixels in images.pixels.numpy()}


def test_cifar_is_divided_without_the_test_images(tmp_path, monkeypatch):
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch))
    assert [len(part) for part in (data.training, data.validation, data.test)] == [36, 4, 20]
    assert [type(part) for part in (data.training, data.validation, data.test)] == [
        TrainingImages,
        ValidationImages,
        TestImages,
    ]
    parts = [rows(data.training), rows(data.validation), rows(data.test)]
    assert len(set.union(*parts)) == 60  # disjoint: all random images differ
    stored = pickle.loads((tmp_path / CIFAR10.base_folder / "test_batch").read_bytes())
    assert np.array_equal(data.test.pixels.numpy().reshape(20, -1), stored["data"])
    assert data.test.labels.tolist() == stored["labels"]


def test_the_share_for_validation_can_be_the_references(tmp_path, monkeypatch):
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch), validation=0.05)
    assert [len(part) for part in (data.training, data.validation, data.test)] == [38, 2, 20]


def test_the_papers_sizes_of_cifar_are_45000_and_5000():
    from complexity_lab.momos.datasets import _SOURCES, _split

    training, validation = _split(50_000, _SOURCES["cifar10"].validation, 10)
    assert (len(training), len(validation)) == (45_000, 5_000)
    assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(50_000))


def test_damaged_files_are_named(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / CIFAR10.base_folder / "data_batch_1").write_bytes(b"not a pickle")
    with pytest.raises(InputError, match="holds cifar10, but it cannot be read"):
        load_dataset("cifar10", data_dir=tmp_path)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(UnknownNameError, match="known: digits, cifar10"):
        load_dataset("imagenet")


def write_mnist(root, count=30):
    """Write MNIST's four files with a few images."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images = struct.pack(">IIII", 0x803, count, 28, 28) + pixels.tobytes()
        for name, content in (
            ("images-idx3", images),
            ("labels-idx1", struct.pack(">II", 0x801, count) + bytes(labels)),
        ):
            (folder / f"{part}-{name}-ubyte").write_bytes(content)
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
    return root


def test_mnist_is_one_channel_resized_to_32_around_a_half(tmp_path):
    data = load_dataset("mnist", data_dir=write_mnist(tmp_path))
    assert data.training.pixels.shape == (27, 1, 28, 28)
    pixels, labels = next(Inputs(data, 32).in_order(data.validation))
    assert pixels.shape == (3, 1, 32, 32)
    assert labels.equal(data.validation.labels)
    assert -1 <= float(pixels.min()) < 0 < float(pixels.max()) <= 1


def test_inputs_are_normalised_and_every_image_comes_once_an_epoch():
    data = load_dataset("digits")
    order = torch.randperm(len(data.training), generator=torch.Generator().manual_seed(0))
    batches = list(Inputs(data, 32).training(order, 100, torch.Generator().manual_seed(1)))
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.training.labels[order])
    pixels, _ = next(Inputs(data, 32).in_order(data.training))
    assert abs(float(pixels.mean())) < 0.1
    assert abs(float(pixels.std()) - 1) < 0.1


def test_batches_augmented_together_are_the_images_of_their_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("complexity_lab.momos.inputs.augment", lambda name, pixels, size, generator: pixels)
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch))
    order = torch.arange(36).flip(0)
    inputs = Inputs(data, 32)
    batches = list(inputs.training(order, 5, torch.Generator()))
    assert [len(labels) for _, labels in batches] == [5] * 7 + [1]
    plain = torch.cat([pixels for pixels, _ in inputs.in_order(data.training)])
    assert torch.equal(torch.cat([pixels for pixels, _ in batches]), plain[order])
